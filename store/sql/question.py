"""What goes between the gateway and a process for queries: msgpack both ways, nothing that could be code."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from store.segment import Segment
from twins.exchange import Scalar


class Setting(Struct, frozen=True):
    """What a process is started with: the node's name, `state.db`, the segments' directory, memory in MiB."""

    node: str
    file: str
    directory: str
    memory: int


class Question(Struct, frozen=True):
    """A query that passed the guard, and what it shall see beside the files.

    `chunks` are packed columns and `series` their names; `None` when the process has those of this `version` already.
    """

    sql: str
    tables: frozenset[str]
    parameters: tuple[Scalar, ...]
    limit: int
    deadline: float
    live: dict[str, list[tuple[Any, ...]]]
    segments: tuple[Segment, ...]
    version: int
    chunks: list[bytes] | None = None
    series: list[str] = []


class Answer(Struct, frozen=True, tag=True):
    """Times with a zone are datetimes; what msgpack has no type for (dates, intervals) is text, as in JSON."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool = False


class Refused(Struct, frozen=True, tag=True):
    """Why there is no answer. After `final` the process ends: what it ran into leaves it in doubt."""

    reason: str
    code: int
    final: bool = False


class Unreadable(Struct, frozen=True, tag=True):
    """These segments are damaged or gone."""

    names: list[str]


encode = msgspec.msgpack.Encoder().encode
question = msgspec.msgpack.Decoder(Question).decode
reply = msgspec.msgpack.Decoder(Answer | Refused | Unreadable).decode
