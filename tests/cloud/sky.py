"""Gateway and cloud in virtual time: all parts are the real ones and the stand-in's, only wire and disk are memory.

Messages are encoded and decoded as on the wire. It takes `LATENCY` one way, carries one object at a time as CloudCore
does, and when it is cut, what is on its way is lost: before it arrived, or its answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from cloud import frames, sync
from cloud.budget import Budget
from cloud.catalog import Catalog
from cloud.inbox import Change, Inbox
from cloud.messages import Object
from cloud.sync import Report
from gateway.uplink import Uplink
from simulator.cloudcore.cluster import Cluster
from simulator.cloudcore.controller import Controller
from simulator.cloudcore.messages import Json, encode
from simulator.cloudcore.session import Delivery, Session
from simulator.cloudcore.upstream import Upstream
from tests.clock import VirtualClock
from tests.cloud.stage import NODE
from tests.gateway.stage import Disk, Stage, settle
from twins.errors import Unavailable
from twins.exchange import Outcome
from twins.stimuli import Edit, Updated
from twins.twin import Twins
from twins.values import Twin

LATENCY = 0.02
RATE, BURST = 25.0, 50
"""The defaults of the link."""
COMPARISON = 5.0
"""CloudCore's own, in seconds."""


class Cloud:
    """What CloudCore is, without doors. `stored` are the values that came up, in order."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder / "objects")
        self.controller = Controller(self.cluster, (NODE,), folder)
        self.upstream = Upstream(self.cluster, lose_first=True)
        self.stored: list[tuple[str, dict[str, str]]] = []
        self.messages = 0
        self.connected = asyncio.Event()
        self.connected.set()

    def take(self, report: bytes) -> bool:
        """True when it confirms."""
        self.messages += 1
        said: Json = json.loads(report)
        outcome = self.upstream.take(said)
        _, namespace, name, *_ = said["route"]["resource"].split("/")
        self.stored.append((f"{namespace}/{name}", outcome.stored))
        return outcome.answer is not None

    def values(self) -> dict[str, dict[str, str]]:
        """device -> property -> reported value."""
        return {
            f"default/{one['metadata']['name']}": {
                twin["propertyName"]: twin["reported"]["value"] for twin in one["status"].get("twins", [])
            }
            for one in self.cluster.all("DeviceStatus")
        }


class Wire:
    """Implements the port `Cloud` of the gateway, and is the `Session` that CloudCore sees."""

    node = NODE

    def __init__(self, cloud: Cloud, clock: VirtualClock, manifests: dict[tuple[str, str], bytes]) -> None:
        self._cloud = cloud
        self._clock = clock
        self._catalog = Catalog(manifests, NODE)
        self._inbox = Inbox(self._catalog, clock, 1, 30.0)
        self._budget = Budget(RATE, BURST, clock)
        self._queue: dict[str, Delivery] = {}
        self._filled = asyncio.Event()
        self._flying = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._links())
            group.create_task(self._compare())
            group.create_task(self._carry())

    async def online(self) -> None:
        await self._cloud.connected.wait()

    async def push(self, rows: Sequence[Report]) -> None:
        for row in rows:
            for _ in range(1 + row.twice):
                await self._budget.take()
                make = frames.state_report if row.kind == "state" else frames.twin_report
                await self._pass()
                confirmed = self._cloud.take(make(row.device, row.content, "id", self._clock.now() // 1000))
                await self._pass()
                if not confirmed:
                    reason = "the cloud knows no such device"
                    raise Unavailable(reason)

    def report(self, twin: Twin, cause: str = "") -> Report | None:
        return sync.report(twin, self._catalog.declared(twin.device), self._clock.now(), cause)

    def state_report(self, twin: Twin, cause: str = "") -> Report | None:
        return sync.state_report(twin, self._clock.now(), cause) if self._catalog.knows(twin.device) else None

    def changes(self) -> AsyncIterator[Change]:
        return self._inbox.changes()

    def deliver(self, item: Delivery) -> None:
        self._queue[item.uid] = item
        self._filled.set()

    def holds(self, uid: str) -> bool:
        return uid in self._queue or uid == self._flying

    def tell(self, _: Json) -> None:
        """Membership: says nothing that objects do not say."""

    async def _links(self) -> None:
        """As long as there is a link, CloudCore knows it; its queue dies with it."""
        while True:
            await self._cloud.connected.wait()
            self._cloud.controller.connected(cast("Session", self))
            while self._cloud.connected.is_set():  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(LATENCY)
            self._cloud.controller.gone(cast("Session", self))
            self._queue.clear()

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(COMPARISON)
            self._cloud.controller.reconcile()

    async def _carry(self) -> None:
        while True:
            await self._filled.wait()
            if not self._queue:
                self._filled.clear()
                continue
            self._flying = next(iter(self._queue))
            item = self._queue.pop(self._flying)
            said = frames.decode(encode(item.message))
            assert isinstance(said, Object)
            try:
                await self._pass()
                if await self._inbox.take(said):
                    await self._pass()
                    self._cloud.controller.acked(NODE, item)
            except Unavailable:
                pass  # the comparison brings it again
            self._flying = ""

    async def _pass(self) -> None:
        await asyncio.sleep(LATENCY)
        if not self._cloud.connected.is_set():
            reason = "the wire is cut"
            raise Unavailable(reason)


class Edge:
    """A gateway on what a disk holds. Leaving `running` kills it: what is not on the disk is gone."""

    def __init__(self, cloud: Cloud, disk: Disk) -> None:
        disk.batches = disk.batches[: disk.durable]
        found = disk.found()
        twins = Twins()
        twins.restore(found.twins, found.seen)
        self.stage = Stage(disk, twins=twins)
        self.wire = Wire(cloud, self.stage.clock, found.manifests)
        self.uplink = Uplink(self.wire, self.stage.core, self.stage.clock)
        self.stage.core.listen(self.uplink)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Edge]:
        async with self.stage.running(), asyncio.TaskGroup() as group:
            up = group.create_task(self.uplink.run())
            await settle()
            try:
                yield self
            finally:
                up.cancel()

    async def report(self, device: str, event: int, **values: str) -> Outcome:
        """A device says something; with the same `event` it is the same message again."""
        edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in values.items()}
        now = self.stage.clock.now()
        return await self.stage.core.ask(Updated(device, self.stage.next_cause(), now, edits, now, event, True))

    def values(self) -> dict[str, dict[str, str]]:
        """device -> property -> reported value."""
        return {
            twin.device: {name: p.reported.value for name, p in twin.properties.items() if p.reported}
            for twin in self.stage.twins
        }

    def desired(self) -> dict[str, dict[str, Any]]:
        return {
            twin.device: {name: p.desired.value for name, p in twin.properties.items() if p.desired}
            for twin in self.stage.twins
        }
