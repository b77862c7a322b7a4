"""Bad input through a real mosquitto into a real gateway, in both modes: each is answered with its code and reason on
the right topic, costs little, and another device's updates are answered meanwhile.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import mqtt5
import paho.mqtt.client as paho
import pytest
from msgspec import Struct
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from benches.bad_input import LIMIT, Edge
from devices.mqtt.broker import find_mosquitto
from tests.bad_input import MAPPINGS, ROWS, VOID, Bad, Good, Row, Silent
from tests.crowding import crowding
from tests.gateway.process import Gateway

DEADLINE = 10.0
MODES = ("default", "strict")
NEIGHBOUR = "$hw/events/device/default/neighbour"
Heard = tuple[str, Any]

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="no mosquitto: apt-get install mosquitto")


class Client:
    """Says things, and hears all answers of the gateway; its neighbour asks for one on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._numbers = count(1)
        self._client = _connected(port, "client", self._heard)
        self._neighbour = _connected(port, "neighbour")

    def close(self) -> None:
        for client in (self._client, self._neighbour):
            client.disconnect()
            client.loop_stop()

    def say(self, topic: str, body: bytes, qos: int = 1) -> None:
        """Publish; the broker has it when this returns."""
        told = self._client.publish(topic, body, qos)
        if qos == 0:
            told = self._client.publish("marker", b"", 1)  # what was said before it on this connection was taken
        told.wait_for_publish(DEADLINE)
        assert told.is_published()

    def answers(self) -> list[Heard]:
        """What was answered up to now: the neighbour's next update is answered, so all before it is decided."""
        event = f"neighbour-{next(self._numbers)}"
        body = {"event_id": event, "twin": {"n": {"actual": {"value": event}}}}
        self._neighbour.publish(f"{NEIGHBOUR}/twin/update", json.dumps(body), 1).wait_for_publish(DEADLINE)
        found: list[Heard] = []
        while True:
            topic, answer = self._heard.get(timeout=DEADLINE)
            if topic == f"{NEIGHBOUR}/twin/update/result" and answer["event_id"] == event:
                assert answer["twin"]["n"]["actual"]["value"] == event
                return [(topic, answer) for topic, answer in found if not topic.startswith(NEIGHBOUR)]
            found.append((topic, answer))


class House(Struct):
    """A gateway with its own broker, and who speaks to it."""

    gateway: Gateway
    client: Client
    strict: bool
    names: Iterator[int]

    def name(self) -> str:
        return f"d{next(self.names)}"


