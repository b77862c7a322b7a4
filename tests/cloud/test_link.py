"""A link in virtual time; its far side answers reports, or does not."""

from __future__ import annotations

import asyncio
import json
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
        self.sent = 0
        self._said: asyncio.Queue[aiohttp.WSMessage] = asyncio.Queue()

    async def send_frame(self, data: bytes, _: aiohttp.WSMsgType) -> None:
        said = json.loads(data)
        if said["route"]["source"] == "twin" and said["route"]["operation"] == "update":
            self.sent += 1
            if self.answers:
                header = {"msg_id": "a", "parent_msg_id": said["header"]["msg_id"]}
                answer = {"header": header, "route": {"operation": "response"}, "content": "OK"}
                self._said.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, json.dumps(answer), None))

    async def receive(self) -> aiohttp.WSMessage:
        return await self._said.get()

    async def close(self) -> None:
        pass


@in_virtual_time
async def test_a_cloud_that_answered_nothing_for_long_is_found_out_soon_when_it_answers_again() -> None:
    """The deadline has grown to 160 s by then; nobody waits for it in vain."""

    async def take(_: Any) -> bool:
        return True

    async def tell(device: str) -> None:
        while True:
            try:
                return await link.push([Report(device, b"{}", {})])
            except Unanswered:
                await asyncio.sleep(1.0)

    far, clock, counters = Silent(), VirtualClock(), Counters()
    socket = cast("aiohttp.ClientWebSocketResponse", far)
    budget, registration = Budget(25.0, 50, clock), Registration(None, clock)
    link = Link(socket, "n1", CloudCoreConfig(), clock, budget, take, lambda _: None, registration, counters)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        telling = [group.create_task(tell(f"default/d{n}")) for n in range(50)]
        await asyncio.sleep(1000.0)
        assert far.sent <= 50 * 10 + 1000 / 10, "it may be behind, and is spared"
        far.answers = True
        done, _ = await asyncio.wait(telling, timeout=25.0)
        running.cancel()
        for task in telling:
            task.cancel()
    assert len(done) == 50
