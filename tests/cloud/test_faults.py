"""The fault matrix: a gateway process, devices on a real broker, the stand-in cloud, and a bad network between.

Devices report and the cloud asks for the whole time. After each fault everything that was acknowledged is there,
nothing took effect twice, the order of each device is kept, no version went back, and both sides are equal within 5 s
of the first link that holds. `make cloud-faults` has more of it: minutes, each fault of the stand-in, kills again and
again.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from cloud.identity import make_request
from simulator.cloudcore.authority import Authority
from simulator.cloudcore.faults import Fault
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import CloudCore as StandIn
from simulator.cloudcore.server import serve
from tests.cloud.field import Field
from tests.cloud.ledger import Ledger
from tests.cloud.stage import NODE
from tests.cloud.wire import Wire
from tests.gateway.service import Process
from tests.mosquitto import Mosquitto

EQUAL = 5.0
"""Seconds from the first link that holds, or from the end of a fault that broke none."""
ANSWER = 10.0
"""Seconds that a report waits for its answer."""
BACK = 15.0
"""Seconds until there is a link again: its backoff is at most 5 s, a handshake on this wire takes its own time."""
PROPERTIES = ("n", "target")
MODEL = {
    "kind": "DeviceModel",
    "metadata": {"name": "counter"},
    "spec": {"properties": [{"name": name, "type": "INT", "accessMode": "ReadWrite"} for name in PROPERTIES]},
}


class Scene:
    """Everything, and what may happen to it."""

    def __init__(self, folder: Path, options: Options, broker: Mosquitto, ledger: Ledger) -> None:
        self.folder = folder
        self.options = options
        self.ledger = ledger
        self.broker = broker
        self.names = [f"default/d{n}" for n in range(6)]
        self.field = Field(broker.port, self.names, ledger)
        self.cloud: StandIn
        self.link: Wire
        self.certificates: Wire
        self.gateway: Process
        self._stack = AsyncExitStack()
        self._asked = 0

    async def start_cloud(self) -> None:
        self.cloud = await self._stack.enter_async_context(serve(self.options))
        ports = {
            "https": int(self.cloud.certificates_url.rpartition(":")[2]),
            "ws": int(self.cloud.link_url.rpartition(":")[2]),
            "api": int(self.cloud.api_url.rpartition(":")[2]),
        }
        self.options = msgspec.structs.replace(self.options, **ports)

    async def stop_cloud(self) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def wired(self, heartbeat: float) -> AsyncIterator[None]:
        """A gateway that has joined, and its devices at work."""
        async with Wire(self.options.ws) as self.link, Wire(self.options.https) as self.certificates:
            section = (
                f'[node]\nname = "{NODE}"\n[cloud]\nkind = "cloudcore"\nurl = "wss://127.0.0.1:{self.link.port}"\n'
                f'register_url = "https://127.0.0.1:{self.certificates.port}"\n'
                f'token_file = "{self.options.data}/token"\nheartbeat = {heartbeat}\n'
            )
            url = f'url = "mqtt://127.0.0.1:{self.broker.port}"'
            with Process(self.folder / "gateway", section, broker=url) as self.gateway:
                self.cloud.cluster.apply(MODEL)
                for name in (*self.names, "default/early"):
                    self.add(name)
                await self.start_gateway()
                await self.joined()
                async with self._at_work():
                    await self.go_on(0.5)
                    await self.settle()
                    yield
                assert self.gateway.stop() == 0

    def add(self, device: str) -> None:
        names = [{"name": name} for name in PROPERTIES]
        spec = {"deviceModelRef": {"name": "counter"}, "nodeName": NODE, "properties": names}
        self.cloud.cluster.apply({"kind": "Device", "metadata": {"name": device.partition("/")[2]}, "spec": spec})

    def remove(self, device: str) -> None:
        self.cloud.cluster.delete("Device", *device.split("/"))

    def ask(self) -> None:
        """A person patches what is desired of each device."""
        self._asked += 1
        for device in self.names:
            self.ledger.asked[device] = self._asked
            self.cloud.cluster.desire("default", device.partition("/")[2], {"target": str(self._asked)})

    async def go_on(self, seconds: float) -> None:
        """Devices report, people ask."""
        self.field.go()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.ask()
            await asyncio.sleep(min(0.3, seconds))

    async def start_gateway(self) -> None:
        await asyncio.to_thread(lambda: self.gateway.start().ready())
        await self.look()

    async def joined(self) -> None:
        """The gateway has the cloud's devices."""
        ends = time.monotonic() + BACK
        while (await self.look()).keys() != self._wishes().keys():
            assert time.monotonic() < ends, self.gateway.log[-3000:]
            await asyncio.sleep(0.02)

    async def look(self) -> dict[str, dict[str, dict[str, Any]]]:
        devices = await asyncio.to_thread(self.gateway.devices)
        self.ledger.look(devices)
        return devices

    async def linked(self) -> None:
        """There is a link over which something came since now."""
        seen = self.cloud.record.counts["keepalive"]
        await self._until(lambda: self.cloud.record.counts["keepalive"] > seen, BACK, lambda: self.gateway.log[-3000:])

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            devices = group.create_task(self.field.run())
            try:
                yield
            finally:
                devices.cancel()

    async def settle(self, within: float = EQUAL) -> float:
        """Wait until the sides are equal; the seconds that took."""
        began = time.monotonic()
        await asyncio.wait_for(self.field.rest(), within)
        why = "?"
        while time.monotonic() - began < within:
            why = self.ledger.equal(await self.look(), self._statuses(), self._wishes())
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
        lines = (self.options.data / "received.jsonl").read_text().splitlines()
        self.ledger.check(await self.look(), points, [json.loads(line) for line in lines])
        assert "Traceback" not in self.gateway.log

    def _statuses(self) -> dict[str, dict[str, str]]:
        found = {}
        for one in self.cloud.cluster.all("DeviceStatus"):
            values = {t["propertyName"]: t["reported"]["value"] for t in one["status"].get("twins", [])}
            found[f"{one['metadata']['namespace']}/{one['metadata']['name']}"] = values
        return found

    def _wishes(self) -> dict[str, int]:
        return {f"default/{one['metadata']['name']}": _wish(one) for one in self.cloud.cluster.all("Device")}

    async def _until(self, true: Callable[[], bool], within: float, what: Callable[[], str]) -> None:
        ends = time.monotonic() + within
        while not true():
            assert time.monotonic() < ends, what()
            await asyncio.sleep(0.02)


