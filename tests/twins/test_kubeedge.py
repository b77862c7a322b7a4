"""Bodies and topics as recorded from EdgeCore v1.23.1, with our own ids and values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.kubeedge import Reader, Writer
from twins.kubeedge.address import address
from twins.kubeedge.writer import ANSWER_LIMIT
from twins.stimuli import Asked, Joined, Listed, Refused, Seen, Updated
from twins.twin import Twins
from twins.values import PROPERTIES

NOW = 1_795_243_950_123_000
MS = NOW // 1000
D = "$hw/events/device/default/d1"


class Edge:
    """Reader, twins and writer joined: what goes in on a topic and what comes out."""

    def __init__(self, *, strict: bool = False, device: str = "default/d1") -> None:
        self.reader = Reader("n1", strict=strict)
        self.writer = Writer("n1", strict=strict)
        self.twins = Twins(strict=strict)
        self.twins.handle(Joined(device, "c", NOW, {}))

    def say(self, topic: str, body: object) -> list[tuple[str, Any]]:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        stimulus = self.reader.read(topic, payload, "c", NOW)
        if stimulus is None:
            return []
        out = [m for i in self.twins.handle(stimulus) for m in self.writer.write(i, NOW)]
        return [(topic, json.loads(payload)) for topic, payload in out]


def test_a_reported_value_is_answered_as_edgecore_does() -> None:
    edge = Edge()
    twin = {"temp": {"actual": {"value": "21"}, "metadata": {"type": "int"}}}
    out = edge.say(f"{D}/twin/update", {"event_id": "u-1", "timestamp": 1, "twin": twin})
    shown = {"actual": {"value": "21", "metadata": {"timestamp": MS}}, "optional": True, "metadata": {"type": "int"}}
    assert out == [
        (f"{D}/twin/update/result", {"event_id": "u-1", "timestamp": MS, "twin": {"temp": shown}}),
        (
            f"{D}/twin/update/document",
            {"event_id": "u-1", "timestamp": MS, "twin": {"temp": {"last": None, "current": shown}}},
        ),
    ]


@pytest.mark.parametrize("strict", [False, True])
def test_a_document_that_no_broker_would_take_comes_in_parts(strict: bool) -> None:
    edge = Edge(strict=strict)
    names = [f"p{n}" for n in range(PROPERTIES)]
    edge.say(f"{D}/twin/update", {"twin": {n: {"actual": {"value": "1"}} for n in names}})
    out = edge.say(f"{D}/twin/update", {"event_id": "e", "twin": {n: {"actual": {"value": "2"}} for n in names}})
    (_, result), *documents = out
    assert list(result["twin"]) == names
    assert [topic for topic, _ in documents] == [f"{D}/twin/update/document"] * 2
    assert [n for _, body in documents for n in body["twin"]] == names
    assert {body["event_id"] for _, body in documents} == {"e"}
    assert max(len(json.dumps(body)) for _, body in documents) <= ANSWER_LIMIT


def test_a_delta_that_no_broker_would_take_comes_in_parts() -> None:
    edge = Edge()
    names = [f"{n:0128}" for n in range(1500)]
    out: list[tuple[str, Any]] = []
    for part in (names[:750], names[750:]):
        out = edge.say(f"{D}/twin/update", {"twin": {n: {"expected": {"value": "v" * 160}} for n in part}})
    deltas = [body for topic, body in out if topic == f"{D}/twin/update/delta"]
    assert len(deltas) == 2
    assert [n for body in deltas for n in body["delta"]] == [n for body in deltas for n in body["twin"]] == names
    assert len({body["event_id"] for body in deltas}) == 1


def test_an_expected_value_brings_a_delta_with_a_fresh_id() -> None:
    edge = Edge()
    out = edge.say(f"{D}/twin/update", {"event_id": "e", "twin": {"sw": {"expected": {"value": "on"}}}})
    topic, body = out[2]
    assert topic == f"{D}/twin/update/delta"
    assert body["delta"] == {"sw": "on"}
    assert len(body["event_id"]) == 36
    assert edge.say(f"{D}/twin/update", {"event_id": "e2", "twin": {"sw": {"actual": {"value": "on"}}}})[2:] == []


def test_the_result_shows_only_the_touched_side() -> None:
    edge = Edge()
    edge.say(f"{D}/twin/update", {"event_id": "e", "twin": {"sw": {"expected": {"value": "on"}}}})
    out = edge.say(f"{D}/twin/update", {"event_id": "e2", "twin": {"sw": {"actual": {"value": "off"}}}})
    assert set(out[0][1]["twin"]["sw"]) == {"actual", "optional", "metadata"}


def test_twin_get_shows_both_sides_and_no_versions() -> None:
    edge = Edge()
    edge.say(
        f"{D}/twin/update", {"event_id": "e", "twin": {"sw": {"expected": {"value": "1"}, "actual": {"value": "2"}}}}
    )
    topic, body = edge.say(f"{D}/twin/get", {"event_id": "g"})[0]
    assert topic == f"{D}/twin/get/result"
    assert body["event_id"] == "g"
    assert set(body["twin"]["sw"]) == {"expected", "actual", "optional", "metadata"}


@pytest.mark.parametrize("namespace", ["dev", "d", "e", "n", "hw", "device", "events"])
def test_namespaces_that_edgecore_drops_are_answered(namespace: str) -> None:
    edge = Edge(device=f"{namespace}/d1")
    topic = f"$hw/events/device/{namespace}/d1/twin/get"
    assert edge.say(topic, {"event_id": "a"})[0][0] == f"{topic}/result"


def test_the_older_one_segment_form_is_answered_in_its_own_form() -> None:
    out = Edge().say("$hw/events/device/d1/twin/update", {"event_id": "a", "twin": {"t": {"actual": {"value": "1"}}}})
    assert out[0][0] == "$hw/events/device/d1/twin/update/result"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "Unmarshal update request body failed"),
        (b"", "Unmarshal update request body failed"),
        (b"[1]", "Unmarshal update request body failed"),
        (b"\xff\xfe", "Unmarshal update request body failed"),
        (b'{"twin":' * 5000, "Unmarshal update request body failed"),
        (b'{"event_id":"x","twin":{"t":{"actual":{"value":NaN}}}}', "Unmarshal update request body failed"),
        (b'{"event_id":"x","twin":{"t":{"actual":{"value":1e400}}}}', "Unmarshal update request body failed"),
        (b'{"event_id":"x"}', "Update twin error, key:twin does not exist"),
        (b'{"event_id":"x","twin":null}', "Update twin error, key:twin does not exist"),
        (b'{"event_id":"x","twin":{"bad key!":{"actual":{"value":"1"}}}}', "The key of twin must only include"),
        (b'{"event_id":"x","twin":{"' + b"k" * 129 + b'":{}}}', "The key of twin must only include"),
        (b'{"event_id":"x","twin":{"t":{"actual":{}}}}', "value is missing"),
        (b'{"event_id":"x","twin":{"t":{"actual":{"value":null}}}}', "value is missing"),
        (b'{"event_id":"x","twin":{"a":{}}}' + b" " * 300_000, "more than the 262144 allowed"),
    ],
)
def test_a_bad_body_is_answered_on_the_devices_own_topic(body: bytes, reason: str) -> None:
    topic, answer = Edge().say(f"{D}/twin/update", body)[0]
    assert topic == f"{D}/twin/update/result"
    assert answer["code"] == 400
    assert reason in answer["reason"]


def test_a_number_is_taken_for_its_text_by_default_and_refused_in_strict_mode() -> None:
    body = {"event_id": "x", "twin": {"t": {"actual": {"value": 21}}}}
    assert Edge().say(f"{D}/twin/update", body)[0][1]["twin"]["t"]["actual"]["value"] == "21"
    assert [t for t, _ in Edge(strict=True).say(f"{D}/twin/update", body)] == [
        f"{D}/twin/update/result",
        "$hw/events/device//twin/update/result",
    ]


def test_the_clouds_topic_is_refused_to_a_device() -> None:
    stimulus = Reader("n1").read(f"{D}/twin/cloud_updated", b'{"event_id":"x"}', "c", NOW)
    assert isinstance(stimulus, Refused)
    assert stimulus.code == 403


@pytest.mark.parametrize("count", [2**53 + 1, -(2**53) - 1, 2**63, 10**32])
def test_a_version_that_no_disk_could_count_on_from_is_refused(count: int) -> None:
    edge = Edge(strict=True)
    wish = {"expected": {"value": "1"}, "metadata": {"type": "string"}, "expected_version": {"cloud": count, "edge": 0}}
    assert edge.say(f"{D}/twin/cloud_updated", {"event_id": "e", "twin": {"a": wish}})[0][1]["code"] == 400
    assert edge.twins.encoded("default/d1")


def test_topics_of_nobody_are_silent() -> None:
    for topic in (f"{D}/twin/foo", f"{D}/updated", f"{D}/state/get", "$hw/events/device/a/b/c/twin/update", "x"):
        assert address(topic) is None


def test_requests_are_read_for_what_they_are() -> None:
    reader = Reader("n1")
    assert isinstance(reader.read(f"{D}/twin/get", b"{}", "c", NOW), Asked)
    state = reader.read(f"{D}/state/update", b'{"State":"online"}', "c", NOW)
    assert isinstance(state, Seen)
    assert state.state == "online"
    assert isinstance(reader.read("$hw/events/node/n1/membership/get", b"{}", "c", NOW), Listed)
    assert reader.read("$hw/events/node/other/membership/get", b"{}", "c", NOW) is None


def test_only_a_named_and_dated_message_can_be_a_repeat() -> None:
    reader = Reader("n1")
    named = reader.read(f"{D}/twin/update", b'{"event_id":"a","timestamp":5,"twin":{}}', "c", NOW, packet=1)
    again = reader.read(f"{D}/twin/update", b'{"event_id":"a","timestamp":5,"twin":{}}', "c", NOW, packet=2)
    assert isinstance(named, Updated)
    assert isinstance(again, Updated)
    assert named.repeats
    assert named.seq == again.seq
    nameless = reader.read(f"{D}/twin/update", b'{"timestamp":5,"twin":{}}', "c", NOW, packet=1)
    later = reader.read(f"{D}/twin/update", b'{"timestamp":5,"twin":{}}', "c", NOW, packet=2)
    assert isinstance(nameless, Updated)
    assert isinstance(later, Updated)
    assert not nameless.repeats
    assert nameless.seq != later.seq


@given(st.binary(max_size=200), st.sampled_from(["twin/update", "twin/get", "state/update", "twin/cloud_updated"]))
def test_whatever_comes_is_read_or_refused_and_never_raises(body: bytes, verb: str) -> None:
    edge = Edge()
    edge.say(f"{D}/{verb}", body)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["event_id", "timestamp", "twin", "state", "Twin", "State"]), json_values))
def test_any_json_is_read_or_refused_and_never_raises(body: dict[str, object]) -> None:
    edge = Edge()
    for verb in ("twin/update", "twin/get", "state/update"):
        edge.say(f"{D}/{verb}", body)


def test_bodies_in_other_letters_are_read_or_refused() -> None:
    assert Edge().say(f"{D}/twin/update", {"TWIN": {"T": {"ACTUAL": {"VALUE": "1"}}}})[0][1]["twin"].keys() == {"T"}
    for body in (b'{"Twin": [1]}', b'{"Twin":' + b'{"a":' * 900 + b"1" + b"}" * 901, b'{"Twin": null}'):
        assert Edge().say(f"{D}/twin/update", body)[0][1]["code"] == 400
    assert Edge().say(f"{D}/state/update", {"STATE": 5})[0][1]["code"] == 400


def test_more_properties_than_a_twin_may_have_are_refused_before_any_is_read() -> None:
    twin = {f"p{n}": {"actual": {"value": "1"}} for n in range(4097)}
    assert "more than the 4096" in Edge().say(f"{D}/twin/update", {"event_id": "e", "twin": twin})[0][1]["reason"]


def test_an_answer_that_no_broker_would_take_is_a_refusal_instead_of_silence() -> None:
    edge = Edge()
    for n in range(0, 4096, 256):
        twin = {f"{m:0>120}": {"actual": {"value": "1" * 24}, "expected": {"value": "2"}} for m in range(n, n + 256)}
        topic, answer = edge.say(f"{D}/twin/update", {"event_id": "e", "twin": twin})[0]
        assert len(answer["twin"]) == 256
    topic, answer = edge.say(f"{D}/twin/get", {"event_id": "g"})[0]
    assert (topic, answer["event_id"], answer["code"]) == (f"{D}/twin/get/result", "g", 400)
    assert "more than the 1000000 of one message" in answer["reason"]
