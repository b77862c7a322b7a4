from __future__ import annotations

import asyncio

import pytest

from cloud.standing import Standing
from tests.clock import VirtualClock, in_virtual_time


@in_virtual_time
async def test_it_stands_since_its_phase_began_whatever_the_reason_became() -> None:
    clock = VirtualClock()
    standing = Standing(clock)
    began = clock.now()
    await asyncio.sleep(1)
    standing.turn("offline", "no route")
    assert (standing.reason, standing.since) == ("no route", began)
    standing.turn("online", "wss://cloud")
    assert standing.since == began + 1_000_000
    await standing.online()
    standing.turn("connecting", "wss://cloud")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await standing.online()


@in_virtual_time
async def test_a_reason_is_told_once_until_there_was_a_link(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing(VirtualClock())
    for reason in ("refused", "refused", "no route", "no route"):
        standing.turn("connecting", "wss://cloud")
        standing.turn("offline", reason)
    standing.turn("online", "wss://cloud")
    standing.turn("offline", "no route")
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "cloud offline: refused",
        "cloud offline: no route",
        "cloud offline: no route",
    ]
