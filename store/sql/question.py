"""What goes between the gateway and a process for queries: msgpack both ways, nothing that could be code."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from store.segment import Segment
from twins.exchange import Scalar

Form = Literal["rows", "arrow", "csv", "json"]
Cut = Literal["", "rows", "bytes"]
"""What an answer was cut for: that many rows were asked for, or it has no room for more bytes."""
MOST = 64 * 1024 * 1024
"""Bytes that an answer may have."""


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
    form: Form = "rows"
    chunks: list[bytes] | None = None
    series: list[str] = []


class Answer(Struct, frozen=True, tag=True):
    """Times with a zone are datetimes; what msgpack has no type for (dates, intervals) is text, as in JSON.

    In a form other than `rows` there are none: the bytes of the form come as the next message.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    count: int
    cut: Cut = ""
    plan: str = ""


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
