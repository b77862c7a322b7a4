from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.mqtt.events import LIMIT, Said, decode, encode, other
from cloud.mqtt.topics import Place, Topics
from cloud.mqtt.wishes import requested
from twins.errors import Rejected

NOON = 1_795_262_400_123_456


def test_an_event_has_the_attributes_that_cloudevents_require() -> None:
    event = json.loads(encode("devices", "/gemelo/edge-1", {"a": 1}, NOON, subject="default/d1", cause="mqtt:1:2"))
    assert event.pop("id")
    assert event == {
        "specversion": "1.0",
        "type": "dev.gemelo.devices.v1",
        "source": "/gemelo/edge-1",
        "time": "2026-11-21T12:00:00.123Z",
        "subject": "default/d1",
        "cause": "mqtt:1:2",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }


def test_the_same_data_have_the_same_id_whenever_they_are_sent() -> None:
    ids = [json.loads(encode("devices", "/n", data, at))["id"] for data, at in (({}, 1), ({}, 2), ({"a": 1}, 1))]
    assert ids[0] == ids[1] != ids[2]


def test_an_event_is_understood_in_structured_mode_in_binary_mode_and_as_bare_data() -> None:
    data = b'{"version": 1}'
    whole = json.dumps({"specversion": "1.0", "id": "i", "type": "t", "source": "s", "data": {"version": 1}}).encode()
    assert decode(whole) == Said(data, "i")
    assert decode(data, [("specversion", "1.0"), ("id", "i"), ("type", "t")]) == Said(data, "i")
    assert decode(data) == Said(data)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"x", "no JSON object"),
        (b"{", "no CloudEvent and no JSON object"),
        (b'{"specversion": "1.0", "data_base64": "e30="}', "data_base64 is not read"),
        (b'{"specversion": "0.3", "data": {}}', "CloudEvents 1.0"),
        (b"{" + b" " * LIMIT, f"more than the {LIMIT}"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(payload: bytes, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        decode(payload)


def test_values_are_texts_numbers_and_truths() -> None:
    said = Said(b'{"version": 1, "properties": {"a": "x", "b": 1.50, "c": true, "d": 12345678901, "e": null, "f": ""}}')
    values = requested(Place("desired", "default/d1"), said, "c", 1).desired
    assert values == {"a": "x", "b": "1.5", "c": "true", "d": "12345678901", "e": None, "f": None}


def test_topics_lead_to_what_they_are_about() -> None:
    topics = Topics("acme/gemelo", "edge-1")
    root = "acme/gemelo/edge-1"
    assert topics.place(f"{root}/twins/plant/pump/desired") == Place("desired", "plant/pump")
    assert topics.place(f"{root}/manifests/devicemodels/plant/pump") == Place("manifest", "plant/pump", "DeviceModel")
    assert topics.place(f"{root}/get") == Place("get")
    for topic in (f"{root}/twins/plant/pump", f"{root}/manifests/nodes/plant/pump", "acme/gemelo/edge-2/get"):
        with pytest.raises(Rejected):
            topics.place(topic)


def test_a_rival_is_another_run_of_the_same_node_that_is_there() -> None:
    def state(run: str, *, online: bool) -> bytes:
        return encode("node", "/n", {"online": online, "since": 1, "run": run}, 1)

    assert other(state("b", online=True), "a") is not None
    assert not other(state("a", online=True), "a")
    assert not other(state("b", online=False), "a")
    assert not other(b"nonsense", "a")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: b'{"specversion": "1.0", "data": ' + t.encode()))
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    with suppress(Rejected):
        requested(Place("desired", "default/d1"), decode(payload), "c", 1)
