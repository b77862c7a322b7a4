"""Sparkplug before a core and a registry, in virtual time: who is asked when, what is sent, and whose a device is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devices.sparkplug.manifest import Sparkplug
from devices.sparkplug.payload import Metric, Payload, decode, encode
from devices.telemetry.mappings import Mappings
from gateway.discovery import Discoverer
from gateway.sparkplug import SparkplugHost, host, places
from gateway.sparkplug.rebirths import PACE, PATIENCE
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, settle
from twins.errors import Rejected
from twins.schema import decode as manifest_of
from twins.stimuli import Edit, Updated
from twins.twin import Twins

NODE, DEVICE = "plant/g.n", "plant/g.n.d"
LOAD = Metric("Load", 1, 0, 3, 1)


class Said:
    """The broker's side: what was published; another `connects` is another connection."""

    def __init__(self) -> None:
        self.connects = 1
        self.regrants = 0
        self.messages: list[tuple[str, Payload]] = []

    def say(self, messages: Any) -> None:
        self.messages += [(topic, decode(body)) for topic, body in messages]

    def regrant(self) -> None:
        self.regrants += 1

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.messages]


class Plant:
    """A host on a stage, and a node that counts its messages."""

    def __init__(self, stage: Stage, **spec: Any) -> None:
        self.stage = stage
        self.said = Said()
        others = Discoverer(Mappings(), stage.registry)
        self.host = SparkplugHost(others, stage.registry, stage.twins, stage.clock, stage.core.ask)
        self.host.speak_by(self.said)
        stage.registry.watch("Device", self.host.follow)
        self.take("plant", **spec)
        self.seq = 0

    def take(self, name: str, **spec: Any) -> None:
        body = {"kind": "Sparkplug", "metadata": {"name": name}, "spec": {"namespace": "plant"} | spec}
        self.host.apply(f"default/{name}", manifest_of(body, Sparkplug, "test"))

    async def hear(self, verb: str, *metrics: Metric, node: str = "g/{}/n") -> None:
        """A message comes, and everything that follows from it is done."""
        self.seq = 0 if verb == "NBIRTH" else self.seq + 1
        body = encode(Payload(metrics, None if verb == "NDEATH" else self.seq))
        stimuli = self.host.read(f"spBv1.0/{node.format(verb)}", body, self.stage.next_cause(), self.stage.clock.now())
        if stimuli:
            await self.stage.core.ask(*stimuli)
        await settle()

    async def born(self, *metrics: Metric) -> None:
        await self.hear("NBIRTH", LOAD, *metrics)

    async def wish(self, **values: str) -> None:
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in values.items()}
        now = self.stage.clock.now()
        await self.stage.core.ask(Updated(NODE, self.stage.next_cause(), now, edits, now, origin="edge"))
        for order in self.stage.told[-1].orders:
            self.said.say(self.host.commands(order.device, order.values))


@asynccontextmanager
async def plant(*, declares: bool = True, **spec: Any) -> AsyncIterator[Plant]:
    """With `declares` births become manifests; else those wait."""
    stage = Stage(twins=Twins())
    async with stage.running(), asyncio.TaskGroup() as group:
        made = Plant(stage, **spec)
        running = group.create_task(made.host.run() if declares else asyncio.Event().wait())
        yield made
        running.cancel()


@in_virtual_time
async def test_a_birth_is_a_device_a_model_and_values_before_the_manifests_are_kept() -> None:
    async with plant() as p:
        await p.hear("NBIRTH", LOAD, Metric("Big", None, 0, 8, 5), Metric("bdSeq", None, 0, 4, 0))
        twin = p.stage.twins.get(NODE)
        assert twin is not None
        assert {n: v.reported.value for n, v in twin.properties.items() if v.reported} == {"Load": "1", "Big": "5"}
        model = p.stage.registry.body("DeviceModel", NODE)
        assert model is not None
        bounds = {"minimum": "-2147483648", "maximum": "2147483647"}
        assert model["spec"]["properties"] == [
            {"name": "Big", "type": "DOUBLE", "accessMode": "ReadWrite"},
            {"name": "Load", "type": "INT", "accessMode": "ReadWrite"} | bounds,
        ]
        device = p.stage.registry.body("Device", NODE)
        assert device is not None
        assert device["metadata"]["annotations"] == {"gemelo.dev/sparkplug": "g/n", "gemelo.dev/interval": "never"}
        batches = len(p.stage.disk.batches)
        await p.born(Metric("Big", None, 0, 8, 5))
        assert all(not batch.manifests for batch in p.stage.disk.batches[batches:])  # nothing is new


