"""What is done by the gateway itself: methods of devices, uploads, pictures that are kept, models that look."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import structs

from devices.camera.gallery import Gallery
from devices.camera.manifest import Camera, count_name
from gateway.actions.task import Finished
from gateway.manifests.registry import Registry
from gateway.uploading import Uploading
from rules.instructions import Act
from rules.tasks import Call, Clip, Infer, Upload
from runtime.clock import Clock
from store.blobs import Blobs
from twins.errors import Dropped, Rejected, Unavailable
from twins.exchange import Frame, Result
from twins.manifests import Device
from twins.schema import nearest
from twins.stimuli import Edit, Inferred, Updated
from twins.twin import Twins

PICTURES = 300
"""Pictures of one clip."""
GLANCE = 0.25
"""Seconds between two looks for new pictures: the gallery keeps the last ones alone."""
PATIENCE = 5.0
"""Seconds that a model may take."""


class Models(Protocol):
    """Models by name: `Lookout`."""

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        """The result; `deadline` in seconds after `frame.received`."""
        ...


class Calls:
    """Methods of devices. As in KubeEdge, a method writes the properties that it names; the device's mapper does it."""

    def __init__(self, registry: Registry, twins: Twins, clock: Clock) -> None:
        self._registry = registry
        self._twins = twins
        self._clock = clock

    async def perform(self, act: Act) -> Finished:
        """Do a `Call`: its values are desired in the commit that deletes the action."""
        task = act.task
        assert isinstance(task, Call)  # what it is registered for
        device: Device | None = dict(self._registry.of("Device")).get(task.device)
        if device is None or self._twins.get(task.device) is None:
            raise Rejected(f"there is no Device {task.device}")
        methods = {method.name: method.property_names for method in device.spec.methods}
        if task.method not in methods:
            raise Rejected(f"{task.device} has no method {task.method}; {nearest(task.method, methods)}")
        if wrong := task.arguments.keys() - set(methods[task.method]):
            raise Rejected(f"{task.method} does not write {', '.join(sorted(wrong))}")
        now = self._clock.now()
        edits: Mapping[str, Edit | None] = {name: Edit(desired=value) for name, value in task.arguments.items()}
        asked = ", ".join(f"{name} = {value}" for name, value in task.arguments.items())
        update = Updated(task.device, act.cause, now, dict(edits), now, origin="edge")
        self._twins.check(update)  # or it would be told that it was done
        return Finished(asked, (update,))


class Sendings:
    """Uploads on demand."""

    def __init__(self, uploads: Uploading, clock: Clock) -> None:
        self._uploads = uploads
        self._clock = clock

    async def perform(self, act: Act) -> Finished:
        """Do an `Upload`. What was sent already is not sent again, so a repeat is harmless."""
        task = act.task
        assert isinstance(task, Upload)  # what it is registered for
        await self._clock.sleep(max(0.0, (task.until - self._clock.now()) / 1e6))
        view = await self._uploads.start(task.name, _moment(task.since), _moment(task.until))
        return Finished(f"{view.state}")


class Clips:
    """Pictures around a moment, kept as blobs under `ID-N`: the gateway keeps no films."""

    def __init__(self, gallery: Gallery, blobs: Blobs, clock: Clock) -> None:
        self._gallery = gallery
        self._blobs = blobs
        self._clock = clock

    async def perform(self, act: Act) -> Finished:
        """Do a `Clip`: those pictures that were looked at, as long as the gallery still has them."""
        task = act.task
        assert isinstance(task, Clip)  # what it is registered for
        kept: dict[str, str] = {}
        while True:
            last = self._clock.now() >= task.until
            for cause in self._gallery.span(task.camera, task.since, task.until):
                if cause not in kept and len(kept) < PICTURES:
                    kept[cause] = await self._keep(f"{act.id}-{len(kept)}", cause)
            if last:
                break
            await self._clock.sleep(GLANCE)
        names = [name for name in kept.values() if name]
        if not names:
            raise Rejected(f"there are no pictures of {task.camera} from then")
        return Finished(f"{len(names)} pictures, {names[0]} to {names[-1]}")

    async def _keep(self, name: str, cause: str) -> str:
        """Keep one; empty when it is gone."""
        jpeg = await asyncio.to_thread(self._gallery.by_cause, cause)
        if jpeg is None:
            return ""
        try:
            await self._blobs.put(name, jpeg)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"a picture can't be kept: {error}") from None
        return name


class Looks:
    """Models on the newest picture of a camera."""

    def __init__(self, gallery: Gallery, models: Models, registry: Registry, clock: Clock) -> None:
        self._gallery = gallery
        self._models = models
        self._registry = registry
        self._clock = clock

    async def perform(self, act: Act) -> Finished:
        """Do an `Infer`: rows of results, and counts in the camera's twin, in the commit that deletes the action."""
        task = act.task
        assert isinstance(task, Infer)  # what it is registered for
        frame = self._gallery.frame(task.camera)
        if frame is None:
            raise Rejected(f"there is no picture of {task.camera}")
        frame = structs.replace(frame, received=self._clock.monotonic(), cause=act.cause)
        try:
            async with asyncio.timeout(PATIENCE + 0.5):
                result = await self._models.infer(task.model, frame, deadline=PATIENCE)
        except (Dropped, TimeoutError) as error:
            raise Unavailable(str(error) or f"no answer within {PATIENCE:g} s") from None
        camera: Camera | None = dict(self._registry.of("Camera")).get(task.camera)
        found = [detection.label for detection in result.detections]
        labels = {*found, *(camera.spec.labels if camera is not None else ())}
        values = {count_name(label): str(found.count(label)) for label in sorted(labels)}
        stimulus = Inferred(task.camera, act.cause, self._clock.now(), result, values, frame.at, frame.seq)
        return Finished(", ".join(f"{name} = {value}" for name, value in values.items()), (stimulus,))


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e6, UTC)
