"""What goes to the process that proposes trials, and what comes back."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from learning.tuning.space import Axis, Configuration


class Seen(Struct, frozen=True):
    """A trial: its objective, so that more is better, and by how much each constraint was kept, below 0 not.

    `None` where it broke a limit before there was a measurement.
    """

    number: int
    values: Configuration
    objective: float | None
    margins: tuple[float, ...] = ()


class Task(Struct, frozen=True):
    """From the values of `now` one step may be gone."""

    axes: tuple[Axis, ...]
    now: Configuration
    seen: tuple[Seen, ...]
    seed: int


class Proposal(Struct, frozen=True):
    """What to try next, and which trial is best so far: its number, -1 where none kept all constraints."""

    values: Configuration
    best: int


encode = msgspec.msgpack.encode
read_task = msgspec.msgpack.Decoder(Task).decode
read_proposal = msgspec.msgpack.Decoder(Proposal).decode
"""Both raise `msgspec.MsgspecError`."""
