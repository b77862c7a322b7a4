"""An action on its way: how it is kept on disk, how many of a target go at once, and what it may end in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from rules.instructions import Act
from rules.tasks import Clip, Publish, Task
from twins.errors import Unavailable
from twins.exchange import OutboxRow
from twins.stimuli import Stimulus

PREFIX = "action:"
"""Beginning of the key under which an action is kept; its id follows."""
DAY = 86_400_000_000
"""Microseconds that an action may wait for its target, where it says nothing else."""


class Away(Unavailable):
    """The target is away, and is to be left alone for `seconds` at least."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Finished(Struct, frozen=True):
    """What an action came to: `said` for the record, `stimuli` to be taken together with its deletion."""

    said: str = ""
    stimuli: Sequence[Stimulus] = ()


Perform = Callable[[Act], Awaitable[Finished]]
"""Do it. `Unavailable`: the target is away, try again; `Rejected`: it can never be done."""


class Sender(Protocol):
    """Our broker: `Messaging`."""

    async def send(self, topic: str, payload: bytes, ident: str, *, qos: int, retain: bool) -> None:
        """Return when the broker has it. Raises `Unavailable`, and `Rejected` for what no broker takes."""
        ...


def width(task: Task) -> int:
    """How many of a target go at once: the link keeps the order of messages, and clips mostly wait for pictures."""
    match task:
        case Publish():
            return 128
        case Clip():
            return 8
        case _:
            return 1


def row(act: Act) -> OutboxRow:
    """An action as it is kept."""
    return OutboxRow(PREFIX + act.id, "action", "", act.at, _encode(act), act.cause)


def read(kept: OutboxRow) -> Act:
    """Raises `msgspec.DecodeError` for what another version wrote."""
    return _decode(kept.body)


_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Act).decode
