"""Pictures for the page."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devices.camera.gallery import Gallery
from gateway.album import JPEG, Album, picture_key
from gateway.committed import Committed
from runtime.clock import SystemClock
from store.blobs import Blobs
from store.journal import Journal
from twins.exchange import Box, Detection, Event, Frame

WHOLE = Detection("person", 0.9, Box(0.1, 0.1, 0.8, 0.8))


@pytest.fixture
def gallery() -> Gallery:
    """Three pictures of a camera, 160 x 120, black but for a box that is drawn."""
    gallery = Gallery()
    for n in range(3):
        data = np.zeros((120, 160, 3), np.uint8).tobytes()
        gallery.show(Frame("default/gate", n, n, 1.0, 160, 120, "rgb24", data, cause=f"camera:1:{n}"), (WHOLE,))
    return gallery


def brightness(jpeg: bytes) -> int:
    return int(np.asarray(Image.open(io.BytesIO(jpeg))).max())


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    journal = Journal(tmp_path, SystemClock())
    await journal.open()
    yield Blobs(tmp_path / "blobs", 1 << 20, journal, SystemClock())
    await journal.close()


async def test_the_page_gets_the_picture_that_its_boxes_belong_to_and_without_boxes(
    gallery: Gallery, blobs: Blobs
) -> None:
    album = Album(gallery, blobs)
    newest = gallery.version("default/gate")
    version, jpeg = album.latest("default/gate") or (0, b"")
    assert version == newest
    assert brightness(jpeg) < 30
    assert (album.latest("default/gate", newest - 1) or (0,))[0] == newest - 1
    assert (album.latest("default/gate", 999) or (0,))[0] == newest, "one that is gone or was never: the newest"


async def test_a_picture_of_an_alert_is_there_before_it_is_on_disk(gallery: Gallery, blobs: Blobs) -> None:
    album = Album(gallery, blobs)
    jpeg = await album.by_key(picture_key("camera:1:2"))
    assert jpeg is not None
    assert brightness(jpeg) > 100, "an alert's picture shows its boxes"
    assert await album.by_key("camera-1-77") is None


async def test_what_is_kept_and_is_no_picture_is_not_shown_as_one(gallery: Gallery, blobs: Blobs) -> None:
    album = Album(gallery, blobs)
    await blobs.put("clip", b"....ftyp")
    await blobs.put("picture", JPEG)
    assert await album.by_key("clip") is None
    assert await album.by_key("picture") == JPEG


async def test_an_alert_of_a_picture_that_is_gone_has_the_newest_one(gallery: Gallery, blobs: Blobs) -> None:
    album = Album(gallery, blobs)
    told = Event("e-1", 1, "alert", "default/gate", "alert", "", "camera:0:7", {"picture": "default/gate"})
    album.tell(Committed(events=(told,)))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        keeping = group.create_task(album.run())
        while (kept := await blobs.get("camera-0-7")) is None:  # noqa: ASYNC110 - blobs tell nobody what they keep
            await asyncio.sleep(0.01)
        keeping.cancel()
    assert kept == gallery.by_cause("camera:1:2")
    assert await album.by_key("camera-0-7") == kept
