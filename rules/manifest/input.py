"""What a rule sees."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from rules.manifest.form import InputType, Node


class Input(Node, frozen=True):
    """Facts that the rule sees under one name: a property of every device that matches.

    `device` is `namespace/name` or `name` in the detector's namespace; `*` and `?` stand for any characters.
    """

    property: Annotated[str, Meta(min_length=1, max_length=253)]
    """Name of the property."""
    device: Annotated[str, Meta(min_length=1, max_length=253)] = "*"
    """Which devices, as `pump-*`."""
    type: InputType = "number"
    """How values read; those that do not are left out."""
