"""What cameras need of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twins.exchange import Frame, Result
from twins.stimuli import Stimulus

Done = Callable[[object], None]


class Intake(Protocol):
    """Where stimuli go; waits while the core is behind."""

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None: ...


class Detector(Protocol):
    """Runs a model on a frame, within `deadline` seconds after `frame.received`.

    Any error of ours but `Broken` says why this frame was not looked at; the next one may be.
    """

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result: ...
