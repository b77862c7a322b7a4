from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time

import numpy as np
import pytest

from devices.camera import Camera, Limits
from devices.camera.reader import Ended, Reader, file_mark
from devices.camera.slot import Slot
from devices.camera.video import convert
from runtime.clock import SystemClock
from tests.crowding import crowding
from twins.errors import Unavailable

LIMITS = Limits(opening=2, reading=1, stopping=3)


def reader_of(slot: Slot, source: object, **spec: object) -> Reader:
    camera = Camera.from_manifest({"metadata": {"name": "gate"}, "spec": {"source": str(source), "fps": 60, **spec}})
    return Reader(camera, slot, SystemClock(), LIMITS)


async def take(slot: Slot, count: int, taken: list | None = None) -> list:
    """Take so many; `taken` has them even when there are not so many."""
    taken = [] if taken is None else taken
    async with asyncio.timeout(15):
        for _ in range(count):
            taken.append(await slot.take())
    return taken


async def test_a_file_plays_in_real_time(video):
    slot = Slot()
    reader = reader_of(slot, video(seconds=1))
    reader.start()
    shots: list = []
    with pytest.raises(Ended, match="`loop: true`"):
        await take(slot, 26, shots)
    assert slot.counts.offered == 25
    first, *others = shots
    assert len(others) > 5  # a busy machine misses some
    for shot in others:
        assert shot.received - first.received == pytest.approx((shot.seq - first.seq) * 0.04, abs=0.1)
    assert await reader.stop()


async def test_a_loop_goes_round_without_a_gap_and_without_drift(video):
    slot = Slot()
    reader = reader_of(slot, video(seconds=0.4), loop=True)
    reader.start()
    first, *_ = await take(slot, 1)
    shot = first
    while shot.seq < 100:
        (shot,) = await take(slot, 1)
    assert await reader.stop()
    # Ten passes of ten pictures, each 40 ms after the one before.
    assert shot.received - first.received == pytest.approx((shot.seq - first.seq) * 0.04, abs=0.1)


async def test_a_replaced_file_is_shown_within_moments_although_the_old_one_still_plays(video, square):
    slot, path = Slot(), video(seconds=30)
    red = video("red.mp4", paint=lambda i, w, h: square(i, w, h, (255, 0, 0)))
    reader = reader_of(slot, path, loop=True)
    reader.start()
    await take(slot, 3)
    red.replace(path)
    started = time.monotonic()
    async with asyncio.timeout(10):
        while not _is_red((await slot.take()).frame):
            pass
    assert time.monotonic() - started < 4 * crowding()
    assert await reader.stop()


async def test_a_file_written_over_in_place_is_shown_too(video, square):
    slot, path = Slot(), video(seconds=1)
    red = video("red.mp4", paint=lambda i, w, h: square(i, w, h, (255, 0, 0)))
    reader = reader_of(slot, path, loop=True)
    reader.start()
    await take(slot, 3)
    shutil.copyfile(red, path)
    try:
        async with asyncio.timeout(10):
            while not _is_red((await slot.take()).frame):
                pass
    except Unavailable:  # the old packets' places hold other bytes now: an honest end, and the next try succeeds
        slot.clear()
        again = reader_of(slot, path, loop=True)
        again.start()
        assert _is_red((await take(slot, 1))[0].frame)
        assert await again.stop()
    assert await reader.stop()


async def test_a_video_that_was_played_is_not_played_again(video):
    slot, path = Slot(), video(seconds=0.4)
    camera = Camera.from_manifest({"metadata": {"name": "gate"}, "spec": {"source": str(path)}})
    reader = Reader(camera, slot, SystemClock(), LIMITS, played=file_mark(path))
    reader.start()
    with pytest.raises(Ended):
        await take(slot, 1)
    assert slot.counts.offered == 0
    assert await reader.stop()


async def test_stopping_is_a_matter_of_moments(video):
    slot = Slot()
    reader = reader_of(slot, video(seconds=4, fps=1), loop=True)
    reader.start()
    await take(slot, 1)
    started = time.monotonic()
    assert await reader.stop()
    assert time.monotonic() - started < 0.5 * crowding()
    assert not reader.alive


async def test_a_reader_blocked_past_the_deadline_is_left_behind_and_disturbs_nobody(tmp_path):
    """A fifo nobody writes to blocks in `open`, as a dead network file system does."""
    os.mkfifo(tmp_path / "blocked.mp4")
    slot = Slot()
    camera = Camera.from_manifest({"metadata": {"name": "gate"}, "spec": {"source": str(tmp_path / "blocked.mp4")}})
    reader = Reader(camera, slot, SystemClock(), Limits(stopping=0.2))
    reader.start()
    assert not await reader.stop()
    assert reader.alive
    writer = os.open(tmp_path / "blocked.mp4", os.O_WRONLY)
    os.write(writer, b"garbage" * 1000)
    os.close(writer)
    for thread in threading.enumerate():
        if thread.name == "camera default/gate":
            await asyncio.to_thread(thread.join, 10)
    assert not reader.alive
    assert slot.counts.offered == 0
    slot.put(None, 1, 1.0)  # were the left-behind reader's error in the slot, this would not be all there is
    await take(slot, 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slot.take(), 0.05)


def _is_red(frame) -> bool:
    data, width, height = convert(frame, None, None)
    picture = np.frombuffer(data, np.uint8).reshape(height, width, 3)
    bright = picture[picture.max(axis=2) > 150]
    return bool(bright.size) and bright[:, 0].mean() > 180 and bright[:, 1].mean() < 90
