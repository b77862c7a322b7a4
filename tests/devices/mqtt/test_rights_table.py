"""The whole table of who may do what at a real mosquitto: every login tries every topic of every device."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiomqtt
import mqtt5
import pytest

from devices.mqtt import telemetry
from devices.mqtt.authority import Authority
from devices.mqtt.broker import Broker
from devices.mqtt.credentials import Credentials
from devices.mqtt.mosquitto import Settings, find_mosquitto, find_plugin
from devices.mqtt.rights import CONTROL
from runtime.clock import SystemClock
from twins.errors import Rejected
from twins.kubeedge.address import address

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")

DEVICES = (
    "default/a",  # the older form of its topics lies over the namespace `a`
    "a/b",
    "a/twin",  # its topics lie over the older form of default/a
    "a/state",
    "a.b/c",
    "a/bc",
    "b/a",
    "b/b",
    "default/twin",
    "default/default",
    "default/gemelo",
    "gemelo/a",
)
WITH_CERTIFICATE = ("default/device", "a/update")
INPUTS = ("twin/update", "twin/get", "twin/cloud_updated", "state/update")
OUTPUTS = (
    "twin/update/result",
    "twin/update/delta",
    "twin/update/document",
    "twin/get/result",
    "state/update/result",
    "updated",
)
ALL = ("#", "$hw/#", "$hw/events/device/+/+/twin/+", "+/#", "$share/g/#", "$share/g/$hw/#", "$SYS/#", f"{CONTROL}/#")
NOBODYS = (
    "$SYS/broker/clients/total",
    "$hw/events/node/edge-1/membership/get",
    "$hw/events/node/edge-1/membership/updated",
    "$hw/events/device/twin/update",
    "$hw/events/device//twin/update/result",
    "$hw/events/upload/a",
    "gemelo/telemetry",
    "gemelo/telemetry/a",
    "a",
    "$share/g/a",
)


class Door:
    """A managed broker whose devices have credentials, and its clients by login."""

    def __init__(self, folder: Path, port: int, *, encrypted: bool = False) -> None:
        clock = SystemClock()
        self.credentials = Credentials(folder / "credentials.json", clock)
        self.passwords = {device: self.credentials.give_password(device) for device in DEVICES}
        self.authority = Authority(folder / "authority", clock) if encrypted else None
        self.contexts = {device: self.certify(device) for device in WITH_CERTIFICATE} if encrypted else {}
        settings = Settings(port=port, tls=("127.0.0.1", 0) if encrypted else None, names=("127.0.0.1",))
        self.broker = Broker(folder / "broker", settings, clock, self.credentials, self.authority)
        self.clients: dict[str, aiomqtt.Client] = {}
        self.gateway = aiomqtt.Client("unset")

    def certify(self, device: str) -> ssl.SSLContext:
        """A certificate for the device; what a client needs to show it."""
        assert self.authority is not None
        issued = self.authority.issue(device)
        self.credentials.give_certificate(device, issued.serial, issued.until)
        context = ssl.create_default_context(cadata=self.authority.certificate)
        with tempfile.NamedTemporaryFile("w") as file:  # Python loads chains from files alone
            file.write(issued.certificate + issued.key)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def client(self, login: str, **more: object) -> aiomqtt.Client:
        """A client of a login: `name` alone is of the default namespace."""
        more = {"identifier": f"client-{login}"} | more
        device = device_of(login)
        if device in self.contexts:
            host, port = self.broker.encrypted or ("", 0)
            return aiomqtt.Client(host, port, tls_context=self.contexts[device], **more)  # type: ignore[arg-type]
        return aiomqtt.Client(*self.broker.address, username=login, password=self.passwords[device], **more)  # type: ignore[arg-type]

    @property
    def logins(self) -> list[str]:
        """Every name by which somebody may come in: devices of the default namespace have two."""
        short = [device.partition("/")[2] for device in DEVICES if device.startswith("default/")]
        return [*DEVICES, *self.contexts, *(name for name in short if name != "gemelo")]

    async def table(self) -> dict[str, set[str]]:
        """By login, the topics on which something of its own arrived at the gateway after it tried all."""
        await self.gateway.subscribe([(filter_, 1) for filter_ in ("#", "$hw/#")])
        arrived: dict[str, set[str]] = {login: set() for login in self.clients}
        for login, client in self.clients.items():
            for topic in every_topic():
                await client.publish(topic, login, qos=0)
            await client.publish(f"$hw/events/device/{device_of(login)}/twin/get", f"end {login}", qos=1)
            async for message in self.gateway.messages:
                assert isinstance(message.payload, bytes)
                if message.payload.decode() == f"end {login}":
                    break
                if message.payload.decode() in arrived:
                    arrived[message.payload.decode()].add(str(message.topic))
        await self.gateway.unsubscribe(["#", "$hw/#"])
        return arrived

    async def heard(self) -> dict[str, set[str]]:
        """By login, the topics it hears when it subscribes to all and the gateway publishes on all."""
        for client in self.clients.values():
            with contextlib.suppress(aiomqtt.MqttError):  # a filter the broker refuses is one way to keep it
                await client.subscribe([(filter_, 1) for filter_ in ALL])
        for topic in every_topic():
            await self.gateway.publish(topic, "all", qos=0)
        heard: dict[str, set[str]] = {}
        for login, client in self.clients.items():
            heard[login] = set()
            await self.gateway.publish(f"$hw/events/device/{device_of(login)}/twin/get/result", f"end {login}", qos=1)
            async for message in client.messages:
                if message.payload == f"end {login}".encode():
                    break
                heard[login].add(str(message.topic))
        return heard


def every_topic() -> Iterable[str]:
    """All topics of all devices, in both forms, and some that are nobody's."""
    for device in (*DEVICES, *WITH_CERTIFICATE):
        name = device.partition("/")[2]
        for root in (f"$hw/events/device/{device}", f"$hw/events/device/{name}"):
            yield from (f"{root}/{verb}" for verb in (*INPUTS, *OUTPUTS, "membership/get", "twin/edge_updated"))
        yield from (f"gemelo/telemetry/{device}", f"gemelo/telemetry/{device}/speed", f"gemelo/telemetry/{name}")
    yield from NOBODYS


