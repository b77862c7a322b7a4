"""What the structs of a manifest have in common: names, texts, values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="usable as a name in expressions")]
Label = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="a Kubernetes DNS label")]
Title = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$")]
Source = Annotated[str, Meta(min_length=1, max_length=1024, description="a CEL expression")]
Text = Annotated[str, Meta(min_length=1, max_length=1024, description="text in which ${CEL} is replaced")]
Scalar = bool | float | str
InputType = Literal["number", "string", "boolean"]


class Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifest's structs."""


class Metadata(Node, frozen=True):
    name: Label
    namespace: Label = "default"
    labels: dict[str, str] = {}
    """For choosing."""
    annotations: dict[str, str] = {}
    """Free texts."""
