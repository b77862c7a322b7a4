"""All cameras: one supervised task each, changed while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devices.camera.feed import Feed
from devices.camera.gallery import Gallery
from devices.camera.limits import Limits
from devices.camera.manifest import Camera
from devices.camera.ports import Detector, Intake
from devices.camera.view import CameraView
from runtime.clock import Clock


class Cameras:
    """Owns the feeds. `apply` and `remove` may be called before and while `run()` runs, from its event loop."""

    def __init__(
        self,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        gallery: Gallery,
        limits: Limits | None = None,
    ) -> None:
        self._intake = intake
        self._detector = detector
        self._clock = clock
        self._next_cause = next_cause
        self._gallery = gallery
        self._limits = limits or Limits()
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def apply(self, camera: Camera) -> None:
        """Start a camera, or change it; the same manifest again changes nothing."""
        feed = self._feeds.get(camera.id)
        if feed is not None and feed.camera == camera:
            return
        self._feeds[camera.id] = self._feed(camera)
        self._start(camera.id)

    def remove(self, device: str) -> None:
        """Stop a camera and forget its pictures; unknown ids are ignored."""
        if self._feeds.pop(device, None) is None:
            return
        if (task := self._tasks.get(device)) is not None:
            task.cancel()
        self._gallery.forget(device)

    async def run(self) -> None:
        """Until cancelled. Each camera's faults stay its own; a reader thread ends before this returns."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for device in self._feeds:
                    self._start(device)
                await asyncio.get_running_loop().create_future()  # cameras come and go; the group stays
        finally:
            self._group = None

    def views(self) -> tuple[CameraView, ...]:
        return tuple(feed.view for feed in self._feeds.values())

    def _feed(self, camera: Camera) -> Feed:
        return Feed(camera, self._intake, self._detector, self._clock, self._next_cause, self._gallery, self._limits)

    def _start(self, device: str) -> None:
        if self._group is None:
            return
        before = self._tasks.get(device)
        if before is not None:
            before.cancel()
        task = self._group.create_task(self._follow(self._feeds[device], before), name=f"camera {device}")
        self._tasks[device] = task
        task.add_done_callback(lambda _: self._tasks.pop(device) if self._tasks.get(device) is task else None)

    async def _follow(self, feed: Feed, before: asyncio.Task[None] | None) -> None:
        """Run a feed once its predecessor has let go of the source: cameras often serve one connection only."""
        if before is not None:
            await asyncio.wait((before,), timeout=self._limits.stopping + 1)
        await feed.run()
