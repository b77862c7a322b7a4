from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cloud.mqtt.config import MqttConfig
from cloud.mqtt.herald import Herald
from cloud.mqtt.reports import Report, Reporter
from cloud.mqtt.topics import Topics
from tests.clock import VirtualClock, in_virtual_time
from twins.errors import Unavailable
from twins.twin import Twins


class Flapping:
    """The far side: links break so many times, then one holds."""

    def __init__(self, failures: int) -> None:
        self.done = asyncio.Event()
        self._failures = failures

    async def push(self, _: Sequence[Report]) -> None:
        self._failures -= 1
        if self._failures >= 0:
            raise Unavailable("the link broke")
        self.done.set()

    async def online(self) -> None:
        """There is a link at once."""


@in_virtual_time
async def test_what_link_after_link_lost_is_said_soon_after_the_first_that_holds() -> None:
    config, clock, topics = MqttConfig("edge-1", "mqtt://127.0.0.1"), VirtualClock(), Topics("gemelo", "edge-1")
    wire = Flapping(20)
    herald = Herald(config, topics, Twins(), wire, Reporter(topics, lambda _, __, value: value.at), clock)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(herald.run())
        herald.list_devices()
        await wire.done.wait()
        work.cancel()
    assert clock.monotonic() <= 20 * config.backoff_first
