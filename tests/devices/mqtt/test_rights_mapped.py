"""Topics of mappings and of Sparkplug at a real mosquitto: every device tries every topic of every device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from devices.mqtt.broker import Broker
from devices.mqtt.credentials import Credentials
from devices.mqtt.mosquitto import Settings, find_mosquitto
from devices.sparkplug.topic import DEVICE_VERBS, NODE_VERBS, Place, granted, unfolded
from devices.telemetry.grants import Topics
from devices.telemetry.mappings import Mappings
from runtime.clock import SystemClock
from tests.devices.telemetry.test_grants import mapping

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")

DEVICES = ("default/a", "default/b", "plant/a", "plant/b", "plant/g.n", "plant/g.n.d", "plant/h.n")
METERS = mapping("meters/{device}/state", name="meters", namespace="default")
ROOMS = mapping("rooms/{namespace}/{device}/+/{what}", name="rooms", namespace="default")
NODES = (Place("g", "n"), Place("h", "n"), Place("g", "other"))


def own(mappings: Mappings, device: str) -> Topics:
    place = unfolded(device.partition("/")[2]) if device.startswith("plant/") else None
    return mappings.granted(device) + (Topics() if place is None else granted(place))


def every_topic() -> Iterable[str]:
    for device in DEVICES:
        namespace, _, name = device.partition("/")
        yield from (f"meters/{name}/state", f"meters/{name}", f"meters/{name}/state/more")
        yield from (f"rooms/{namespace}/{name}/x/y", f"rooms/{name}/{namespace}/x/y", f"rooms/{namespace}/{name}/x")
    for node in NODES:
        yield from map(node.topic, (*NODE_VERBS, "NCMD"))
        yield from map(Place(node.group, node.node, "d").topic, (*DEVICE_VERBS, "DCMD"))
    yield "spBv1.0/STATE/host"


def wanted(device: str) -> set[str]:
    """What a device may write of these, said again."""
    namespace, _, name = device.partition("/")
    topics = {f"rooms/{namespace}/{name}/x/y"}
    if namespace == "default":
        topics.add(f"meters/{name}/state")
    if device in {"plant/g.n", "plant/h.n"}:
        group = name[0]
        topics |= {f"spBv1.0/{group}/{verb}/n" for verb in ("NBIRTH", "NDATA", "NDEATH")}
        topics |= {f"spBv1.0/{group}/{verb}/n/d" for verb in ("DBIRTH", "DDATA", "DDEATH")}
    return topics


@asynccontextmanager
async def open_door(
    folder: Path, port: int, mappings: Mappings
) -> AsyncIterator[tuple[Broker, Credentials, dict[str, aiomqtt.Client]]]:
    """A managed broker, its devices' credentials, and clients by login; the gateway's own is `""`."""
    credentials = Credentials(folder / "credentials.json", SystemClock())
    passwords = {device: credentials.give_password(device) for device in DEVICES}
    broker = Broker(
        folder / "broker", Settings(port=port), SystemClock(), credentials, granted=lambda d: own(mappings, d)
    )
    logins = [*((device, passwords[device]) for device in DEVICES), ("a", passwords["default/a"])]
    async with asyncio.timeout(30), asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        running = group.create_task(broker.run())
        await broker.ready()
        clients = {}
        for login, password in [*logins, (broker.user, broker.password)]:
            client = aiomqtt.Client(*broker.address, username=login, password=password, identifier=login)
            clients[login] = await stack.enter_async_context(client)
        yield broker, credentials, clients
        await stack.aclose()
        running.cancel()


async def arrived(clients: dict[str, aiomqtt.Client], gateway: aiomqtt.Client, login: str) -> set[str]:
    """The topics on which something comes when a login tries all."""
    topics = set()
    for topic in every_topic():
        await clients[login].publish(topic, login, qos=0)
    device = login if "/" in login else f"default/{login}"
    await clients[login].publish(f"gemelo/telemetry/{device}", "end", qos=1)
    async for message in gateway.messages:
        if message.payload == b"end":
            return topics
        topics.add(str(message.topic))
    raise AssertionError("the broker went away")


async def test_each_device_writes_its_own_mapped_topics_and_those_of_no_other(tmp_path: Path, port: int) -> None:
    mappings = Mappings()
    for each in (METERS, ROOMS):
        mappings.apply(each.id, each)
    async with open_door(tmp_path, port, mappings) as (broker, _, clients):
        gateway = clients.pop(broker.user)
        await gateway.subscribe("#", qos=1)
        for login in clients:
            device = login if "/" in login else f"default/{login}"
            assert await arrived(clients, gateway, login) == wanted(device), login


async def test_a_mapping_that_comes_or_goes_changes_what_the_connected_may_do(tmp_path: Path, port: int) -> None:
    mappings = Mappings()
    async with open_door(tmp_path, port, mappings) as (broker, _, clients):
        gateway = clients.pop(broker.user)
        await gateway.subscribe("#", qos=1)
        assert await arrived(clients, gateway, "default/a") == set()
        mappings.apply(METERS.id, METERS)
        await broker.refresh()
        assert await arrived(clients, gateway, "default/a") == {"meters/a/state"}
        another = mapping("meters/#", "log", name="log")
        mappings.apply(another.id, another)
        await broker.refresh()
        assert await arrived(clients, gateway, "default/a") == set()


async def test_a_node_hears_its_own_commands_and_no_others(tmp_path: Path, port: int) -> None:
    async with open_door(tmp_path, port, Mappings()) as (broker, _, clients):
        gateway = clients.pop(broker.user)
        heard = {}
        for login in ("plant/g.n", "plant/h.n", "default/a"):
            await clients[login].subscribe("#", qos=1)
        for topic in every_topic():
            await gateway.publish(topic, "x", qos=1)
        for login in ("plant/g.n", "plant/h.n", "default/a"):
            await gateway.publish(f"$hw/events/device/{login}/twin/get/result", "end", qos=1)
            await clients[login].subscribe("$hw/#", qos=1)
            await gateway.publish(f"$hw/events/device/{login}/twin/get/result", "end", qos=1)
            heard[login] = set()
            async for message in clients[login].messages:
                if message.payload == b"end":
                    break
                heard[login].add(str(message.topic))
        state = "spBv1.0/STATE/host"
        assert heard == {
            "plant/g.n": {"spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d", state},
            "plant/h.n": {"spBv1.0/h/NCMD/n", "spBv1.0/h/DCMD/n/d", state},
            "default/a": set(),
        }
