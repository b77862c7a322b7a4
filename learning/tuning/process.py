"""The process that proposes trials, seen from the gateway."""

from __future__ import annotations

import msgspec

from learning import process
from learning.tuning.task import Proposal, Task, encode, read_proposal
from twins.errors import Unavailable

DEADLINE = 120.0
"""Seconds; it takes two or three."""
NEEDED = ("sklearn", "numpy")


async def proposal(task: Task, deadline: float = DEADLINE) -> Proposal:
    """What to try. Raises `Unavailable` when the process can't be started, is too late, or dies."""
    said, end = await process.answer("learning.tuning.worker", "trials", encode(task), NEEDED, deadline)
    try:
        return read_proposal(said)
    except msgspec.MsgspecError:
        raise Unavailable(end) from None
