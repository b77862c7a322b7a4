"""The stand-in CloudCore on loopback, and the smallest gateway: real twins, a dict for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from cloud.cloudcore import CloudCore
from cloud.config import CloudCoreConfig
from cloud.identity import Identity
from cloud.messages import Routed
from cloud.node import Facts
from runtime.clock import Clock, SystemClock
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import CloudCore as StandIn
from simulator.cloudcore.server import serve
from twins.errors import Unavailable
from twins.stimuli import Confirmed, Edit, Joined, Left, Updated
from twins.twin import Twins

NODE = "edge-1"
MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "thermo-model", "namespace": "default"},
    "spec": {
        "protocol": "modbus",
        "properties": [
            {"name": "temperature", "type": "INT", "accessMode": "ReadWrite", "maximum": "100", "unit": "C"},
            {"name": "mode", "type": "STRING", "accessMode": "ReadWrite"},
        ],
    },
}


def device(name: str, **desired: str) -> dict[str, Any]:
    """A Device of the thermo model, with what is desired of it."""
    properties: list[dict[str, Any]] = [{"name": "temperature"}, {"name": "mode"}]
    for one in properties:
        if one["name"] in desired:
            one["desired"] = {"value": desired[one["name"]]}
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": "default", "labels": {"description": "boiler-room"}},
        "spec": {"deviceModelRef": {"name": "thermo-model"}, "nodeName": NODE, "properties": properties},
    }


class World:
    """A cloud and an edge, and a way to wait until something is true of them: looked at after every event."""

    def __init__(self, cloud: StandIn, options: Options) -> None:
        self.cloud = cloud
        self.options = options
        self.lines: list[dict[str, Any]] = []
        self._moved = asyncio.Event()
        cloud.record.watchers.append(self._heard)

    def config(self, **changes: Any) -> CloudCoreConfig:
        base = CloudCoreConfig(
            url=self.cloud.link_url,
            register_url=self.cloud.certificates_url,
            token_file=str(self.options.data / "token"),
            answer=0.5,
            connect=5.0,
            rate=1000.0,
            backoff_first=0.05,
            backoff_limit=0.2,
        )
        return msgspec.structs.replace(base, **changes)

    def verdicts(self, *verdicts: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["verdict"] in verdicts]

    def status(self, name: str) -> dict[str, str]:
        """property -> reported value, as `kubectl get devicestatus` shows it."""
        found = self.cloud.cluster.get("DeviceStatus", "default", name) or {"status": {}}
        return {t["propertyName"]: t["reported"]["value"] for t in found["status"].get("twins", [])}

    def moved(self) -> None:
        self._moved.set()

    async def until(self, true: Callable[[], object], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    def _heard(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self._moved.set()


class Edge:
    """Takes what the cloud asks for, and reports what it does not have yet."""

    def __init__(
        self,
        world: World,
        directory: Path,
        config: CloudCoreConfig,
        manifests: dict | None = None,
        clock: Clock | None = None,
        node: Facts | None = None,
    ) -> None:
        self.world = world
        self.clock = clock or SystemClock()
        self.disk: dict[tuple[str, str], bytes] = dict(manifests or {})
        self.identity = Identity(directory, NODE, self.clock)
        self.routed: list[Routed] = []
        self.warnings: list[str] = []
        self.core = CloudCore(
            config,
            self.identity,
            self.clock,
            manifests=self.disk,
            boot=1,
            route=self.route,
            warn=self.warn,
            node=node,
        )
        self.twins = Twins()
        self.stimuli: list[Any] = []
        self.failures: list[Unavailable] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self._dirty = asyncio.Event()
        self._count = 0

    def route(self, said: Routed) -> None:
        self.routed.append(said)
        self.world.moved()

    def warn(self, words: str) -> None:
        self.warnings.append(words)
        self.world.moved()

    def report(self, name: str, **values: str) -> None:
        self._count += 1
        edits: dict[str, Edit | None] = {key: Edit(reported=value) for key, value in values.items()}
        now = self.clock.now()
        self.twins.handle(Updated(f"default/{name}", f"test:1:{self._count}", now, edits, now))
        self._dirty.set()

    def joined(self) -> list[str]:
        return [s.device for s in self.stimuli if isinstance(s, Joined)]

    def left(self) -> list[str]:
        return [s.device for s in self.stimuli if isinstance(s, Left)]

    def desired(self, name: str, key: str) -> str | None:
        twin = self.twins.get(f"default/{name}")
        one = twin.properties.get(key) if twin else None
        return one.desired.value if one and one.desired else None

    async def take(self) -> None:
        async for change in self.core.changes():
            await self.hold.wait()
            for stimulus in change.stimuli:
                self.stimuli.append(stimulus)
                self.twins.handle(stimulus)
            for key, data in change.manifests.items():
                if data is None:
                    self.disk.pop(key, None)
                else:
                    self.disk[key] = data
            change.done()
            self._dirty.set()
            self.world.moved()

    async def sync(self) -> None:
        while True:
            await self.core.online()
            reports = [r for r in map(self.core.report, self.twins) if r is not None]
            try:
                await self.core.push(reports)
            except Unavailable as error:
                self.failures.append(error)
                self.world.moved()
                await asyncio.sleep(0)
                continue
            for one in reports:
                self.twins.handle(Confirmed(one.device, one.cause, self.clock.now(), one.versions))
            self.world.moved()
            if not reports:
                self._dirty.clear()
                await self._dirty.wait()


@asynccontextmanager
async def running(edge: Edge) -> AsyncIterator[Edge]:
    """The edge at work; ends with the block."""
    async with asyncio.TaskGroup() as tasks:
        parts = [
            tasks.create_task(edge.core.run(), name="core"),
            tasks.create_task(edge.take(), name="take"),
            tasks.create_task(edge.sync(), name="sync"),
        ]
        try:
            yield edge
        finally:
            for part in parts:
                part.cancel()


@asynccontextmanager
async def world(options: Options) -> AsyncIterator[World]:
    """A stand-in that listens, with the model applied."""
    async with serve(options) as cloud:
        cloud.cluster.apply(MODEL)
        yield World(cloud, options)
