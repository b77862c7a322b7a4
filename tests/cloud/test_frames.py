"""Every recorded frame of the real EdgeCore and CloudCore is read, and ours have their shape."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from cloud import frames
from cloud.manifest import read
from cloud.messages import Answered, Members, Object, Other, Ping, TwinUpdate
from twins.errors import Rejected

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "frames.jsonl").read_text().splitlines()]
FROM_CLOUD = [one["frame"] for one in RECORDED if one["from"] in ("cloud", "injected")]
FROM_EDGE = [one["frame"] for one in RECORDED if one["from"] == "edge"]


def edge_frame(operation: str, resource: str) -> dict:
    for text in FROM_EDGE:
        frame = json.loads(text)
        if frame["route"]["operation"] == operation and frame["route"]["resource"] == resource:
            return frame
    raise AssertionError(resource)


@pytest.mark.parametrize("text", FROM_CLOUD)
def test_every_recorded_frame_of_the_cloud_is_understood(text):
    said = frames.decode(text)
    route = json.loads(text)["route"]
    if route["group"] == "resource":
        assert isinstance(said, Object)
        assert said.resource == route["resource"]
        assert f"{said.namespace}/{said.kind}/{said.name}" == route["resource"]
        assert json.loads(said.content)["metadata"]["name"] == said.name
    elif route["resource"] in ("membership", "membership/detail"):
        assert isinstance(said, Members)
    elif route["resource"].endswith("/twin/cloud_updated"):
        assert said == TwinUpdate("default/thermo1", frames.decode(text).content)
    elif route["resource"] == "twin":
        assert isinstance(said, Answered)
        assert said.ok
    else:
        assert isinstance(said, Other)


@pytest.mark.parametrize("text", FROM_EDGE)
def test_every_recorded_frame_of_the_edge_is_a_message_too(text):
    frames.decode(text)


def test_content_is_understood_as_object_as_string_and_as_base64():
    inner = '{"metadata":{"name":"d1"}}'
    route = {"source": "s", "group": "resource", "operation": "update", "resource": "default/device/d1"}
    for content in (json.loads(inner), inner, base64.b64encode(inner.encode()).decode()):
        said = frames.decode(json.dumps({"header": {"msg_id": "m"}, "route": route, "content": content}))
        assert isinstance(said, Object)
        assert json.loads(said.content) == json.loads(inner)


def test_what_is_no_message_is_rejected_with_the_reason():
    with pytest.raises(Rejected, match="not a message"):
        frames.decode('{"header": 5}')


@pytest.mark.parametrize(
    "content",
    [
        '"übersetzt"',
        '"\\ud800"',
        '"/w=="',
        '{"metadata":{"name":"\xff"}}',
        "[" * 5000 + "]" * 5000,
        "5",
        '""',
        '"\xff"',
    ],
)
def test_an_object_is_an_object_whatever_its_content_is_so_that_it_can_be_acknowledged_or_else_no_message(content):
    """No error of a parser may get out: it would end the gateway, and the cloud would send the same again."""
    head = '{"header":{"msg_id":"m"},"route":{"group":"%s","operation":"update","resource":"%s"},"content":'
    for group, resource in (
        ("resource", "default/device/d1"),
        ("resource", "default/configmap/c"),
        ("twin", "membership"),
    ):
        text = head % (group, resource) + content + "}"
        for data in (text, text.encode("latin-1")):
            try:
                said = frames.decode(data)
                if isinstance(said, Object):
                    assert (said.id, said.resource) == ("m", resource)
                    read(said, "Device")
            except Rejected:
                pass


def test_an_object_that_is_nested_too_deeply_is_left_alone_by_name():
    deep = "[" * 5000 + "]" * 5000
    text = (
        '{"header":{"msg_id":"m"},"route":{"source":"s","group":"resource","operation":"update",'
        f'"resource":"default/device/d1"}},"content":{{"metadata":{{"name":"d1"}},"spec":{deep}}}}}'
    )
    said = frames.decode(text)
    assert isinstance(said, Object)
    with pytest.raises(Rejected, match="default/d1 from the cloud cannot be read"):
        read(said, "Device")


def test_an_error_answer_is_an_answer_that_is_not_ok():
    text = '{"header":{"msg_id":"a","parent_msg_id":"b"},"route":{"operation":"error"},"content":"no"}'
    assert frames.decode(text) == Answered("b", False, b'"no"')


def test_our_keepalive_is_edgecores_byte_for_byte():
    recorded = next(text for text in FROM_EDGE if '"keepalive"' in text)
    header = json.loads(recorded)["header"]
    assert frames.keepalive(header["msg_id"], header["timestamp"]).decode() == recorded + "\n"


def test_our_acknowledgement_has_the_shape_of_edgecores():
    update = next(text for text in FROM_CLOUD if '"operation":"update","resource":"default/device/thermo1"' in text)
    said = frames.decode(update)
    assert isinstance(said, Object)
    recorded = next(text for text in FROM_EDGE if f'"parent_msg_id":"{said.id}"' in text)
    header = json.loads(recorded)["header"]
    assert frames.acknowledge(said, header["msg_id"], header["timestamp"]).decode() == recorded + "\n"


def test_our_membership_question_is_edgecores_byte_for_byte():
    recorded = edge_frame("get", "membership/detail")
    ours = json.loads(frames.detail("edge-node", "m", 1))
    assert ours["route"] == recorded["route"]
    assert list(json.loads(ours["content"])) == list(json.loads(recorded["content"]))


def test_our_reports_travel_as_edgecores_do():
    twin = edge_frame("update", "device/default/thermo1/twin/edge_updated")
    ours = json.loads(frames.twin_report("default/thermo1", json.dumps(twin["content"]).encode(), "m", 1))
    assert ours["route"] == twin["route"]
    assert ours["content"] == twin["content"]
    state = edge_frame("update", "device/default/thermo1/state/update")
    ours = json.loads(frames.state_report("default/thermo1", state["content"].encode(), "m", 1))
    assert (ours["route"], ours["content"]) == (state["route"], state["content"])


def test_a_ping_is_answered_with_ack():
    ping = frames.decode('{"header":{"msg_id":"p"},"route":{"operation":"ping","resource":"x"},"content":""}')
    assert isinstance(ping, Ping)
    answer = json.loads(frames.pong(ping, "m", 1))
    assert answer["content"] == "ack"
    assert answer["header"]["parent_msg_id"] == "p"
