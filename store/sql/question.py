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


class Statement(Struct, frozen=True):
    """SQL, and the numbers of the parameters in it, which are written `$1`."""

    sql: str
    uses: tuple[int, ...] = ()


class Limit(Struct, frozen=True):
    """One end of a span of time: a constant expression."""

    at: Statement
    inclusive: bool


class OneOf(Struct, frozen=True):
    """A column that is one of these texts; a number stands for the parameter of that number."""

    column: str
    values: tuple[str | int, ...]


class Scope(Struct, frozen=True):
    """What a query can see of the points at most: all of these hold for each row it uses."""

    since: tuple[Limit, ...] = ()
    until: tuple[Limit, ...] = ()
    names: tuple[OneOf, ...] = ()


class Rolled(Struct, frozen=True):
    """The query once more, asked of `rolled` in place of `points`: rows that each stand for many points.

    `rolled` has to be bounded by the scope's times, which the statement leaves out. `hourly`: rows may stand for an
    hour, else for a minute. `numbers`: points without a number play no part.
    """

    statement: Statement
    hourly: bool
    numbers: bool


class Asked(Struct, frozen=True):
    """A query that may run, which of our tables it reads, and how many parameters it has.

    `moments` are the times of its tables `twins_at_1`, `twins_at_2` and so on.
    """

    statement: Statement
    tables: frozenset[str]
    parameters: int = 0
    scope: Scope = Scope()
    rolled: Rolled | None = None
    moments: tuple[Statement, ...] = ()


class Known(Struct, frozen=True):
    """Which points in memory a process shall know: those from `start` to `stop` of what it has, and these chunks.

    `series` are the names that it does not have yet, in order.
    """

    start: int
    stop: int
    chunks: list[bytes]
    series: list[str]


class Question(Struct, frozen=True):
    """A query that passed the guard, and what it shall see beside the files.

    `known` tells what changed of the points in memory; `None` when the process has those of this `version` already.
    `given` are further tables by name, each the rows of all its Arrow streams.
    """

    asked: Asked
    parameters: tuple[Scalar, ...]
    limit: int
    deadline: float
    live: dict[str, list[tuple[Any, ...]]]
    segments: tuple[Segment, ...]
    version: int
    form: Form = "rows"
    known: Known | None = None
    given: dict[str, tuple[bytes, ...]] = {}


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