def device_of(login: str) -> str:
    return login if "/" in login else f"default/{login}"


def own_inputs(login: str) -> set[str]:
    """What a login may write, said again: in both forms by the short name of a device."""
    device = device_of(login)
    roots = [f"$hw/events/device/{device}"] + ([f"$hw/events/device/{login}"] if "/" not in login else [])
    return {f"{root}/{verb}" for root in roots for verb in INPUTS} | {
        f"gemelo/telemetry/{device}",
        f"gemelo/telemetry/{device}/speed",
    }


def own_outputs(login: str) -> set[str]:
    device = device_of(login)
    roots = [f"$hw/events/device/{device}"] + ([f"$hw/events/device/{login}"] if "/" not in login else [])
    return {f"{root}/{verb}" for root in roots for verb in OUTPUTS}


def meant(topic: str) -> str:
    """The device that the gateway itself reads in a topic; empty when it reads none."""
    if topic.startswith(telemetry.ROOT):
        with contextlib.suppress(Rejected):
            return telemetry.read(topic, b"1" if topic.count("/") > 3 else b"{}", "", 0).device
        return ""
    where = address(topic)
    return where.device if where is not None else ""


@asynccontextmanager
async def open_door(door: Door, logins: Iterable[str] | None = None) -> AsyncIterator[Door]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(door.broker.run())
        await door.broker.ready()
        async with AsyncExitStack() as stack:
            host, port = door.broker.address
            own = {"username": door.broker.user, "password": door.broker.password, "identifier": "gemelo-edge-1"}
            door.gateway = await stack.enter_async_context(aiomqtt.Client(host, port, **own))  # type: ignore[arg-type]
            for login in door.logins if logins is None else logins:
                door.clients[login] = door.client(login)
                await door.clients[login].__aenter__()
            yield door
            for client in door.clients.values():
                with contextlib.suppress(aiomqtt.MqttError):  # one that was cut is gone already
                    await client.__aexit__(None, None, None)
        running.cancel()


def judge(arrived: dict[str, set[str]]) -> None:
    """Nobody wrote what the gateway takes for another device, and everybody could write all that is its own."""
    for login, topics in arrived.items():
        assert {meant(topic) for topic in topics} == {device_of(login)}, login
        assert topics == own_inputs(login), login


async def test_of_n_by_n_devices_each_writes_its_own_topics_and_nothing_else(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port)) as door:
        judge(await door.table())


async def test_whatever_a_device_subscribes_to_it_hears_its_own_answers_alone(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port)) as door:
        for login, topics in (await door.heard()).items():
            assert topics == own_outputs(login), login


async def test_a_certificate_gives_the_same_rights_as_a_password(tmp_path: Path, port: int) -> None:
    if find_plugin() is None:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    async with open_door(Door(tmp_path, port, encrypted=True)) as door:
        judge(await door.table())
        for login, topics in (await door.heard()).items():
            assert topics == own_outputs(login), login


async def test_the_table_holds_after_a_reload_and_without_a_device_that_was_removed(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port)) as door:
        door.credentials.remove("default/a")
        await door.broker.reload()
        for login in ("a", "default/a"):
            with pytest.raises(aiomqtt.MqttError):
                await anext(aiter(door.clients.pop(login).messages))
            with pytest.raises(aiomqtt.MqttError):
                async with door.client(login):
                    pass
        judge(await door.table())  # over the connections of before


async def test_a_new_password_cuts_whoever_came_with_the_old_one(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port), ["a/b", "b/b"]) as door:
        old = door.client("a/b")
        door.passwords["a/b"] = door.credentials.give_password("a/b")
        await door.broker.reload()
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(door.clients.pop("a/b").messages))
        with pytest.raises(aiomqtt.MqttError):
            async with old:
                pass
        async with door.client("a/b"):
            pass
        judge(await door.table())


