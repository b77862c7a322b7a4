"""A query for several nodes: which are meant, and what is told of each beside the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta, Struct, structs

from twins.exchange import Encoded, Scalar
from web.nodes.manifest import Series, Within

EVERYTHING = "*/*/*"
"""The right to read all."""


class Choice(Struct, frozen=True):
    """The nodes that are in the group, have these labels and stand in the circle, of those three that are given.

    `require` all: no answer unless all of them answer. `rights` are those of whom the query is for.
    """

    group: str = ""
    near: Within | None = None
    where: dict[str, str] = {}
    require: Literal["any", "all"] = "any"
    rights: Annotated[tuple[Series, ...], Meta(max_length=256)] = (EVERYTHING,)

    @property
    def chooses(self) -> bool:
        """True if any is chosen at all."""
        return bool(self.group or self.near or self.where)


class NodeReport(Struct, frozen=True):
    """What one node did. `reason` says why it did not answer.

    `newest` is the time of its newest point, microseconds UTC, `null` for none: how fresh its part is. `sent` counts
    rows, `bytes` what they took; `plan` says what it read.
    """

    node: str
    answered: bool
    reason: str = ""
    newest: int | None = None
    sent: int = 0
    bytes: int = 0
    elapsed_us: int = 0
    plan: str = ""


class GroupReport(Struct, frozen=True):
    """`partial` when not all nodes answered. `ways` are what they were asked for, for each table of the query."""

    partial: bool
    answered: int
    failed: int
    ways: tuple[str, ...]
    nodes: tuple[NodeReport, ...]

    def brief(self, room: int) -> str:
        """As JSON of about so many signs at most, in ASCII: those who failed come first, and some may be left out."""
        said = []
        for one in sorted(self.nodes, key=lambda one: one.answered):
            said.append(one)
            room -= len(msgspec.json.encode(one))
            if room < 0:
                break
        return json.dumps(msgspec.to_builtins(structs.replace(self, nodes=tuple(said))))


class Groups(Protocol):
    """Questions to several nodes at once."""

    async def encoded(
        self,
        text: str,
        parameters: Sequence[Scalar],
        choice: Choice,
        *,
        form: Literal["json", "csv", "arrow"],
        deadline: float,
        limit: int,
    ) -> tuple[Encoded, GroupReport | None]:
        """The answer as bytes, and no report where the query turned out to be for this node alone."""
        ...
