"""What becomes of the instances of a rule whose manifest is changed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rules.manifest.form import Name, Node, Title

Migration = Literal["keep", "map", "reset"]


class Names(Node, frozen=True):
    """New names of what an older manifest called otherwise."""

    states: Annotated[dict[Title, Title], Meta(max_length=64)] = field(default_factory=dict)
    """The new state for each old one that is to have another."""
    variables: Annotated[dict[Name, Name], Meta(max_length=32)] = field(default_factory=dict)
    """The new variable for each old one whose value goes on under another name."""
