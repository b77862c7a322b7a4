"""A core with real twins and rules, and the cloud as a real mosquitto that is cut and comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.clouds.broker import CloudBroker
from gateway.config import Config
from gateway.outbox import Carried, Outbox
from gateway.sections import Cloud, Node
from runtime.clock import SystemClock
from tests.cloud.mqtt.edge import Edge, kill, until
from tests.cloud.mqtt.heaven import heaven
from tests.cloud.wire import Wire
from tests.gateway.process import Gateway, invoke
from tests.gateway.process import until as until_seen
from tests.gateway.stage import Disk, Stage, rule
from tests.mosquitto import Mosquitto
from twins.exchange import Event
from twins.stimuli import Left, Noted
from twins.twin import Twins

PUMP = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "pump-1"},
    "spec": {"deviceModelRef": {"name": "pump"}, "nodeName": "edge-1"},
}
MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "pump"},
    "spec": {
        "properties": [
            {"name": "speed", "type": "INT", "minimum": "0", "maximum": "100"},
            {"name": "flow", "type": "FLOAT", "accessMode": "ReadOnly"},
        ]
    },
}


def events(first: int, last: int) -> list[Event]:
    """So many, from the first to before the last."""
    return [Event(f"e-{n:03}", 1, "test", "p", "info", "told") for n in range(first, last)]


HOT = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 30.0"}]}}, "B": {}}


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with Mosquitto(tmp_path / "cloud", "max_queued_messages 100000") as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_reported_goes_up_and_desired_comes_down(broker: Mosquitto, protocol: str) -> None:
    edge = Edge(broker.port, protocol=protocol)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="21.5", mode="eco")
        await far.until(lambda: far.reported("default/d1") == {"t": "21.5", "mode": "eco"})
        await until(lambda: edge.unsynced == 0)
        assert await far.desire("default/d1", 1, t="22") == {"t": "accepted"}
        assert edge.desired("default/d1") == {"t": "22"}
        await far.until(lambda: far.states.get("edge-1:default/d1"))


async def test_each_property_is_answered_with_a_reason(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await far.ask("edge-1/manifests/devicemodels/default/pump", MODEL)
        await far.ask("edge-1/manifests/devices/default/pump-1", PUMP)
        request = {"version": 7, "properties": {"speed": 10, "flow": 1.5, "spede": "1"}}
        answer = await far.ask("edge-1/twins/default/pump-1/desired", request, id="wish-7")
        assert (answer["id"], answer["version"]) == ("wish-7", 7)
        assert answer["properties"]["speed"] == {"outcome": "accepted", "value": "10"}
        assert answer["properties"]["flow"]["code"] == 403
        assert answer["properties"]["spede"]["reason"].endswith("did you mean speed?")


async def test_the_same_message_again_or_an_older_one_changes_nothing(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="1")
        assert await far.desire("default/d1", 5, t="50") == {"t": "accepted"}
        assert await far.desire("default/d1", 5, t="50") == {"t": "known"}
        assert await far.desire("default/d1", 4, t="40") == {"t": "stale"}
        assert edge.desired("default/d1") == {"t": "50"}
        assert sum(len(told.orders) for told in edge.stage.told) == 1, "the device is asked once"


async def test_what_the_edge_desires_goes_up_and_is_agreed_on_when_it_is_confirmed(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="1")
        await far.desire("default/d1", 1, t="10")
        await edge.turn("default/d1", t="30")
        await far.until(lambda: far.twins["edge-1:default/d1"]["t"].get("desired", {}).get("value") == "30")
        await until(lambda: edge.unsynced == 0)
        assert await far.desire("default/d1", 2, t="10") == {"t": "accepted"}
        assert edge.desired("default/d1") == {"t": "10"}
        assert not [event for told in edge.stage.told for event in told.events], "no conflict"


async def test_events_and_decisions_go_up_where_they_are_asked_for(broker: Mosquitto) -> None:
    edge, silent = Edge(broker.port, events=True), Edge(broker.port, "edge-2")
    async with heaven(broker.port) as far, edge.running(), silent.running():
        for node in (edge, silent):
            await node.stage.registry.apply(rule(states=HOT), "rule")
            await node.stage.core.ask(Noted("", "test:1:0", 1, Event("e-1", 1, "test", "pump", "info", "it is told")))
            await node.report("default/d1", t="31")
        event = await far.hear("edge-1/events")
        assert (event["id"], event["message"]) == ("e-1", "it is told")
        decision = await far.hear("edge-1/decisions")
        assert (decision["before"], decision["after"]) == ("A", "B")
        await far.until(lambda: far.reported("default/d1", "edge-2"))
        assert far.all("edge-2/events") + far.all("edge-2/decisions") == []


async def test_events_wait_for_the_link_within_their_quota_and_the_oldest_go(broker: Mosquitto) -> None:
    edge = Edge(broker.port, events=True, rate=10_000.0)
    async with heaven(broker.port) as far, edge.running():
        kill(broker)
        await until(lambda: edge.cloud.state.phase == "offline")
        await edge.happen(*events(0, 1))
        edge.outbox.backlog.quota = 100 * edge.outbox.backlog.bytes
        await edge.happen(*events(1, 130))
        assert (len(edge.outbox.backlog), edge.outbox.counts.dropped) == (100, 30)
        broker.start()
        await far.until(lambda: len(far.all("edge-1/events")) == 100)
        assert [event["id"] for event in far.all("edge-1/events")] == [f"e-{n:03}" for n in range(30, 130)]
        await until(lambda: edge.stage.disk.found().outbox == [])


async def test_events_outlive_the_gateway_and_are_deleted_once_the_broker_has_them(broker: Mosquitto) -> None:
    edge = Edge(broker.port, events=True)
    async with heaven(broker.port) as far:
        async with edge.running():
            kill(broker)
            await until(lambda: edge.cloud.state.phase == "offline")
            await edge.happen(*events(0, 50))
            assert len(edge.stage.disk.found().outbox) == 50, "with the commit that they tell of"
        broker.start()
        again = Edge(broker.port, events=True, disk=edge.stage.disk)
        async with again.running():
            await far.until(lambda: len(far.all("edge-1/events")) == 50)
            assert [event["id"] for event in far.all("edge-1/events")] == [f"e-{n:03}" for n in range(50)]
            await until(lambda: again.stage.disk.found().outbox == [])


async def test_nothing_larger_than_the_broker_takes_is_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path / "narrow", "max_packet_size 3000") as narrow:
        edge = Edge(narrow.port)
        async with heaven(narrow.port) as far, edge.running():
            for n in range(100):
                await edge.report(f"default/device-with-a-long-name-{n}", t="1")
            await until(lambda: edge.unsynced == 0)
            assert edge.cloud.state.counters.links == 1, "the list of devices did not end the link"
            await far.until(lambda: len(far.twins) == 100)
            await until(lambda: "is not told what belongs on gemelo/edge-1/devices" in caplog.text)


async def test_an_event_that_the_broker_refuses_holds_up_no_other_and_is_counted(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "narrow", "max_packet_size 3000") as narrow:
        edge = Edge(narrow.port, events=True)
        async with heaven(narrow.port) as far, edge.running():
            words = ["first", "x" * 4000, "last"]
            await edge.happen(*(Event(f"e-{n}", 1, "test", "p", "info", word) for n, word in enumerate(words)))
            await far.until(lambda: len(far.all("edge-1/events")) == 2)
            await edge.happen(Event("e-3", 1, "test", "p", "info", "more"))
            await far.until(lambda: [event["id"] for event in far.all("edge-1/events")] == ["e-0", "e-2", "e-3"])
            assert edge.cloud.state.refused == 1


async def test_devices_and_models_are_made_changed_and_removed_from_afar(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        device, model = "edge-1/manifests/devices/default/pump-1", "edge-1/manifests/devicemodels/default/pump"
        assert (await far.ask(model, MODEL))["done"] == "devicemodel/default/pump created"
        assert (await far.ask(device, PUMP, id="m-1")) == {"id": "m-1", "done": "device/default/pump-1 created"}
        assert (await far.ask(device, PUMP))["done"] == "device/default/pump-1 unchanged"
        changed = json.loads(
            json.dumps(PUMP).replace('"pump-1"}', '"pump-1", "labels": {"description": "the big one"}}')
        )
        assert (await far.ask(device, changed))["done"] == "device/default/pump-1 configured"
        await far.until(lambda: any("default/pump-1" in each["devices"] for each in far.all("edge-1/devices")))
        assert (await far.ask(device, b""))["done"] == "device/default/pump-1 deleted"
        await far.until(lambda: far.all("edge-1/devices")[-1]["devices"] == {})
        again = await far.ask(device, b"")
        assert again["code"] == 404


# fmt: off
BAD = {
    "no JSON": ("twins/default/d1/desired", b"speed=10", 400, "no JSON object"),
    "no text": ("twins/default/d1/desired", b'{"a": "\xff"}', 400, "can't be read|no CloudEvent"),
    "cut off": ("twins/default/d1/desired", b'{"version": 1, ', 400, "no CloudEvent and no JSON object"),
    "nested": ("twins/default/d1/desired", b'{"a":' * 5000, 400, "no CloudEvent|can't be read"),
    "empty": ("twins/default/d1/desired", b"", 400, "an empty message desires nothing"),
    "no version": ("twins/default/d1/desired", {"properties": {"t": "1"}}, 400, "version"),
    "200 digits": ("twins/default/d1/desired", b'{"version": ' + b"9" * 200 + b"}", 400, "version|out of range"),
    "version 0": ("twins/default/d1/desired", {"version": 0, "properties": {}}, 400, "version"),
    "a list for a value": ("twins/default/d1/desired", {"version": 1, "properties": {"t": [1]}}, 400, "properties"),
    "a key too many": ("twins/default/d1/desired", {"version": 1, "properties": {}, "hole": 1}, 400, "hole"),
    "another specversion": ("twins/default/d1/desired", {"specversion": "2.0", "data": {}}, 400, "CloudEvents 1.0"),
    "an event without data": ("twins/default/d1/desired", {"specversion": "1.0"}, 400, "no data"),
    "another device": ("twins/default/d2/desired", {"version": 1, "properties": {"t": "1"}}, 404, "not existed"),
    "huge": ("twins/default/d1/desired", b"{" + b" " * 1_060_000, 413, "more than the 1048576"),
    "another kind": ("manifests/cameras/default/c1", {"kind": "Camera"}, 404, "devices and devicemodels are"),
    "a bad name": ("manifests/devices/default/Pump_1", PUMP, 400, "no name"),
    "another device's topic": ("manifests/devices/default/pump-2", PUMP, 400, "on the topic of default/pump-2"),
    "a model on a device's topic": ("manifests/devices/default/pump", MODEL, 400, "on the topic of a Device"),
    "a manifest without metadata": ("manifests/devices/default/p", {"kind": "Device", "metadata": 1}, 400, "metadata"),
    "another node": (
        "manifests/devices/default/pump-1", PUMP | {"spec": {"nodeName": "edge-2"}}, 409, "this one is edge-1",
    ),
    "a wrong key": (
        "manifests/devices/default/pump-1", PUMP | {"spec": {"nodeNam": "edge-1"}}, 400, "did you mean nodeName",
    ),
    "a list for a manifest": ("manifests/devices/default/pump-1", b"[]", 400, "no JSON object"),
    "a whole twin that is not there": ("get", {"devices": ["default/d2"]}, 404, "no device"),
    "no request": ("get", {"devices": "default/d1"}, 400, "devices"),
}
# fmt: on


async def test_bad_input_is_answered_and_harms_nothing(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="1")
        before = edge.stage.twins.encoded("default/d1")
        for name, (topic, data, code, words) in BAD.items():
            answer = await far.ask(f"edge-1/{topic}", data)
            assert answer.get("code") == code, (name, answer)
            assert any(word in answer["reason"] for word in words.split("|")), (name, answer)
        await until(lambda: edge.unsynced == 0)
        assert edge.cloud.state.rejected == len(BAD) - 1, "that a device is not there the twins say"
        assert [twin.device for twin in edge.stage.twins] == ["default/d1"]
        assert edge.stage.twins.get("default/d1").properties.keys() == {"t"}  # type: ignore[union-attr]
        assert before is not None
        assert await far.desire("default/d1", 1, t="2") == {"t": "accepted"}


async def test_events_in_binary_mode_are_understood(broker: Mosquitto) -> None:
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="1")
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("specversion", "1.0"), ("id", "b-1"), ("type", "wish"), ("source", "/heaven")]
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            body = b'{"version": 3, "properties": {"t": 2}}'
            await client.publish("gemelo/edge-1/twins/default/d1/desired", body, qos=1, properties=properties)
        answer = await far.hear("edge-1/twins/default/d1/desired/ack")
        assert (answer["id"], answer["properties"]["t"]["outcome"]) == ("b-1", "accepted")


async def test_whole_twins_come_on_request(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with edge.running():
        for n in range(50):
            await edge.report(f"default/d{n}", t=str(n), mode="eco")
        await until(lambda: edge.unsynced == 0)
        async with heaven(broker.port) as far:
            assert far.twins == {}, "what was said before is gone for those who come later"
            assert (await far.ask("edge-1/get", b""))["done"] == "whole twins that follow: 50"
            await far.until(lambda: len(far.twins) == 50)
            assert far.reported("default/d7") == {"t": "7", "mode": "eco"}
            await far.until(lambda: len(far.all("edge-1/devices")[-1]["devices"]) == 50)
            (whole,) = far.all("edge-1/twins/default/d7/reported")
            assert (whole["part"], whole["parts"], whole["state"]) == (1, 1, "online")


async def test_the_node_is_there_and_then_not(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far:
        async with edge.running():
            assert (await far.hear("edge-1/state"))["online"] is True
        await far.until(lambda: [s["online"] for s in far.all("edge-1/state")] == [True, False])


async def test_what_changed_while_the_link_was_cut_comes_once_and_newest(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="0")
        await until(lambda: edge.unsynced == 0)
        kill(broker)
        await until(lambda: edge.cloud.state.phase == "offline")
        for n in range(1, 100):
            await edge.report("default/d1", t=str(n))
        broker.start()
        await far.until(lambda: far.reported("default/d1") == {"t": "99"})
        await until(lambda: edge.unsynced == 0)
        assert len([e for e in far.all("edge-1/twins/default/d1/reported") if "t" in e["properties"]]) <= 3
        assert [s["online"] for s in far.all("edge-1/state")][-1] is True


async def test_a_thousand_properties_of_a_hundred_devices_converge_after_a_cut(broker: Mosquitto) -> None:
    edge = Edge(broker.port, backoff_first=0.5, backoff_limit=4.0)
    values = {f"p{n}": "0" for n in range(10)}
    async with heaven(broker.port) as far, edge.running():
        for n in range(100):
            await edge.report(f"default/d{n}", **values)
        await until(lambda: edge.unsynced == 0)
        kill(broker)
        await until(lambda: edge.cloud.state.phase != "online")
        for n in range(100):
            await edge.report(f"default/d{n}", **{name: str(n + 1) for name in values})
        assert edge.unsynced == 1000
        broker.start()
        began = asyncio.get_running_loop().time()
        wanted = {f"default/d{n}": dict.fromkeys(values, str(n + 1)) for n in range(100)}
        await far.until(lambda: all(far.reported(device) == p for device, p in wanted.items()))
        await until(lambda: edge.unsynced == 0)
        took = asyncio.get_running_loop().time() - began
        print(f"converged in {took:.2f} s")
        assert took <= 5.0


async def test_a_broker_that_lost_all_it_had_is_told_again_on_request(broker: Mosquitto, tmp_path: Path) -> None:
    edge = Edge(broker.port)
    async with edge.running():
        await edge.report("default/d1", t="1")
        await until(lambda: edge.unsynced == 0)
        broker.kill()
        (tmp_path / "cloud" / "mosquitto.db").unlink(missing_ok=True)
        await edge.report("default/d1", t="2")
        broker.start()
        await until(lambda: edge.unsynced == 0)
        async with heaven(broker.port) as far:
            assert (await far.hear("edge-1/state"))["online"] is True
            assert (await far.hear("edge-1/devices"))["devices"] == {"default/d1": {"model": ""}}
            await far.ask("edge-1/get", b"")
            await far.until(lambda: far.reported("default/d1") == {"t": "2"})
            assert await far.desire("default/d1", 1, t="3") == {"t": "accepted"}


async def test_requests_made_while_the_node_is_away_wait_for_it(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far:
        async with edge.running():
            for n in range(100):
                await edge.report(f"default/d{n}", t="0")
        again = Edge(broker.port, disk=edge.stage.disk)
        for n in range(100):
            await far.send(f"edge-1/twins/default/d{n}/desired", {"version": 1, "properties": {"t": n}})
        await far.send("edge-1/manifests/devices/default/pump-1", {**PUMP, "spec": {}}, retain=True)
        async with again.running():
            await far.until(lambda: len([t for t, _, _ in far.heard if t.endswith("/desired/ack")]) == 100)
            assert again.desired("default/d42") == {"t": "42"}
            await far.hear("edge-1/manifests/devices/default/pump-1/ack")
            assert again.stage.twins.get("default/pump-1") is not None


async def test_what_the_broker_retains_holds_at_each_connection_and_is_answered_once(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="0")
        request = {"version": 9, "properties": {"t": "9"}}
        await far.send("edge-1/twins/default/d1/desired", request, retain=True)
        await far.hear("edge-1/twins/default/d1/desired/ack")
        await until(lambda: edge.cloud.state.counters.answered == 1)
        await edge.report("default/d1", u="1")
        await until(lambda: edge.unsynced == 0)  # so the broker has our acknowledgement too, which was before
        broker.stop()  # unlike a kill it writes down what it retains
        broker.start()
        await until(lambda: edge.cloud.state.counters.links >= 2)
        await until(lambda: edge.cloud.state.counters.received >= 2)
        await edge.report("default/d1", t="1")
        await far.until(lambda: far.reported("default/d1") == {"t": "1", "u": "1"})
        assert len(far.all("edge-1/twins/default/d1/desired/ack")) == 1


async def test_a_request_that_was_not_stored_is_not_acknowledged_and_comes_again(broker: Mosquitto) -> None:
    disk = Disk()
    edge = Edge(broker.port, disk=disk)
    async with heaven(broker.port) as far:
        async with edge.running():
            await edge.report("default/d1", t="0")
            await until(lambda: edge.unsynced == 0)
            disk.held = True
            await far.send("edge-1/twins/default/d1/desired", {"version": 1, "properties": {"t": "5"}})
            await until(lambda: edge.cloud.state.counters.received == 1)
        assert not far.all("edge-1/twins/default/d1/desired/ack")
        del disk.batches[disk.durable :]
        disk.held = False
        again = Edge(broker.port, disk=disk)
        assert again.desired("default/d1") == {}
        async with again.running():
            await far.hear("edge-1/twins/default/d1/desired/ack")
            assert again.desired("default/d1") == {"t": "5"}


async def test_two_nodes_on_one_broker_do_not_disturb_each_other(broker: Mosquitto) -> None:
    one, two = Edge(broker.port), Edge(broker.port, "edge-2")
    async with heaven(broker.port) as far, one.running(), two.running():
        await one.report("default/d1", t="1")
        await two.report("default/d1", t="2")
        await far.until(lambda: far.reported("default/d1", "edge-2") == {"t": "2"})
        await far.until(lambda: far.reported("default/d1", "edge-1") == {"t": "1"})
        await far.desire("default/d1", 1, t="10")
        assert (one.desired("default/d1"), two.desired("default/d1")) == ({"t": "10"}, {})
        await far.ask("edge-2/manifests/devices/default/p", {**PUMP, "metadata": {"name": "p"}, "spec": {}})
        assert one.stage.twins.get("default/p") is None
        assert (one.cloud.state.counters.links, two.cloud.state.counters.links) == (1, 1)


async def test_a_second_node_with_the_same_name_is_told(broker: Mosquitto) -> None:
    one = Edge(broker.port)
    async with one.running():
        assert not one.cloud.state.rival
        async with Edge(broker.port).running():
            await until(lambda: one.cloud.state.phase == "offline" and one.cloud.state.rival and one.warned)
            assert one.cloud.state.reason == one.warned[0]
            assert one.warned[0].startswith("a second node is at the broker as edge-1,")


async def test_a_second_node_is_an_event_and_shown(tmp_path: Path, broker: Mosquitto) -> None:
    section = f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
    with Gateway(tmp_path, cloud=section) as gateway:
        await asyncio.to_thread(gateway.start)
        async with Edge(broker.port).running():

            def told() -> bool:
                query = "SELECT message FROM events WHERE kind = 'security'"
                return "a second node is at the broker as edge-1" in invoke("sql", query, "--url", gateway.url).stdout

            await asyncio.to_thread(until_seen, told)
        shown = (await asyncio.to_thread(invoke, "cloud", "status", "--url", gateway.url)).stdout
        assert "rival: a second node of this name" in shown


async def test_of_a_device_that_left_nothing_is_remembered_and_of_the_others_what_is_not_confirmed(
    broker: Mosquitto,
) -> None:
    edge = Edge(broker.port)
    async with edge.running():
        broker.freeze()
        for n in range(10):
            await edge.report(f"default/d{n}", t="1")
        assert len(edge.cloud._sources) == 10
        for n in range(5):
            await edge.stage.core.ask(Left(f"default/d{n}", "test", 0))
        assert len(edge.cloud._sources) == 5
        broker.thaw()
        await until(lambda: edge.unsynced == 0)
        assert len(edge.cloud._sources) == 0


async def test_a_device_that_leaves_is_not_on_the_list_any_more(broker: Mosquitto) -> None:
    edge = Edge(broker.port)
    async with heaven(broker.port) as far, edge.running():
        await edge.report("default/d1", t="1")
        await far.until(lambda: "default/d1" in (far.all("edge-1/devices") or [{"devices": {}}])[-1]["devices"])
        await edge.stage.core.ask(Left("default/d1", "test", 0))
        await far.until(lambda: far.all("edge-1/devices")[-1]["devices"] == {})


async def test_what_the_broker_lets_us_not_write_stays_pending_and_what_comes_is_taken(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    lines = ["read gemelo/#", *(f"write gemelo/+/{topic}" for topic in ("state", "devices", "twins/+/+/desired"))]
    rights.write_text("".join(f"topic {line}\n" for line in lines))
    with Mosquitto(tmp_path / "strict", f"acl_file {rights}") as strict:
        edge = Edge(strict.port)
        async with edge.running():
            await edge.report("default/d1", t="1")
            await until(lambda: edge.cloud.state.counters.sent > 6)
            assert edge.unsynced == 1
            assert edge.cloud.state.phase == "online"
        async with heaven(strict.port) as far, edge.running():
            for version in range(1, 101):  # more than may be under way
                body = {"version": version, "properties": {"t": version}}
                await far.send("edge-1/twins/default/d1/desired", body)
            await until(lambda: edge.desired("default/d1") == {"t": "100"})


async def test_what_the_broker_refuses_is_shown_with_the_reason(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read gemelo/#\ntopic write gemelo/+/state\n")
    with Mosquitto(tmp_path / "strict", f"acl_file {rights}") as strict:
        stage = Stage(twins=Twins(enrols=True))
        config = Config(node=Node(name="edge-1"), cloud=Cloud(kind="mqtt", url=f"mqtt://127.0.0.1:{strict.port}"))
        outbox = Outbox(stage.core, stage.clock, Carried())
        sky = CloudBroker(config, stage.core, stage.registry, SystemClock(), outbox, print, 1)
        stage.core.listen(sky)
        async with stage.running(), asyncio.TaskGroup() as group:
            running = group.create_task(sky.run())
            await stage.report("default/d1", t="1")
            await until(lambda: sky.status().unanswered)
            (shown,) = sky.status().unanswered
            assert shown.device == "default/d1"
            assert "its rights must let gemelo-edge-1 write there" in shown.reason
            (condition,) = sky.conditions("default/d1")
            assert condition.reason == "Unconfirmed"
            running.cancel()


async def test_a_link_that_breaks_is_no_fault_of_the_devices_whose_reports_were_on_their_way(broker: Mosquitto) -> None:
    """Those whose reports a broker refuses rest, ever longer; these are told at once when there is a link again."""
    edge = Edge(broker.port, answer=0.5, connect=1.0)
    async with edge.running():
        broker.freeze()
        for n in range(10):
            await edge.report(f"default/d{n}", t="1")
        await until(lambda: edge.cloud.state.phase != "online")
        assert edge.uplink.silences == ()
        broker.thaw()
        await until(lambda: edge.unsynced == 0)


async def test_a_broker_that_stands_still_is_found_out_and_nothing_is_lost(broker: Mosquitto) -> None:
    edge = Edge(broker.port, answer=0.5, connect=1.0)
    async with heaven(broker.port) as far, edge.running():
        broker.freeze()
        await edge.report("default/d1", t="1")
        await until(lambda: edge.cloud.state.phase != "online")
        assert "confirmed nothing for 0.5 s" in edge.cloud.state.reason or edge.cloud.state.phase == "connecting"
        broker.thaw()
        await far.until(lambda: far.reported("default/d1") == {"t": "1"})
        await until(lambda: edge.unsynced == 0)


async def test_a_broker_that_hangs_up_at_once_is_tried_again_soon(broker: Mosquitto) -> None:
    """As one behind a proxy does that is away itself. A greeting would be waited for longer than this test takes."""
    async with Wire(broker.port) as wire:
        wire.cut()
        edge = Edge(wire.port, connect=60.0, answer=60.0)
        async with heaven(broker.port) as far, edge.running(online=False):
            await edge.report("default/d1", t="1")
            await until(lambda: "it closes the connection" in edge.cloud.state.reason)
            wire.mend()
            await far.until(lambda: far.reported("default/d1") == {"t": "1"})


async def test_a_cut_while_many_reports_are_on_their_way_costs_no_device_a_rest(broker: Mosquitto) -> None:
    """Some were confirmed, the others not: not as the broker would not have them, but as the link broke."""
    async with Wire(broker.port) as wire, heaven(broker.port) as far:
        edge = Edge(wire.port, rate=10_000.0)
        async with edge.running():
            for n in range(100):
                await edge.report(f"default/d{n}", t="0")
            await until(lambda: edge.unsynced == 0)
            wire.delay = 0.2
            for n in range(100):
                await edge.report(f"default/d{n}", t="1")
            await until(lambda: edge.unsynced < 100)
            wire.cut()
            assert edge.unsynced > 0
            wire.mend()
            await far.until(lambda: all(far.reported(f"default/d{n}") == {"t": "1"} for n in range(100)), 4.0)
            assert edge.uplink.silences == ()


async def test_a_broker_far_away_is_given_more_time_than_the_usual(broker: Mosquitto) -> None:
    """A round trip takes twice as long as an answer may at first."""
    async with Wire(broker.port) as wire, heaven(broker.port) as far:
        wire.delay = 0.1
        edge = Edge(wire.port, answer=0.1, connect=0.1)
        async with edge.running(online=False):
            await edge.report("default/d1", t="1")
            await far.until(lambda: far.reported("default/d1") == {"t": "1"})
            await until(lambda: edge.unsynced == 0)
            links = edge.cloud.state.counters.links
            for n in range(5):
                await edge.report("default/d1", t=str(n))
                await until(lambda: edge.unsynced == 0)
            assert edge.cloud.state.counters.links == links, "and keeps its link"