def _wish(device: dict[str, Any]) -> int:
    target = next(one for one in device["spec"]["properties"] if one["name"] == "target")
    return int(target.get("desired", {}).get("value", 0))


@asynccontextmanager
async def scene(folder: Path, options: Options, *, heartbeat: float = 0.3) -> AsyncIterator[Scene]:
    """Six devices, joined to a cloud over two wires; everything equal once. The gateway's broker outlives it."""
    with Mosquitto(folder / "broker", "max_queued_messages 100000") as broker:
        one = Scene(folder, options, broker, Ledger())
        await one.start_cloud()
        try:
            async with one.wired(heartbeat):
                yield one
        finally:
            await one.stop_cloud()


Happening = Callable[[Scene], Awaitable[None]]


async def cut(one: Scene, seconds: float = 1.0) -> None:
    """Devices come and go meanwhile."""
    one.link.cut()
    one.add("default/late")
    one.remove("default/early")
    await one.go_on(seconds)
    one.link.mend()
    await one.linked()


async def half_open(one: Scene) -> None:
    """Nobody closes anything: the gateway has to notice."""
    one.link.freeze()
    await one.go_on(1.0)
    await one.linked()


async def restarted(one: Scene) -> None:
    await one.stop_cloud()
    await one.go_on(0.5)
    await one.start_cloud()
    await one.linked()


async def killed(one: Scene, chance: random.Random | None = None) -> None:
    """The devices go on, and their broker keeps what they say."""
    await one.go_on((chance or random.Random()).uniform(0.1, 0.8))
    one.gateway.kill()
    one.ask()
    await one.start_gateway()
    await one.linked()


async def frames(one: Scene, *kinds: Fault, seconds: float = 1.0) -> None:
    """The stand-in's own faults."""
    for kind in kinds:
        one.cloud.start(kind, seconds)
    await one.go_on(seconds)
    await one.linked()


