"""Real videos made on the spot, an intake that remembers, and a detector that looks at the pixels."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from devices.camera import Camera, Cameras, Feed, Gallery, Limits
from runtime.clock import SystemClock
from tests.assets import ASSETS
from twins.errors import Unavailable
from twins.exchange import Box, Detection, Frame, Result
from twins.stimuli import Inferred, Seen, Stimulus


def paint_square(index: int, width: int, height: int, colour: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """A square of a fifth of the width that moves right on black, 2 pixels a picture."""
    picture = np.zeros((height, width, 3), np.uint8)
    side = width // 5
    left = (2 * index) % (width - side)
    picture[height // 4 : height // 4 + side, left : left + side] = colour
    return picture


def make_video(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 25,
    size: tuple[int, int] = (160, 120),
    codec: str = "libx264",
    gop: int = 12,
    rotation: int = 0,
    paint: Callable[[int, int, int], np.ndarray] = paint_square,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = gop
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(int(seconds * fps)):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(paint(index, *size), format="rgb24")))
        output.mux(stream.encode(None))
    return path


class Log:
    """The intake's side: keeps what was offered and wakes whoever waits for something."""

    def __init__(self) -> None:
        self.stimuli: list[Stimulus] = []
        self._changed = asyncio.Event()

    async def offer(self, stimuli: Sequence[Stimulus], done: object = None) -> None:
        self.stimuli.extend(stimuli)
        self._changed.set()

    def inferred(self, device: str | None = None) -> list[Inferred]:
        return [s for s in self.stimuli if isinstance(s, Inferred) and device in (None, s.device)]

    def states(self, device: str | None = None) -> list[tuple[str, str]]:
        return [(s.state, s.reason) for s in self.stimuli if isinstance(s, Seen) and device in (None, s.device)]

    @property
    def last(self) -> tuple[str, str]:
        return (self.states() or [("", "")])[-1]

    async def until(self, holds: Callable[[], object], deadline: float = 15.0) -> None:
        """Wait until it holds; looked at after each offer."""
        try:
            async with asyncio.timeout(deadline):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail(f"not within {deadline} s; states: {self.states()}, results: {len(self.inferred())}")


class Bright:
    """A detector without a model: finds what is bright by its pixels. `delay` makes it slow, `missing` away."""

    def __init__(self, clock: SystemClock, label: str = "person") -> None:
        self.clock = clock
        self.label = label
        self.delay = 0.0
        self.missing = ""
        self.calls = 0
        self.ages: list[float] = []
        self.colours: list[tuple[int, ...]] = []

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        self.calls += 1
        assert deadline is not None
        assert self.clock.monotonic() - frame.received < deadline
        if self.missing:
            raise Unavailable(self.missing)
        if self.delay:
            await asyncio.sleep(self.delay)
        picture = np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.width, 3)
        rows, columns = np.nonzero(picture.max(axis=2) > 128)
        found: tuple[Detection, ...] = ()
        if rows.size:
            top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
            self.colours.append(tuple(int(c) for c in picture[(top + bottom) // 2, (left + right) // 2]))
            box = Box(
                float(left / frame.width),
                float(top / frame.height),
                float((right - left) / frame.width),
                float((bottom - top) / frame.height),
            )
            found = (Detection(self.label, 0.9, box),)
        self.ages.append(self.clock.monotonic() - frame.received)
        return Result(frame.device, model, "1", frame.seq, frame.at, found, cause=frame.cause)


class HurriedClock(SystemClock):
    """The machine's clock, but pauses are noted and cost nothing."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.limit = 1_000_000
        self.enough = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.limit:
            self.enough.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


class Bench:
    """A camera's surroundings."""

    def __init__(self, clock: SystemClock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.log = Log()
        self.detector = Bright(clock)
        self.gallery = Gallery()
        numbers = itertools.count(1)
        self.next_cause = lambda: f"camera:1:{next(numbers)}"

    def camera(self, source: object, name: str = "gate", **spec: object) -> Camera:
        return Camera.from_manifest({"metadata": {"name": name}, "spec": {"source": str(source), **spec}})

    def feed(self, source: object, **spec: object) -> Feed:
        camera = self.camera(source, **spec)
        return Feed(camera, self.log, self.detector, self.clock, self.next_cause, self.gallery, self.limits)

    def cameras(self) -> Cameras:
        return Cameras(self.log, self.detector, self.clock, self.next_cause, self.gallery, self.limits)


@asynccontextmanager
async def running(part: Feed | Cameras) -> AsyncIterator[None]:
    """The part runs inside; it is cancelled at the end and must be gone within ten seconds."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(part.run())
        try:
            yield
        finally:
            task.cancel()
            _, late = await asyncio.wait((task,), timeout=10)
            assert not late, "the part did not end"


@pytest.fixture
def run() -> Callable[..., object]:
    return running


@pytest.fixture
def quick() -> Limits:
    """Deadlines for faults on loopback."""
    return Limits(opening=5, reading=2, silence=4, stopping=5, pauses=(0.1, 0.2), replay=0.1)


@pytest.fixture
async def bench(quick: Limits) -> Bench:
    return Bench(SystemClock(), quick)


@pytest.fixture
async def hurried() -> Bench:
    return Bench(HurriedClock(), Limits())


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "square.mp4", **how: object) -> Path:
        return make_video(tmp_path / name, **how)  # type: ignore[arg-type]

    return make


@pytest.fixture
def square() -> Callable[..., np.ndarray]:
    return paint_square


@pytest.fixture
def asset() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        path = ASSETS / name
        if not path.exists():
            pytest.skip(f"{name} is not in GEMELO_ASSETS ({ASSETS})")
        return path

    return find


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