async def test_a_certificate_that_was_taken_back_is_cut_and_refused_and_its_successor_comes_in(
    tmp_path: Path, port: int
) -> None:
    if find_plugin() is None:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    async with open_door(Door(tmp_path, port, encrypted=True), ["a/update", "default/device", "b/b"]) as door:
        old = door.client("a/update", timeout=0.5)
        door.contexts["a/update"] = door.certify("a/update")
        await door.broker.reload()
        await cut(door, "a/update")
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(door.clients["a/update"].messages))
        with pytest.raises(aiomqtt.MqttError):  # TLS is done before the broker says no
            async with old:
                pass
        door.clients["a/update"] = door.client("a/update")
        await door.clients["a/update"].__aenter__()
        judge(await door.table())


async def test_no_device_can_command_the_brokers_plugin(tmp_path: Path, port: int) -> None:
    if find_plugin() is None:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    async with open_door(Door(tmp_path, port, encrypted=True), ["a/b", "a/update"]) as door:
        await door.clients["a/b"].publish(CONTROL, deletion("a/update"), qos=1)
        judge(await door.table())  # a/update is still there


async def test_a_last_will_on_anothers_topic_is_not_published(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port), []) as door:
        await door.gateway.subscribe("$hw/#", qos=1)
        await die(door, "a/twin", "$hw/events/device/b/b/twin/update")
        await die(door, "a/bc", "$hw/events/device/a/bc/state/update")
        message = await anext(aiter(door.gateway.messages))
        assert (str(message.topic), message.payload) == ("$hw/events/device/a/bc/state/update", b"will")


async def test_a_topic_with_a_wildcard_reaches_nobody(tmp_path: Path, port: int) -> None:
    async with open_door(Door(tmp_path, port), ["b/b"]) as door:
        await door.gateway.subscribe([("#", 1), ("$hw/#", 1)])
        for topic in (
            "$hw/events/device/+/b/twin/update",
            "$hw/events/device/a/b/#",
            "#",
            "$hw/events/device/b/+/twin/get",
        ):
            reader, writer = await connect(door, "a/b")
            writer.write(
                bytes([0x30, len(topic) + 6, 0, len(topic)]) + topic.encode() + b"\0b/b"
            )  # QoS 0, no properties
            await reader.read()  # until the broker ends it
            writer.close()
            await writer.wait_closed()
        judge(await door.table())


async def test_nobody_takes_the_connection_or_the_session_of_another_by_its_client_id(
    tmp_path: Path, port: int
) -> None:
    door = Door(tmp_path, port)
    async with open_door(door, ["a/b", "b/b"]) as door:
        for name in ("gemelo", "gemelo-edge-1", "b/b", "client-b/b"):
            async with door.client("a/twin", identifier=name, clean_session=False) as thief:
                await thief.publish("$hw/events/device/a/twin/twin/get", "a/twin", qos=1)
        judge(await door.table())  # the gateway and b/b are connected as they were


async def test_a_client_whose_own_name_is_a_wildcard_has_no_rights(tmp_path: Path, port: int) -> None:
    door = Door(tmp_path, port)
    for name in ("+", "#", "a/+", "a/#", "a/b/c", "/a", "a/"):
        door.passwords[name] = door.passwords[device_of(name)] = door.credentials.give_password(name)
    names = ["+", "#", "a/+", "a/#", "a/b/c", "/a", "a/"]
    async with open_door(door, ["b/b"]) as door:
        for name in names:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(*door.broker.address, username=name, password=door.passwords[name]) as client:
                    for topic in every_topic():
                        await client.publish(topic, "b/b", qos=0)  # in the name of another
                    await client.publish("gemelo/telemetry/b/b", "b/b", qos=1)
        await door.gateway.subscribe([("#", 1), ("$hw/#", 1)])
        judge(await door.table())


async def connect(
    door: Door, login: str, will: mqtt5.Will | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection on which anything can be said."""
    packet = mqtt5.ConnectPacket(login, username=login, password=door.passwords[login].encode(), will=will)
    reader, writer = await asyncio.open_connection(*door.broker.address)
    writer.write(packet.write())
    await reader.read(1024)
    return reader, writer


async def die(door: Door, login: str, topic: str) -> None:
    """Connect with a last will, and go without a word."""
    _, writer = await connect(door, login, will=mqtt5.Will(topic, payload=b"will", qos=mqtt5.QoS.AT_LEAST_ONCE))
    writer.close()
    await writer.wait_closed()


async def cut(door: Door, user: str) -> None:
    await door.gateway.publish(CONTROL, deletion(user), qos=1)


def deletion(user: str) -> str:
    commands = [{"command": "createClient", "username": user}, {"command": "deleteClient", "username": user}]
    return json.dumps({"commands": commands})
