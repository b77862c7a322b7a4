"""A link in virtual time; its far side answers reports, or does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp

from cloud.budget import Budget
from cloud.config import CloudCoreConfig
from cloud.link import Link
from cloud.registration import Registration
from cloud.state import Counters
from cloud.sync import Report, Unanswered
from tests.clock import VirtualClock, in_virtual_time


class Silent:
    """The far side of a fault: a websocket that takes everything, and answers while `answers`."""

    def __init__(self) -> None:
        self.answers = False
        self.asked: list[str] = []
        self._said: asyncio.Queue[aiohttp.WSMessage] = asyncio.Queue()

    async def send_frame(self, data: bytes, _: aiohttp.WSMsgType) -> None:
        said = json.loads(data)
        if said["route"]["source"] == "twin" and said["route"]["operation"] == "update":
            self.asked.append(said["header"]["msg_id"])
            if self.answers:
                self.say(self.asked[-1])

    @property
    def sent(self) -> int:
        return len(self.asked)

    def say(self, asked: str) -> None:
        header = {"msg_id": "a", "parent_msg_id": asked}
        answer = {"header": header, "route": {"operation": "response"}, "content": "OK"}
        self._said.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, json.dumps(answer), None))

    async def receive(self) -> aiohttp.WSMessage:
        return await self._said.get()

    async def close(self) -> None:
        pass


@asynccontextmanager
async def linked(far: Silent) -> AsyncIterator[tuple[Link, asyncio.TaskGroup]]:
    async def take(_: Any) -> bool:
        return True

    clock, counters = VirtualClock(), Counters()
    socket = cast("aiohttp.ClientWebSocketResponse", far)
    budget, registration = Budget(25.0, 50, clock), Registration(None, clock)
    link = Link(socket, "n1", CloudCoreConfig(), clock, budget, take, lambda _: None, registration, counters)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        yield link, group
        running.cancel()


async def tell(link: Link, device: str) -> None:
    """Until it is answered."""
    while True:
        try:
            return await link.push([Report(device, b"{}", {})])
        except Unanswered:
            await asyncio.sleep(1.0)


@in_virtual_time
async def test_a_cloud_that_answered_nothing_for_long_is_found_out_soon_when_it_answers_again() -> None:
    """The deadline has grown to 160 s by then; nobody waits for it in vain."""
    far = Silent()
    async with linked(far) as (link, group):
        telling = [group.create_task(tell(link, f"default/d{n}")) for n in range(50)]
        await asyncio.sleep(1000.0)
        assert far.sent <= 50 * 10 + 1000 / 10, "it may be behind, and is spared"
        far.answers = True
        done, _ = await asyncio.wait(telling, timeout=25.0)
        for task in telling:
            task.cancel()
    assert len(done) == 50


@in_virtual_time
async def test_one_device_alone_finds_it_out_soon_too() -> None:
    far = Silent()
    async with linked(far) as (link, group):
        telling = group.create_task(tell(link, "default/d1"))
        await asyncio.sleep(1000.0)
        assert far.sent <= 1000 / 20 + 5, "it may be behind, and is spared"
        far.answers = True
        done, _ = await asyncio.wait({telling}, timeout=30.0)
        telling.cancel()
    assert done


@in_virtual_time
async def test_the_answer_to_any_of_what_was_asked_again_counts() -> None:
    far = Silent()
    async with linked(far) as (link, group):
        telling = group.create_task(tell(link, "default/d1"))
        await asyncio.sleep(400.0)
        asked, before = far.asked[-1], far.sent
        await asyncio.sleep(20.0)
        assert far.sent == before + 1
        far.say(asked)
        await asyncio.wait({telling}, timeout=1.0)
        assert telling.done(), "to the one before the last"
