"""The smallest gateway with a broker for a cloud: the real parts, and a disk that the test commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cloud.mqtt.cloud import MqttCloud
from cloud.mqtt.config import MqttConfig
from gateway.clouds.broker import kept
from gateway.committed import Committed
from gateway.outbox import Carried, Outbox
from gateway.uplink import Uplink
from runtime.clock import Clock, SystemClock
from tests.gateway.stage import Disk, Stage
from tests.mosquitto import Mosquitto
from twins.exchange import Event, OutboxRow
from twins.stimuli import Edit, Noted, Updated
from twins.twin import Twins


class Edge:
    """A node: core, uplink and its cloud."""

    def __init__(
        self,
        port: int,
        node: str = "edge-1",
        disk: Disk | None = None,
        clock: Clock | None = None,
        **changes: Any,
    ) -> None:
        self.warned: list[str] = []
        clock = clock or SystemClock()
        found = None if disk is None else disk.found()
        twins = Twins(enrols=True)
        twins.restore({} if found is None else found.twins, [])
        self.stage = Stage(disk, twins=twins, clock=clock)
        if found is not None:
            self.stage.registry.restore(found.manifests)
        settings = {"backoff_first": 0.1, "backoff_limit": 0.5, "calm": 0.05} | changes
        config = MqttConfig(node, f"mqtt://127.0.0.1:{port}", **settings)
        self.cloud = MqttCloud(config, twins, self.stage.registry, clock, warn=self.warned.append)
        self.uplink = Uplink(self.cloud, self.stage.core, clock)
        self.outbox = Outbox(self.stage.core, clock, Carried())
        self.outbox.keep(() if found is None else found.outbox)
        self.stage.core.keep(self)
        self.stage.core.listen(self)

    def kept(self, committed: Committed) -> Sequence[OutboxRow]:
        return kept(self.cloud, committed)

    def tell(self, committed: Committed) -> None:
        self.outbox.keep(row for row in committed.queued.values() if row is not None)
        self.cloud.note(committed.said, committed.changed)
        self.uplink.tell(committed)

    @asynccontextmanager
    async def running(self, *, online: bool = True) -> AsyncIterator[Edge]:
        async with self.stage.running(), asyncio.TaskGroup() as group:
            up = group.create_task(self.uplink.run())
            events = group.create_task(self.outbox.run(self.cloud))
            if online:
                async with asyncio.timeout(10):
                    await self.cloud.online()
            try:
                yield self
            finally:
                up.cancel()
                events.cancel()

    async def report(self, device: str, **values: str) -> None:
        await self.stage.report(device, **values)

    async def happen(self, *events: Event) -> None:
        """Told of, and on disk."""
        await self.stage.core.ask(*(Noted("", event.cause, event.at, event) for event in events))

    async def turn(self, device: str, **desired: str) -> None:
        """Somebody at the edge desires something."""
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in desired.items()}
        now = self.stage.clock.now()
        await self.stage.core.ask(Updated(device, self.stage.next_cause(), now, edits, now, origin="edge"))

    def desired(self, device: str) -> dict[str, str]:
        twin = self.stage.twins.get(device)
        return {} if twin is None else {n: p.desired.value for n, p in twin.properties.items() if p.desired}

    def reported(self, device: str) -> dict[str, str]:
        twin = self.stage.twins.get(device)
        return {} if twin is None else {n: p.reported.value for n, p in twin.properties.items() if p.reported}

    @property
    def unsynced(self) -> int:
        return sum(p.unsynced for twin in self.stage.twins for p in twin.properties.values())


def kill(broker: Mosquitto) -> None:
    """With the sessions written down: else a program in the cloud has to ask by `get` for what it missed."""
    broker.write_sessions()
    broker.kill()


async def until(look: Callable[[], Any], deadline: float = 10.0) -> None:
    async with asyncio.timeout(deadline):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody that it changed
            await asyncio.sleep(0.01)
