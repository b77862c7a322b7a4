"""What the offload door needs of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twins.exchange import Frame, ModelInfo, Outcome, Result
from twins.stimuli import Stimulus

Done = Callable[[Outcome], None]
Models = Callable[[], Sequence[ModelInfo]]
"""What is on offer now; empty when that is not known."""


class Intake(Protocol):
    """Where stimuli go."""

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None:
        """Wait for room; call `done` once, in the event loop, after the commit. Raises `Unavailable` when closed."""
        ...


class Detector(Protocol):
    """What looks at pictures."""

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        """`deadline` is in seconds after `frame.received`.

        Raises `Rejected` (a bad picture; 404: no such model), `Dropped` (given up) or `Unavailable` (model not here).
        """
        ...
