"""What goes to the process that makes forecasts, and what comes back."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from learning.prediction import Prediction


class Task(Struct, frozen=True):
    """Values of the grid, oldest first, `None` where there were no points; `begin` and `step` in microseconds.

    `day` and `season` in steps.
    """

    begin: int
    step: int
    values: tuple[float | None, ...]
    day: int
    season: int
    horizon: int
    methods: tuple[str, ...]
    least: float | None = None
    most: float | None = None


class Little(Struct, frozen=True, tag="little"):
    """There is too little to learn from."""

    reason: str


Answer = Prediction | Little
encode = msgspec.msgpack.encode
read_task = msgspec.msgpack.Decoder(Task).decode
read_answer = msgspec.msgpack.Decoder(Answer).decode
"""Both raise `msgspec.MsgspecError`."""
