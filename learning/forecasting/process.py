"""The process that makes a forecast, seen from the gateway."""

from __future__ import annotations

from typing import cast

import msgspec

from learning import process
from learning.forecasting.task import Answer, Task, encode, read_answer
from twins.errors import Unavailable

DEADLINE = 300.0
"""Seconds; it takes some five on a fast core."""
NEEDED = ("statsmodels", "numpy")


async def answer(task: Task, deadline: float = DEADLINE) -> Answer:
    """What the process says. Raises `Unavailable` when it can't be started, is too late, or dies."""
    said, end = await process.answer("learning.forecasting.worker", "forecasts", encode(task), NEEDED, deadline)
    try:
        return cast("Answer", read_answer(said))  # msgspec's decoder of a union says Any
    except msgspec.MsgspecError:
        raise Unavailable(end) from None
