"""A gateway process, devices on a real broker, a cloud, and a bad network between; and what may happen to them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tests.cloud.field import Field
from tests.cloud.ledger import Ledger, Stored
from tests.cloud.stage import NODE
from tests.cloud.wire import Wire
from tests.gateway.service import Process
from tests.mosquitto import Mosquitto

EQUAL = 5.0
"""Seconds from the first link that holds, or from the end of a fault that broke none."""
BACK = 15.0
"""Seconds until there is a link again: its backoff is at most 5 s, a handshake on this wire takes its own time."""
PROPERTIES = ("n", "target")
MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "counter"},
    "spec": {"properties": [{"name": name, "type": "INT", "accessMode": "ReadWrite"} for name in PROPERTIES]},
}


def manifest(device: str) -> dict[str, Any]:
    """A Device of the model above."""
    names = [{"name": name} for name in PROPERTIES]
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": device.partition("/")[2]},
        "spec": {"deviceModelRef": {"name": "counter"}, "nodeName": NODE, "properties": names},
    }


class Far(Protocol):
    """The cloud and the wires to it, in a block. All that it is told holds, also while it is away or cut off."""

    async def __aenter__(self) -> Far: ...

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def section(self) -> str:
        """`[cloud]` of a gateway that comes by the wires."""
        ...

    @property
    def link(self) -> Wire: ...

    async def start(self) -> None:
        """Again, after `stop`."""
        ...

    async def stop(self) -> None: ...

    async def linked(self, within: float) -> None:
        """Return when something came over a link since now; `TimeoutError`."""
        ...

    def add(self, device: str) -> None: ...

    def remove(self, device: str) -> None: ...

    def ask(self, device: str, number: int) -> None:
        """Desire a `target`."""
        ...

    def statuses(self) -> Mapping[str, Mapping[str, str]]:
        """Device -> property -> value, as reported here."""
        ...

    def wishes(self) -> Mapping[str, int]:
        """Device -> the `target` desired, 0 for none."""
        ...

    def stored(self) -> Stored:
        """What came up."""
        ...


F = TypeVar("F", bound=Far)


class Scene(Generic[F]):
    """Everything, and what may happen to it."""

    def __init__(self, folder: Path, far: F, broker: Mosquitto) -> None:
        self.folder = folder
        self.far = far
        self.ledger = Ledger()
        self.names = [f"default/d{n}" for n in range(6)]
        self.field = Field(broker.port, self.names, self.ledger)
        self.gateway: Process
        self._broker = broker
        self._asked = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A gateway that has joined, and its devices at work."""
        for name in (*self.names, "default/early"):
            self.far.add(name)
        url = f'url = "mqtt://127.0.0.1:{self._broker.port}"'
        more = f'[node]\nname = "{NODE}"\n[cloud]\n{self.far.section}\n'
        with Process(self.folder / "gateway", more, broker=url) as self.gateway:
            await self.start_gateway()
            await self._joined()
            async with self._at_work():
                await self.go_on(0.5)
                await self.settle()
                yield
            assert self.gateway.stop() == 0

    def ask(self) -> None:
        """A person changes what is desired of each device."""
        self._asked += 1
        for device in self.names:
            self.ledger.asked[device] = self._asked
            self.far.ask(device, self._asked)

    async def go_on(self, seconds: float) -> None:
        """Devices report, people ask."""
        self.field.go()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.ask()
            await asyncio.sleep(min(0.3, seconds))

    async def start_gateway(self) -> None:
        await asyncio.to_thread(lambda: self.gateway.start().ready())
        await self._look()

    async def linked(self, within: float = BACK) -> None:
        """There is a link over which something came since now."""
        try:
            await self.far.linked(within)
        except TimeoutError:
            raise AssertionError(f"no link after {within} s\n{self.gateway.log[-3000:]}") from None

    async def settle(self, within: float = EQUAL) -> float:
        """Wait until the sides are equal; the seconds that took."""
        began = time.monotonic()
        await asyncio.wait_for(self.field.rest(), within)
        why = "?"
        while time.monotonic() - began < within:
            why = self.ledger.equal(await self._look(), self.far.statuses(), self.far.wishes())
            if not why:
                return time.monotonic() - began
            await asyncio.sleep(0.02)
        raise AssertionError(f"not equal after {within} s: {why}\n{self.gateway.log[-3000:]}")

    async def check(self) -> None:
        """The sides are equal: is everything right?"""
        rows = await asyncio.to_thread(
            self.gateway.sql,
            "SELECT namespace, device, count(*), count(DISTINCT value), min(value), max(value) FROM points"
            " WHERE property = 'n' GROUP BY ALL",
        )
        points = {f"{namespace}/{device}": counts for namespace, device, *counts in rows}
        self.ledger.check(await self._look(), points, self.far.stored())
        assert "Traceback" not in self.gateway.log

    async def _joined(self) -> None:
        """The gateway has the cloud's devices."""
        ends = time.monotonic() + BACK
        while (await self._look()).keys() != self.far.wishes().keys():
            assert time.monotonic() < ends, self.gateway.log[-3000:]
            await asyncio.sleep(0.02)

    async def _look(self) -> dict[str, dict[str, dict[str, Any]]]:
        devices = await asyncio.to_thread(self.gateway.devices)
        self.ledger.look(devices)
        return devices

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            devices = group.create_task(self.field.run())
            try:
                yield
            finally:
                devices.cancel()


@asynccontextmanager
async def scene(folder: Path, far: F) -> AsyncIterator[Scene[F]]:
    """Six devices and a cloud, everything equal once. The broker of the devices outlives the gateway."""
    with Mosquitto(folder / "broker", "max_queued_messages 100000") as broker:
        one = Scene(folder, far, broker)
        async with far, one.running():
            yield one


Happening = Callable[[Scene[Any]], Awaitable[None]]


async def cut(one: Scene[Any], seconds: float = 1.0) -> None:
    """Devices come and go meanwhile."""
    one.far.link.cut()
    one.far.add("default/late")
    one.far.remove("default/early")
    await one.go_on(seconds)
    one.far.link.mend()
    await one.linked()


async def half_open(one: Scene[Any]) -> None:
    """Nobody closes anything: the gateway has to notice."""
    one.far.link.freeze()
    await one.go_on(1.0)
    await one.linked()


async def restarted(one: Scene[Any]) -> None:
    """The cloud ends in order, and comes back."""
    await one.far.stop()
    await one.go_on(0.5)
    await one.far.start()
    await one.linked()


async def killed(one: Scene[Any], chance: random.Random | None = None) -> None:
    """The devices go on, and their broker keeps what they say."""
    await one.go_on((chance or random.Random()).uniform(0.1, 0.8))
    one.gateway.kill()
    one.ask()
    await one.start_gateway()
    await one.linked()


async def bad_wire(one: Scene[Any], seconds: float = 40.0) -> None:
    """Round trips of two seconds, and thirty percent of loss. What is late when the wire is mended stays so."""
    one.far.link.delay, one.far.link.loss = 1.0, 0.3
    await one.go_on(seconds)
    one.far.link.mend()
    await one.linked(2 * BACK)