async def doubled(one: Scene) -> None:
    """Every object and every answer comes twice, and out of order where the stand-in can do that."""
    await frames(one, *(kind for kind in get_args(Fault) if kind in ("duplicate", "reorder")))


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((cut,), id="cut"),
        pytest.param((killed,), id="killed"),
        pytest.param((half_open, doubled, restarted), id="more", marks=pytest.mark.slow),
    ],
)
async def test_after_a_fault_nothing_is_missing_or_there_twice(
    options: Options, tmp_path: Path, faults: tuple[Happening, ...]
) -> None:
    async with scene(tmp_path, options) as one:
        for happens in faults:
            await happens(one)
            await one.settle()
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_link_that_breaks_again_and_again(options: Options, tmp_path: Path) -> None:
    """And the next connection works. After a fourth time the gateway thinks of a rival, and waits for 10 s."""
    async with scene(tmp_path, options) as one:
        for _ in range(3):
            one.link.blink()
            await one.go_on(0.5)
            await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_link_that_is_cut_for_a_minute(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, options) as one:
        await cut(one, 60.0)
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_round_trips_of_two_seconds_and_thirty_percent_of_loss(options: Options, tmp_path: Path) -> None:
    """On such a wire nothing is quick, and a report that waits 10 s is sent again; when it is mended, all is well."""
    async with scene(tmp_path, msgspec.structs.replace(options, resend=5.0), heartbeat=15.0) as one:
        one.link.delay, one.link.loss = 1.0, 0.3
        await one.go_on(40.0)
        one.link.mend()
        await one.linked()
        print(f"equal {await one.settle():.2f} s after the wire was mended")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", get_args(Fault))
async def test_each_fault_of_the_stand_in(options: Options, tmp_path: Path, kind: Fault) -> None:
    """A report that got no answer is sent again after 10 s: so long the fault lasts for it."""
    async with scene(tmp_path, options) as one:
        await frames(one, kind, seconds=5.0)
        print(f"{kind}: equal {await one.settle(EQUAL + ANSWER):.2f} s after the fault")
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_certificate_that_expired_while_the_cloud_was_away(options: Options, tmp_path: Path) -> None:
    """Nobody could renew it: the node joins anew, with its token."""
    async with scene(tmp_path, msgspec.structs.replace(options, certificate_life=8.0)) as one:
        one.certificates.cut()
        one.link.cut()
        issued = one.cloud.record.counts["certificate"]
        await one.go_on(9.0)
        one.certificates.mend()
        one.link.mend()
        await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()
        assert one.cloud.record.counts["certificate"] > issued


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_wrong_certificate_of_the_node_and_one_of_the_cloud(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, options) as one:
        own = tmp_path / "gateway/data/cloud/node.pem"
        right = own.read_bytes()
        assert one.gateway.stop() == 0
        own.write_bytes(_foreign(tmp_path / "other"))
        links = one.cloud.record.counts["connected"]
        await one.start_gateway()
        await one.go_on(3.0)
        one.gateway.logged("cloud offline: ")
        assert one.cloud.record.counts["connected"] == links, "the cloud took a certificate of another authority"

        await one.stop_cloud()
        own.write_bytes(right)
        ours, theirs = one.options, tmp_path / "impostor"
        theirs.mkdir()
        one.options = msgspec.structs.replace(ours, data=theirs)
        async with serve(one.options) as impostor:
            await one.go_on(3.0)
            assert impostor.record.counts == {}, "a cloud of another authority heard something"
        one.options = ours
        await one.start_cloud()
        await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


def _foreign(folder: Path) -> bytes:
    """A certificate for this node, of an authority that is not the cloud's."""
    key, request = make_request(NODE)
    der = Authority(folder, "127.0.0.1").sign(request, NODE, 3600.0)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return secret + load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2))
async def test_a_gateway_killed_again_and_again(options: Options, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with scene(tmp_path, options) as one:
        for _ in range(20):
            await killed(one, chance)
        await one.settle()
        await one.check()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_one_fault_after_another(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, options) as one:
        for happens in (cut, half_open, killed, restarted, doubled, killed, half_open):
            await happens(one)
            print(f"{happens.__name__}: equal after {await one.settle():.2f} s")
        await one.check()
