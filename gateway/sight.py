"""What the gateway sees: cameras, the models that look at their pictures, and the pictures that are kept or shown."""

from __future__ import annotations

from collections.abc import Callable

from devices.camera.cameras import Cameras
from devices.camera.gallery import Gallery
from devices.camera.manifest import Camera
from gateway.album import Album
from gateway.config import Config
from gateway.core import Core
from gateway.lookout import Lookout
from runtime.clock import Clock
from store.blobs import Blobs


class Sight:
    """Manifests of cameras reach it by `camera`, a watcher of the registry."""

    def __init__(
        self,
        config: Callable[[], Config],
        core: Core,
        blobs: Blobs,
        clock: Clock,
        next_cause: Callable[[], str],
    ) -> None:
        self.gallery = Gallery()
        self.album = Album(self.gallery, blobs)
        self.lookout = Lookout(config, clock)
        self.cameras = Cameras(core, self.lookout, clock, next_cause, self.gallery)

    def camera(self, name: str, camera: Camera | None) -> None:
        """A camera's manifest holds now; `None` when it is gone."""
        if camera is None:
            self.cameras.remove(name)
        else:
            self.cameras.apply(camera)
