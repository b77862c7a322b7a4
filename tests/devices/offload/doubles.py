"""The far sides of the offload door: an intake that commits in memory, a detector that looks at the picture's light.

Both are doubles. The detector really decodes what it is given, so poison is poison; only its opinion is simple.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence

from runtime.clock import Clock, SystemClock
from twins.errors import Rejected, Unavailable
from twins.exchange import Box, Detection, Frame, Outcome, Result
from twins.stimuli import Stimulus

Done = Callable[[Outcome], None]


class ShiftedClock(SystemClock):
    """The machine's clock, `ahead` by some monotonic seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class MemoryIntake:
    """Keeps stimuli in a list: that is its disk. With `held`, what is offered waits for `commit()`."""

    def __init__(self) -> None:
        self.stored: list[Stimulus] = []
        self.held = False
        self.outcome = Outcome()
        self.closed = False
        self._waiting: list[tuple[Sequence[Stimulus], Done | None]] = []
        self._changed = asyncio.Condition()

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None:
        if self.closed:
            raise Unavailable("the intake is closed")
        self._waiting.append((stimuli, done))
        if not self.held:
            self.commit()
        async with self._changed:
            self._changed.notify_all()

    def commit(self) -> None:
        """Put all that waits on the disk and say so."""
        waiting, self._waiting = self._waiting, []
        for stimuli, done in waiting:
            if self.outcome.refused is None:
                self.stored.extend(stimuli)
            if done is not None:
                done(self.outcome)

    @property
    def offered(self) -> list[Stimulus]:
        """What waits for its commit."""
        return [stimulus for stimuli, _ in self._waiting for stimulus in stimuli]

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Return when `condition()` holds; it is asked at each offer."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)


class Light:
    """Says `happy` of a light picture and `sad` of a dark one; sees no face in a black one. Takes `seconds`."""

    def __init__(self, clock: Clock, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.version = "1"
        self.missing = False
        self.error: Exception | None = None
        self.seen: list[Frame] = []
        self.deadlines: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stuck = asyncio.Event()
        self._clock = clock

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        self.seen.append(frame)
        if deadline is not None:
            self.deadlines.append(deadline)
        started = self._clock.monotonic()
        if not self.gate.is_set():
            self.stuck.set()
        await self.gate.wait()
        if self.seconds:
            await self._clock.sleep(self.seconds)
        if self.missing:
            raise Unavailable(f"{model} is not here")
        if self.error is not None:
            raise self.error
        light = _light(frame)
        decoded = self._clock.monotonic()
        face = Detection("face", 0.9, Box(0.25, 0.25, 0.5, 0.5))
        mood = Detection("happy" if light > 0.5 else "sad", max(light, 1 - light), scores=(light, 1 - light), within=0)
        return Result(
            device=frame.device,
            model=model,
            version=self.version,
            seq=frame.seq,
            at=frame.at,
            detections=(face, mood) if light > 0.02 else (),
            queue_us=round((started - frame.received) * 1e6),
            decode_us=round((decoded - started) * 1e6),
            cause=frame.cause,
        )


def _light(frame: Frame) -> float:
    """The middle brightness, 0..1."""
    from PIL import Image, UnidentifiedImageError

    if frame.format == "gray8":
        picture = Image.frombytes("L", (frame.width, frame.height), bytes(frame.data))
    else:
        try:
            picture = Image.open(io.BytesIO(frame.data), formats=["JPEG"]).convert("L")
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise Rejected(f"not a JPEG: {error}") from error
    return picture.resize((1, 1)).getpixel((0, 0)) / 255
