"""Pictures for the page: the newest of each camera from memory, those of alerts from disk."""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from devices.camera.gallery import Gallery
from gateway.committed import Committed
from runtime.mailbox import Mailbox
from store.blobs import Blobs
from twins.errors import Rejected

JPEG = b"\xff\xd8\xff"
"""What a picture begins with."""
logger = logging.getLogger(__name__)


def picture_key(cause: str) -> str:
    """The name under which an alert's picture is kept: its cause, which is the frame that caused it."""
    return cause.replace(":", "-")


class Album:
    """Implements `web.ports.Pictures`; keeps the picture of each alert that asks for one."""

    def __init__(self, gallery: Gallery, blobs: Blobs) -> None:
        self.missed = 0
        self._gallery = gallery
        self._blobs = blobs
        self._wanted: Mailbox[tuple[str, str]] = Mailbox("album", 64)  # cause and camera

    def tell(self, committed: Committed) -> None:
        for event in committed.events:
            camera = event.detail.get("picture")
            if camera is not None and not self._wanted.offer_nowait((event.cause, camera)):
                self.missed += 1

    def latest(self, camera: str, version: int = 0) -> tuple[int, bytes] | None:
        picture = self._gallery.latest(camera, version=version, drawn=False)  # the page draws the boxes
        return None if picture is None else (picture.version, picture.jpeg)

    async def by_key(self, key: str) -> bytes | None:
        kept = await self._blobs.get(key)
        if kept is not None and not kept.startswith(JPEG):
            return None
        # Who asks at once may be earlier than the disk.
        return kept or await asyncio.to_thread(self._gallery.by_cause, key.replace("-", ":"))

    async def run(self) -> None:
        while True:
            for cause, camera in await self._wanted.take(8):
                await self._keep(cause, camera)

    async def _keep(self, cause: str, camera: str) -> None:
        """The picture that caused it; the newest, where a timer told of a picture that is gone by now."""
        jpeg = await asyncio.to_thread(self._gallery.by_cause, cause)
        if jpeg is None and (newest := await asyncio.to_thread(self._gallery.latest, camera)) is not None:
            jpeg = newest.jpeg
        if jpeg is None:
            self.missed += 1
            return
        try:
            await self._blobs.put(picture_key(cause), jpeg)
        except (OSError, sqlite3.Error, Rejected) as error:
            self.missed += 1
            logger.warning("the picture of %s is not kept: %s", cause, error)