@pytest.fixture(scope="module", params=MODES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("bad", numbered=True)
    with Gateway(
        folder,
        twins=f'enrol = true\ncompat = "{request.param}"',
        dmi=f'socket = "{folder}/dmi.sock"',
    ) as gateway:
        gateway.start()
        gateway.apply("\n---\n".join(map(json.dumps, MAPPINGS)))
        client = Client(gateway.broker())
        try:
            yield House(gateway, client, request.param == "strict", count(1))
        finally:
            client.close()
        assert gateway.stop() == 0
        assert gateway.is_calm(), gateway.output


# -- MQTT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1], ids=["qos0", "qos1"])
def test_every_row_is_answered_as_the_table_says_and_hurts_nobody_else(house: House, qos: int) -> None:
    faults = [fault for row in ROWS if (fault := said(house, row, qos))]
    assert not faults, "\n".join(faults)


def said(house: House, row: Row, qos: int) -> str:
    """What is wrong with the answers to a row, in words; empty when they are as the table says."""
    name = house.name()
    device = f"$hw/events/device/default/{name}"
    if row.topic.endswith(("/get", "state/update", "cloud_updated")):
        house.client.say(f"{device}/twin/update", b'{"event_id":"","twin":{}}')
        house.client.answers()
    topic = row.topic.replace("$D", device).replace("$NAME", name)
    house.client.say(topic, row.body, qos)
    heard = house.client.answers()
    found = [(t, _kept(answer)) for t, answer in heard if t.endswith("/result")]
    wanted = expected(row, topic, strict=house.strict)
    if len(found) == len(wanted) and all(_like(f, w) for f, w in zip(found, wanted, strict=True)):
        return ""
    return f"{row.says}: {str(found)[:600]} is not {str(wanted)[:600]}"


def expected(row: Row, topic: str, *, strict: bool) -> list[Heard]:
    """Topics and answers; a reason is how it begins."""
    topic = topic.replace("/twin/cloud_updated", "/twin/update")
    match row.expected(strict=strict):
        case Bad(reason, event, code, early):
            nameless = strict and not topic.endswith("/twin/update")
            told = {"event_id": "" if nameless else event, "code": code, "reason": reason}
            return [(f"{topic}/result", told), *([(VOID, told)] if early else [])]
        case Good(values, event):
            return [(f"{topic}/result", {"event_id": event, "values": values})]
        case Silent():
            return []


def _kept(answer: dict[str, Any]) -> dict[str, Any]:
    """Of an answer what the table speaks of."""
    if "code" in answer:
        return {key: answer[key] for key in ("event_id", "code", "reason")}
    twin = answer.get("twin") or {}
    values = {name: one["actual"]["value"] for name, one in twin.items() if one and "actual" in one}
    return {"event_id": answer["event_id"], "values": values}


def _like(found: Heard, wanted: Heard) -> bool:
    told, meant = dict(found[1]), dict(wanted[1])
    begins = str(told.pop("reason", "")).startswith(str(meant.pop("reason", "")))
    return begins and (found[0], told) == (wanted[0], meant)


@pytest.mark.parametrize(
    "name", [b"a+b", b"+", b"a#", b"#", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"a\x01b", b"a\x7fb"], ids=repr
)
def test_a_topic_that_no_broker_passes_on_reaches_nobody(house: House, name: bytes) -> None:
    topic = b"$hw/events/device/default/" + name + b"/twin/update"
    assert refused_by_broker(house.client.port, topic, b'{"event_id":"e","twin":{}}')
    assert house.client.answers() == []


def test_more_than_the_brokers_limit_is_refused_by_the_broker(house: House) -> None:
    body = b'{"event_id":"' + b"e" * 1_100_000 + b'","twin":{}}'
    assert refused_by_broker(house.client.port, b"$hw/events/device/default/large/twin/update", body)
    assert house.client.answers() == []


def refused_by_broker(port: int, topic: bytes, body: bytes) -> bool:
    """True when the broker ends the connection, or says in its acknowledgement that it did not take the message."""
    variable = len(topic).to_bytes(2, "big") + topic + b"\0\x01\0" + body
    length, head = len(variable), bytearray([0x32])
    while True:
        length, part = divmod(length, 128)
        head.append(part | (0x80 if length else 0))
        if not length:
            break
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
        sock.sendall(mqtt5.ConnectPacket("evil").write())
        assert sock.recv(1024)[0] == 0x20
        try:
            sock.sendall(bytes(head) + variable)
            answer = sock.recv(1024)
        except ConnectionError:
            return True
        return not answer or answer[0] == 0xE0 or (answer[0] == 0x40 and answer[4:5] >= b"\x80")


# -- what it costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_no_row_costs_more_than_5_ms(mode: str) -> None:
    edge = Edge(strict=mode == "strict")
    costs = {row.says: min(edge.cost(row, 3)) / 1000 for row in ROWS}
    dear = {says: min(cost, *edge.cost(_row(says), 60)) for says, cost in costs.items() if cost > LIMIT}
    assert {says: cost for says, cost in dear.items() if cost > LIMIT * crowding()} == {}


def _row(says: str) -> Row:
    return next(row for row in ROWS if row.says == says)


def test_no_row_is_there_twice() -> None:
    assert len({row.says for row in ROWS}) == len(ROWS)


# -- other doors ---------------------------------------------------------------------------------------------------

DEVICE = {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {"name": "d"}, "spec": {}}
RULE = (
    b"{apiVersion: gemelo.dev/v1alpha1, kind: Detector, metadata: {name: r}, spec: {inputs: {t: {property: t}}, "
    b'initial: A, states: {A: {onInput: {events: [{when: "%s"}]}}}}}'
)
DESIRED = "/api/v1/devices/default/neighbour/desired"
MANIFESTS = {
    "brackets": b"[" * 1_000_000,
    "braces": b'{"a":' * 200_000,
    "an unknown key of 1 MB": json.dumps(DEVICE | {"k" * 1_000_000: 1}).encode(),
    "a name of 1 MB": json.dumps(DEVICE | {"metadata": {"name": "d" * 1_000_000}}).encode(),
    "a kind that is a list": b"kind: [Device]",
    "a kind that is bytes": b"kind: !!binary AA==",
    "a kind of nobody, 1 MB long": b"kind: " + b"K" * 1_000_000,
    "a number of base 60": b"kind: Device\nspec: 1" + b":59" * 300_000,
    "a number of 1 MB": b'{"kind":"Device","spec":' + b"9" * 1_000_000 + b"}",
    "100,000 documents": b"--- 1\n" * 100_000,
    "100,000 numbers": json.dumps(DEVICE | {"x": list(range(100_000))}).encode(),
    "30,000 labels, the last of which is bad": json.dumps(
        DEVICE | {"metadata": {"name": "d", "labels": {f"k{n}": "v" for n in range(30_000)} | {"z": 1}}}
    ).encode(),
    "NaN": b'{"kind":"Device","metadata":{"name":"d"},"spec":{"properties":[{"name":"a","reportCycle":.nan}]}}',
    "surrogates": b'{"kind":"Device","metadata":{"name":"\\ud800"}}',
    "NUL": b'{"kind":"Device","metadata":{"name":"\0"}}',
    "objects of Python": b"!!python/object/apply:os.system [ls]",
    "keys that are lists": b"? [a]\n: b\nkind: Device\n",
    "bytes": b"\xff" * 1000,
    "2 MB": b"#" * 2_000_000,
    "a rule of 10 MB": RULE % (b"t > 1.0 || " * 950_000 + b"true"),
    "a rule of aliases": b"a: &a [x, x]\nb: &b [*a, *a]\nkind: Detector\nspec: [*b, *b]\n",
    "a rule with a million elements": RULE % (b"1 in [" + b"1," * 450_000 + b"1]"),
    "a rule of 20,000 expressions": RULE.replace(b'when: "%s"', b"assign: {%s}")
    % b", ".join(b"v%d: t" % number for number in range(20_000)),
}
VALUES = {
    "brackets": b"[" * 1_000_000,
    "brackets for a value": b'{"value":' + b"[" * 100_000,
    "NaN": b'{"value":NaN}',
    "a number": b'{"value":1}',
    "a value of 1 MB": b'{"value":"' + b"v" * 1_000_000 + b'"}',
    "surrogates": b'{"value":"\\ud800"}',
    "bytes": b"\xff" * 1000,
}


@pytest.mark.parametrize("says", MANIFESTS)
def test_a_manifest_that_is_none_is_refused_and_hurts_nobody_else(house: House, says: str) -> None:
    refused_meanwhile(house, "POST", "/api/v1/manifests", MANIFESTS[says], "application/yaml")


@pytest.mark.parametrize("says", VALUES)
def test_a_desired_value_that_is_none_is_refused_and_hurts_nobody_else(house: House, says: str) -> None:
    refused_meanwhile(house, "PUT", f"{DESIRED}/n", VALUES[says])


@pytest.mark.parametrize(
    "name", ["x" * 7000, "%00", "%1b%5b2J", "%E2%80%AE"], ids=["long", "NUL", "escape", "right to left"]
)
def test_a_property_that_cannot_be_is_refused_and_hurts_nobody_else(house: House, name: str) -> None:
    refused_meanwhile(house, "PUT", f"{DESIRED}/{name}", b'{"value":"1"}')
    refused_meanwhile(house, "PUT", f"/api/v1/devices/{name}/neighbour/desired/n", b'{"value":"1"}')


def refused_meanwhile(house: House, method: str, path: str, body: bytes, kind: str = "application/json") -> None:
    """The page refuses it with a reason, and the neighbour's updates are answered while it looks, and after."""
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(house.gateway.ask, method, path, body, kind)
        while not asked.done():
            began = time.monotonic()
            house.client.answers()
            assert time.monotonic() - began < 3.0 * crowding()
    status, told = asked.result()
    assert 400 <= status < 500, told
    assert told["detail"]
    assert len(told["detail"]) < 2000
    house.client.answers()


class Report(Struct, frozen=True):
    """What a mapper reports; `quiet` when strict mode tells nobody but MQTT, as EdgeCore."""

    twins: Sequence[tuple[str, str, dict[str, str]]] = (("k", "1", {}),)
    name: str = "neighbour"
    namespace: str = "default"
    quiet: bool = False


REPORTS = {
    "a name of 300 characters": Report(name="d" * 300),
    "a name with a slash": Report(name="a/b"),
    "a name of NUL": Report(name="\0"),
    "a namespace with a plus": Report(namespace="+"),
    "a key of 200 KB": Report([("k" * 200_000, "1", {})], quiet=True),
    "a value of 200 KB": Report([("k", "v" * 200_000, {})], quiet=True),
    "a type of 200 KB": Report([("type", "1", {"type": "t" * 200_000})], quiet=True),
    "no number": Report([("number", "NaN", {"type": "int"})], quiet=True),
    "10,000 twins": Report([(f"k{n}", "1", {}) for n in range(10_000)]),
    "one twin 15,000 times": Report([("k", "1", {})] * 15_000),
}
GARBAGE = {
    "ones": b"\xff" * 1000,
    "a length of 4 GB": b"\x0a\xff\xff\xff\xff\x0f",
    "groups in groups": b"\x0b" * 100_000,
    "half a sign": b"\x0a\x02\xed\xa0",
}


@pytest.mark.parametrize("says", REPORTS)
def test_a_report_that_cannot_be_is_refused_and_hurts_nobody_else(house: House, says: str) -> None:
    pytest.importorskip("grpc")
    from devices.dmi.wire import dmi_pb2 as pb

    report = REPORTS[says]
    request = pb.ReportDeviceStatusRequest(deviceName=report.name, deviceNamespace=report.namespace)
    for name, value, metadata in report.twins:
        twin = request.reportedDevice.twins.add(propertyName=name)
        twin.reported.value = value
        twin.reported.metadata.update(metadata)
        twin.observedDesired.value = ""
    code = called(house, "ReportDeviceStatus", request.SerializeToString())
    assert code == ("OK" if house.strict and report.quiet else "INVALID_ARGUMENT")
    house.client.answers()


@pytest.mark.parametrize("method", ["MapperRegister", "ReportDeviceStatus", "ReportDeviceStates"])
@pytest.mark.parametrize("says", GARBAGE)
def test_bytes_that_are_no_message_are_refused_and_hurt_nobody_else(house: House, says: str, method: str) -> None:
    pytest.importorskip("grpc")
    assert called(house, method, GARBAGE[says]) == "INVALID_ARGUMENT"
    house.client.answers()


def called(house: House, method: str, body: bytes) -> str:
    """The status that a mapper's call ends with."""
    import grpc

    with grpc.insecure_channel(f"unix:{house.gateway.folder}/dmi.sock") as channel:
        call = channel.unary_unary(f"/v1beta1.DeviceManagerService/{method}")
        try:
            call(body, timeout=DEADLINE)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def _connected(port: int, name: str, heard: queue.SimpleQueue[Heard] | None = None) -> paho.Client:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"bad-{name}", protocol=paho.MQTTv5)
    ready = threading.Event()
    if heard is None:
        client.on_connect = lambda *_: ready.set()
    else:
        client.on_connect = lambda *_: client.subscribe("$hw/#", options=SubscribeOptions(1, noLocal=True))
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _client, _data, m: heard.put((m.topic, json.loads(m.payload)))
    client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    properties = Properties(paho.PacketTypes.CONNECT)
    properties.ReceiveMaximum = 1000
    client.connect("127.0.0.1", port, properties=properties)
    client.loop_start()
    assert ready.wait(DEADLINE)
    return client
