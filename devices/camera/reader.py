"""The thread that reads one source: it decodes what is wanted and leaves the newest picture in the slot."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from devices.camera.limits import Limits
from devices.camera.manifest import Camera
from devices.camera.pace import Cap, Playback
from devices.camera.slot import Slot
from runtime.clock import Clock
from twins.errors import GemeloError, Unavailable

if TYPE_CHECKING:
    from devices.camera.video import Video

LOOK = 0.5
"""Seconds between two looks at whether a playing file was replaced."""

Mark = tuple[int, int, int]
"""Inode, size and time of change of a file: another mark, another video."""


class Ended(Unavailable):
    """The video is over; it plays again when its file is no longer the one of this mark."""

    def __init__(self, reason: str, mark: Mark | None) -> None:
        super().__init__(reason)
        self.mark = mark


class Reader:
    """Single-use: `start`, take from the slot, `stop`. `Slot.take` raises why it ended."""

    def __init__(self, camera: Camera, slot: Slot, clock: Clock, limits: Limits, played: Mark | None = None) -> None:
        self._camera = camera
        self._slot = slot
        self._clock = clock
        self._limits = limits
        self._played = played
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {camera.id}", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> bool:
        """Ask the thread to end and wait for it, `limits.stopping` at most. False: it is blocked and was left behind.

        A thread left behind puts nothing into the slot any more.
        """
        self._stop.set()
        try:
            async with asyncio.timeout(self._limits.stopping):
                await self._done.wait()
        except TimeoutError:
            return False
        self._thread.join(self._limits.stopping)  # past its last statement: microseconds
        return not self.alive

    def _run(self) -> None:
        try:
            self._read()
            error: Exception = Unavailable("stopped")
        except GemeloError as reason:
            error = reason
        except ImportError as reason:
            error = Unavailable(f"{reason.name or reason} is not installed: pip install 'gemelo[camera]'")
        except Exception as reason:  # noqa: BLE001 - the thread's boundary: whatever it is goes to whoever takes
            error = reason
        if not self._stop.is_set():
            self._slot.end(error)
        try:
            self._loop.call_soon_threadsafe(self._done.set)
        except RuntimeError:  # the loop is closed, nobody waits
            return

    def _read(self) -> None:
        from devices.camera.video import Video

        spec = self._camera.spec
        playback = Playback(self._clock.monotonic, self._stop.wait)
        cap = Cap(spec.fps)
        while not self._stop.is_set():
            mark = file_mark(spec.path)
            if mark is not None and mark == self._played:
                raise Ended(_ended(spec.shown), mark)
            with Video(spec, self._limits) as video:
                playback.turn(video.interval)
                shown, replaced = self._play(video, playback, cap, mark)
            if self._stop.is_set() or replaced:
                continue
            if spec.path is None:
                message = f"{spec.shown} closed the stream"
                raise Unavailable(message)
            if not shown:
                message = f"broken video: no picture in {spec.shown}"
                raise Unavailable(message)
            if not spec.loop:
                raise Ended(_ended(spec.shown), mark)

    def _play(self, video: Video, playback: Playback, cap: Cap, mark: Mark | None) -> tuple[int, bool]:
        """Until the end, `stop` or a new file. How many pictures were decoded, and whether the file was replaced."""
        shown, heard = 0, self._clock.monotonic()
        watched = _Watched(self._camera.spec.path, mark, heard)
        for still in video.stills(cap.period):
            now = self._clock.monotonic()
            # A read that times out first hands over the packet its parser held back, and raises only the next time.
            if video.live and now - heard > 0.9 * self._limits.reading:
                message = f"no answer from {self._camera.spec.shown}: unplugged or stalled"
                raise Unavailable(message)
            if not video.live:
                playback.await_moment(still.moment)
                now = self._clock.monotonic()
            heard = now
            if self._stop.is_set():
                break
            if watched.replaced(now):
                return shown, True
            wanted = (still.frame or still.packet) is not None and cap.due(now)
            frame = video.frame(still) if wanted else None
            shown += (still.frame or frame) is not None
            if frame is None:
                self._slot.pass_over()
            else:
                self._slot.put(frame, self._clock.now(), self._clock.monotonic())
        return shown, False


class _Watched:
    """Tells when a playing file was replaced and its successor has stopped growing."""

    def __init__(self, path: Path | None, mark: Mark | None, now: float) -> None:
        self._path = path
        self._mark = mark
        self._candidate = mark
        self._next = now + LOOK

    def replaced(self, now: float) -> bool:
        if self._path is None or now < self._next:
            return False
        self._next = now + LOOK
        mark = file_mark(self._path)
        settled = mark is not None and mark != self._mark and mark == self._candidate
        self._candidate = mark
        return settled


def file_mark(path: Path | None) -> Mark | None:
    """`None` for a source on the network or a file that is not there."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _ended(source: str) -> str:
    return f"the video has ended: {source}; `loop: true` plays it again"
