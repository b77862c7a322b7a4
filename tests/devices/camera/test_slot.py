from __future__ import annotations

import asyncio
import threading

import av
import pytest

from devices.camera.slot import Slot
from twins.errors import Unavailable


def a_frame() -> av.VideoFrame:
    return av.VideoFrame(16, 16, "rgb24")


async def test_only_the_newest_picture_is_taken_and_the_others_are_counted():
    slot = Slot()
    for _ in range(3):
        slot.put(a_frame(), 1, 1.0)
    slot.pass_over()
    assert (await slot.take()).seq == 3
    counts = slot.counts
    assert (counts.offered, counts.passed_over, counts.superseded, counts.taken, counts.waiting) == (4, 1, 2, 1, 0)


async def test_what_waits_is_taken_before_the_end_is_told():
    slot = Slot()
    slot.put(a_frame(), 1, 1.0)
    slot.end(Unavailable("the cable"))
    await slot.take()
    with pytest.raises(Unavailable, match="the cable"):
        await slot.take()


async def test_a_cleared_slot_serves_the_next_reader_and_keeps_counting():
    slot = Slot()
    slot.put(a_frame(), 1, 1.0)
    slot.end(Unavailable("the cable"))
    slot.clear()
    slot.put(a_frame(), 1, 1.0)
    assert (await slot.take()).seq == 2
    assert slot.counts.superseded == 1


async def test_no_picture_is_lost_uncounted_between_a_thread_and_the_loop():
    slot, frame = Slot(), a_frame()

    def feed() -> None:
        for n in range(20_000):
            if n % 3:
                slot.put(frame, n, float(n))
            else:
                slot.pass_over()
        slot.end(Unavailable("done"))

    thread = threading.Thread(target=feed)
    thread.start()
    seqs = []

    async def take_all() -> None:
        while True:
            seqs.append((await slot.take()).seq)
            counts = slot.counts
            assert counts.offered == counts.passed_over + counts.superseded + counts.taken + counts.waiting

    with pytest.raises(Unavailable, match="done"):
        await asyncio.wait_for(take_all(), 20)
    thread.join()
    assert seqs == sorted(set(seqs))
    assert seqs[-1] == 20_000
    counts = slot.counts
    assert (counts.offered, counts.waiting, counts.taken) == (20_000, 0, len(seqs))
    assert counts.passed_over + counts.superseded + counts.taken == 20_000