@in_virtual_time
async def test_a_node_is_asked_for_its_birth_once_in_ten_seconds_and_many_one_after_another() -> None:
    async with plant() as p:
        for _ in range(50):
            await p.hear("NDATA", LOAD)
        assert p.said.topics == ["spBv1.0/g/NCMD/n"]
        (metric,) = p.said.messages[0][1].metrics
        assert (metric.name, metric.datatype, metric.value) == ("Node Control/Rebirth", 11, True)
        counts = p.host.sessions.counts
        assert (counts.unborn, counts.asked, counts.held) == (50, 1, 49)
        await asyncio.sleep(PATIENCE)
        await p.hear("NDATA", LOAD)
        assert len(p.said.messages) == 2
        for n in range(100):
            await p.hear("NDATA", LOAD, node=f"g/{{}}/n{n}")
        assert len(p.said.messages) < 10
        await asyncio.sleep(100 * PACE + 1)
        assert len(p.said.messages) == 102


@in_virtual_time
async def test_what_is_desired_goes_out_in_its_datatype_and_again_after_a_birth_until_it_is_reported() -> None:
    async with plant() as p:
        read_only = Metric("Serial", None, 0, 12, "x")
        await p.born(Metric("Set/Point", None, 0, 9, 20.0), read_only)
        await p.wish(Load="-7", **{"Set/Point": "21.5"})
        ((topic, said),) = p.said.messages
        assert topic == "spBv1.0/g/NCMD/n"
        assert [(m.name, m.alias, m.datatype, m.value) for m in said.metrics] == [
            ("", 1, 3, 2**32 - 7),
            ("Set/Point", None, 9, 21.5),
        ]
        p.said.messages.clear()
        await p.born(Metric("Set/Point", None, 0, 9, 21.5))
        assert [[m.alias for m in said.metrics] for _, said in p.said.messages] == [[1]]
        p.said.messages.clear()
        await p.hear("NBIRTH", Metric("Load", 2, 0, 3, 2**32 - 7))
        assert p.said.messages == []


@in_virtual_time
async def test_without_a_birth_what_is_desired_waits_for_one() -> None:
    async with plant() as p:
        await p.born()
        p.said.connects += 1  # the broker was away
        await p.hear("NDATA", LOAD)
        assert p.said.topics == ["spBv1.0/g/NCMD/n"]
        await p.wish(Load="3")
        assert len(p.said.messages) == 1
        await p.born()
        assert [[m.value for m in said.metrics] for _, said in p.said.messages] == [[True], [3]]


@in_virtual_time
async def test_beside_another_host_nothing_is_asked_and_nothing_commanded() -> None:
    async with plant(commands=False) as p:
        await p.hear("NDATA", LOAD)
        await p.born()
        await p.wish(Load="3")
        assert p.said.messages == []


@in_virtual_time
async def test_a_group_belongs_to_the_host_that_names_it() -> None:
    async with plant() as p:
        p.take("own", groups=["mine"], namespace="hall")
        await p.hear("NBIRTH", LOAD, node="mine/{}/n")
        await p.hear("NBIRTH", LOAD)
        assert {twin.device for twin in p.stage.twins} == {"hall/mine.n", NODE}
        p.host.apply("default/plant", None)
        await p.hear("NBIRTH", LOAD, node="other/{}/n")
        assert len(p.stage.twins) == 2
        assert p.host.filters >= {"spBv1.0/mine/NDATA/+", "spBv1.0/mine/DDATA/+/+"}


def device(name: str, **metadata: Any) -> dict[str, Any]:
    whole = {"name": name, "namespace": "plant"} | metadata
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": whole, "spec": {}}


