"""The engine: frames in, results out. Decoding and networks run in the pool's threads, never on the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Protocol

from inference.pictures import decode
from runtime.clock import Clock
from twins.errors import Dropped
from twins.exchange import Frame, ModelInfo, Result

if TYPE_CHECKING:
    from PIL import Image

    from inference.pipeline import Sight


class Pipeline(Protocol):
    """What is done with one decoded picture; called from any thread of the pool."""

    def look(self, picture: Image.Image) -> Sight: ...


class OpenVinoEngine:
    """One pipeline as an engine. The pool bounds how many frames are worked on at once; put admission in front."""

    def __init__(self, info: ModelInfo, pipeline: Pipeline, pool: Executor, clock: Clock) -> None:
        self.info = info
        self._pipeline = pipeline
        self._pool = pool
        self._clock = clock

    async def infer(self, frame: Frame, *, deadline: float | None = None) -> Result:
        """The result of one frame; `deadline` in seconds after `frame.received`.

        `queue_us` counts from there to the first work on it; `post_us` is all around the networks: scaling, crops,
        reading boxes. `width` and `height` are those of the upright picture, which boxes are parts of.
        Raises `Rejected` (not a picture), `Dropped` (too late to begin), `Unavailable` (the network failed).
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, frame, deadline)

    def _answer(self, frame: Frame, deadline: float | None) -> Result:
        started = self._clock.monotonic()
        if deadline is not None and started - frame.received > deadline:
            reason = f"waited {started - frame.received:.3f} s of {deadline:.3f} s for a thread"
            raise Dropped(kind="deadline", reason=reason)
        picture = decode(frame)
        decoded = self._clock.monotonic()
        sight = self._pipeline.look(picture)
        return Result(
            device=frame.device,
            model=self.info.name,
            version=self.info.version,
            seq=frame.seq,
            at=frame.at,
            detections=sight.detections,
            queue_us=_us(started - frame.received),
            decode_us=_us(decoded - started),
            infer_us=_us(sight.seconds),
            post_us=_us(self._clock.monotonic() - decoded - sight.seconds),
            cause=frame.cause,
            width=picture.width,
            height=picture.height,
        )


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