@pytest.mark.parametrize("labels", [{}, {"gemelo.dev/discovered": "homeassistant"}])
@in_virtual_time
async def test_a_device_of_a_person_or_of_another_discovery_stays_as_it_is(labels: dict[str, str]) -> None:
    async with plant() as p:
        theirs = device("g.n", labels=labels)
        await p.stage.registry.apply(theirs, "test")
        with pytest.raises(Rejected, match=r"the device plant/g\.n is another's"):
            await p.born()
        assert p.stage.registry.body("Device", NODE) == theirs
        assert p.stage.registry.body("DeviceModel", NODE) is None


@in_virtual_time
async def test_two_places_of_one_name_do_not_mix() -> None:
    async with plant() as p:
        await p.hear("NBIRTH", LOAD, node="G/{}/n")
        with pytest.raises(Rejected, match=r"g/n: the device plant/g\.n is another's"):
            await p.born()
        await p.hear("NDATA", Metric("Load", 1, 0, 3, 9))
        twin = p.stage.twins.get(NODE)
        assert twin is not None
        assert twin.properties["Load"].reported is not None
        assert twin.properties["Load"].reported.value == "1"


@in_virtual_time
async def test_a_device_that_becomes_a_persons_is_left_alone_from_then_on() -> None:
    async with plant() as p:
        await p.born()
        await p.stage.registry.apply(device("g.n"), "test")
        await p.hear("NDATA", Metric("Load", 1, 0, 3, 9))
        twin = p.stage.twins.get(NODE)
        assert twin is not None
        assert twin.properties["Load"].reported is not None
        assert twin.properties["Load"].reported.value == "1"


@in_virtual_time
async def test_a_device_that_a_person_gave_the_place_has_its_own_name_and_manifests() -> None:
    async with plant() as p:
        own = device("press", annotations={"gemelo.dev/sparkplug": "g/n"})
        await p.stage.registry.apply(own, "test")
        await p.born()
        assert p.stage.registry.body("Device", "plant/press") == own
        assert [twin.device for twin in p.stage.twins] == ["plant/press"]
        assert p.host.granted("plant/press").writes[0] == "spBv1.0/g/NBIRTH/n"
        assert p.host.granted(NODE).writes == ()  # the place has its device
        await p.hear("NDEATH")
        assert p.stage.told[-1].statuses[0].state == "offline"


@in_virtual_time
async def test_births_make_no_more_devices_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST", 1)
    async with plant() as p:
        await p.born()
        with pytest.raises(Rejected, match="1 devices are here, and beyond 1 no birth makes another"):
            await p.hear("DBIRTH", LOAD, node="g/{}/n/d")
        await p.born()
        assert {twin.device for twin in p.stage.twins} == {NODE}


@in_virtual_time
async def test_devices_whose_manifests_wait_take_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST", 1)
    async with plant(declares=False) as p:
        await p.born()
        with pytest.raises(Rejected, match="no birth makes another"):
            await p.hear("DBIRTH", LOAD, node="g/{}/n/d")


@in_virtual_time
async def test_a_birth_that_can_not_wait_for_its_manifest_is_refused_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host, "WAITING", 1)
    async with plant(declares=False) as p:
        await p.born()
        with pytest.raises(Rejected, match="1 births wait for the store"):
            await p.hear("DBIRTH", LOAD, node="g/{}/n/d")
        assert {twin.device for twin in p.stage.twins} == {NODE}
        assert p.host.sessions.counts.asked == 0
        await p.hear("DDATA", LOAD, node="g/{}/n/d")
        assert p.host.sessions.counts.asked == 1


@in_virtual_time
async def test_rights_are_said_again_when_a_device_has_another_place() -> None:
    async with plant() as p:
        assert p.host.granted(NODE).writes[0] == "spBv1.0/g/NBIRTH/n"  # by its name, before its birth
        assert p.host.granted("other/g.n").writes == ()
        await p.born()
        before = p.said.regrants
        await p.stage.registry.apply(device("g.n", annotations={"gemelo.dev/sparkplug": "G/N"}), "test")
        assert p.said.regrants == before + 1
        assert p.host.granted(NODE).writes[0] == "spBv1.0/G/NBIRTH/N"
