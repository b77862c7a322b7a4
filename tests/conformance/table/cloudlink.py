"""The cloud's link: what CloudHub and this gateway say to each other."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise

from tests.conformance.likeness import ANY, NOW, UUID, Text
from tests.conformance.sky import HEARTBEAT
from tests.conformance.skycases import Case, Thing, frame, is_like
from tests.simulator.raw_edge import certificate, connected

KINDS = ("configmap", "secret", "pod", "node", "rule", "service", "endpoints", "ruleendpoint", "event")


def reports(thing: Thing) -> None:
    thing.join()
    thing.sky.begin()
    thing.says(temp="21")
    thing.sky.until(lambda: thing.reports())
    side = {"value": "21", "metadata": {"timestamp": NOW}}
    twin = {
        "actual": side,
        "optional": True,
        "metadata": {"type": "string"},
        "actual_version": {"cloud": 0, "edge": 1},
    }
    content = {"event_id": ANY, "timestamp": NOW, "twin": {"temp": twin}}
    is_like(thing.reports()[0], frame("update", thing.report, content, "twin", "resource"))


def greets(thing: Thing) -> None:
    sky = thing.sky
    sky.restart()
    sky.until(lambda: len(sky.lines("keepalive")) >= 4)
    (link,) = sky.lines("connected")
    assert link["path"] == f"/{link['project']}/n1/events"
    beats = sky.lines("keepalive")
    is_like(beats[0], frame("keepalive", "node", "ping", "websocket", "resource"))
    assert beats[0]["time"] - link["time"] < 1_000_000
    for one, other in pairwise(beats):
        assert 0.5 * HEARTBEAT < (other["time"] - one["time"]) / 1e6 < 3 * HEARTBEAT


def falls_silent(thing: Thing) -> None:
    sky = thing.sky
    sky.until(lambda: sky.lines("disconnected"))
    began, ended = sky.lines("connected")[0]["time"], sky.lines("disconnected")[0]["time"]
    assert 0.5 <= (ended - began) / 1e6 < 3.0
    sky.until(lambda: len(sky.lines("connected")) > 1)


def asks_once(thing: Thing) -> None:
    sky = thing.sky
    sky.cut()
    sky.begin()
    sky.mend()
    sky.until(lambda: len(sky.lines("keepalive")) > 2)
    (asked,) = sky.up("membership/detail")
    body = {
        "event_type": "group_membership_event",
        "event_id": UUID,
        "group_id": "n1",
        "operation": "detail",
        "timestamp": NOW,
    }
    is_like(asked, frame("get", "membership/detail", Text(body), "twin", "resource"))


def acknowledges(thing: Thing) -> None:
    sky = thing.sky
    thing.apply_model()
    content = manifest(thing, "7")
    id_ = sky.deliver("insert", thing.object, content, version="7", uid=f"u-{thing.name}")
    sky.until(lambda: sky.acknowledged(thing.object))
    (line,) = sky.up(thing.object)
    is_like(line, frame("response", thing.object, "OK", "devicecontroller", "resource", parent=True))
    assert line["header"]["parent_msg_id"] == id_


def knows_a_repeat(thing: Thing) -> None:
    sky = thing.sky
    thing.apply_model()
    sky.deliver("insert", f"default/devicemodel/{thing.model}", model(thing, "6"), version="6", uid=f"m-{thing.name}")
    for times in (1, 2):
        sky.deliver("insert", thing.object, manifest(thing, "7"), version="7", uid=f"u-{thing.name}")
        sky.until(lambda n=times: sky.acknowledged(thing.object) == n)
    sky.barrier()
    assert thing.membership("added") == 1


def ignores_the_past(thing: Thing) -> None:
    sky = thing.sky
    sky.deliver("insert", f"default/devicemodel/{thing.model}", model(thing, "6"), version="6", uid=f"m-{thing.name}")
    for version, value in (("9", "new"), ("8", "old")):
        content = manifest(thing, version, value)
        sky.deliver("update", thing.object, content, version=version, uid=f"u-{thing.name}")
        sky.until(lambda v=version: sky.acknowledged(thing.object) == (1 if v == "9" else 2))
    assert sky.desired(thing.id, "sw") == "new"
    found = sky.status()
    assert found["counters"]["ignored"] == 1
    assert [found["older"][f"Device {thing.id}"][key] for key in ("ours", "said")] == ["9", "8"]


def acknowledges_all_kinds(thing: Thing) -> None:
    sky = thing.sky
    for kind in KINDS:
        for operation in ("insert", "update", "delete"):
            resource = f"default/{kind}/{thing.name}-{operation}"
            content = "für sich" if operation == "delete" else {"any": "thing"}  # whatever it holds
            sky.deliver(operation, resource, content, version="1", uid=resource, source="edgecontroller")
    sky.until(
        lambda: len([1 for k in KINDS for line in sky.lines("acknowledged") if f"/{k}/" in _resource(line)]) == 27
    )


def waits_for_the_disk(thing: Thing) -> None:
    sky = thing.sky
    thing.apply_model()
    with sky.disk_away():
        thing.apply()
        sky.until(lambda: len(sky.lines("keepalive")) > 3)  # it was sent, and sent again
        assert sky.acknowledged(thing.object) == 0
    sky.until(lambda: sky.acknowledged(thing.object))
    sky.until(lambda: sky.twin(thing.id))


def takes_a_confirmation(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    thing.says(temp="1")
    sky.until(thing.confirmed)
    before = len(thing.reports())
    sky.begin()
    sky.tell("devicecontroller", "twin", "response", "twin", "OK")  # to nobody: it is no question
    sky.barrier()
    assert [line for line in sky.up("twin") if line["route"]["operation"] == "response"] == []
    assert (before, len(thing.reports())) == (2, 0)


def keeps_what_is_not_declared(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    thing.says(temp="1", ghost="2")
    sky.until(lambda: thing.status() == {"temp": "1"})
    assert thing.values("ghost") == []
    assert sky.status()["undeclared"][thing.id] == ("ghost",)


def outwits_the_first_loss(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    thing.says(temp="1")
    sky.until(lambda: thing.status() == {"temp": "1"})
    sky.until(lambda: thing.values("temp") == ["1", "1"])  # it is written down after it is stored
    assert [line["lost"] for line in thing.reports()] == [["temp"], []]
    sky.until(thing.confirmed)
    thing.says(temp="2")
    sky.until(lambda: thing.status() == {"temp": "2"})
    sky.until(lambda: thing.values("temp") == ["1", "1", "2"])


def hears_what_it_missed(thing: Thing) -> None:
    sky = thing.sky
    thing.join(sw="off")
    sky.cut()
    sky.begin()
    thing.desire(sw="on")
    sky.mend()
    sky.until(lambda: sky.acknowledged(thing.object))
    assert [line["route"]["source"] for line in sky.up(thing.object)] == ["edgecontroller"]
    sky.until(lambda: sky.said(f"{thing.topic}/twin/update/delta"))
    assert sky.said(f"{thing.topic}/twin/update/delta")[-1]["delta"] == {"sw": "on"}


def loses_what_was_deleted(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    sky.cut()
    sky.begin()
    thing.delete()
    sky.mend()
    sky.until(lambda: sky.acknowledged(thing.object))
    sky.until(lambda: thing.membership("removed") == 1)
    assert sky.twin(thing.id) is None


def sends_the_last(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    thing.says(temp="0", sw="a")
    sky.until(thing.confirmed)
    sky.cut()
    sky.begin()
    for value in ("1", "2", "3"):
        thing.says(temp=value)
    sky.until(lambda: len(sky.said(f"{thing.topic}/twin/update/result")) == 3)
    sky.mend()
    sky.until(lambda: thing.status() == {"temp": "3", "sw": "a"})
    sky.until(thing.confirmed)
    assert thing.values("temp") == ["3"]
    assert thing.values("sw") == []


def holds_back(thing: Thing) -> None:
    """60 devices in their first report: 120 messages at a rate of 60 and a burst of 50."""
    sky = thing.sky
    things = [thing, *(Thing(sky, 1000 + n) for n in range(59))]
    thing.apply_model()
    for one in things:
        one.model = thing.model
        one.apply()
    sky.until(lambda: sky.status()["devices"] == len(things))
    sky.until(lambda: not sky.status()["pending"])
    sky.begin()
    for one in things:
        one.says(temp="1")
    sky.until(lambda: all(one.confirmed() for one in things))
    times = [line["time"] for line in sky.lines("confirmed")]
    assert len(times) >= 2 * len(things)
    for index, start in enumerate(times):
        for more, end in enumerate(times[index:], 1):
            assert more <= 50 + 60 * ((end - start) / 1e6 + 0.1)


def gives_way(thing: Thing) -> None:
    sky = thing.sky

    async def push_out() -> None:
        context = await certificate(sky.cloud, "n1", sky.folder)
        for _ in range(4):
            while sky.cloud.controller.sessions.get("n1") in (None, *pushed):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)
            async with connected(sky.cloud, context, "n1"):
                pushed.append(sky.cloud.controller.sessions["n1"])

    pushed: list[object] = []
    sky.call(push_out())
    sky.until(lambda: sky.status()["rival"])
    assert "a second node of this name" in sky.status()["reason"]
    links = sky.status()["counters"]["links"]
    sky.until(lambda: any(e.kind == "security" for e in sky.gateway._console.snapshot().events))
    assert sky.status()["counters"]["links"] == links


def reads_text_for_an_object(thing: Thing) -> None:
    sky = thing.sky
    sky.deliver("insert", f"default/devicemodel/{thing.model}", json.dumps(model(thing, "6")), version="6", uid="t-m")
    sky.deliver("insert", thing.object, json.dumps(manifest(thing, "7", "on")), version="7", uid=f"u-{thing.name}")
    sky.until(lambda: sky.desired(thing.id, "sw") == "on")


def is_not_told_of_labels(thing: Thing) -> None:
    """Only the comparison sends the object, for its version; here it changes nothing."""
    sky = thing.sky
    thing.join(sw="on")
    sky.barrier()
    sky.begin()
    thing.apply(labels={"colour": "red"}, sw="on")
    sky.until(lambda: sky.acknowledged(thing.object))
    sky.barrier()
    assert [line["route"]["source"] for line in sky.up(thing.object)] == ["edgecontroller"]
    assert [one.topic for one in sky.heard if thing.name in one.topic or "membership" in one.topic] == []


def moves_away(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    sky.begin()
    thing.apply(node="n2")
    sky.until(lambda: sky.acknowledged(thing.object) and sky.acknowledged(f"default/devicemodel/{thing.model}"))
    sky.until(lambda: thing.membership("removed") == 1)
    assert sky.twin(thing.id) is None


def hears_of_a_model_with_its_device(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    sky.do(lambda cloud: cloud.controller.reconcile())
    sky.begin()
    before = sky.twin(thing.id).declared["temp"].maximum
    thing.apply_model(temp="30")
    thing.desire(sw="on")
    sky.until(lambda: sky.twin(thing.id).declared["temp"].maximum == 30.0)
    assert before is None
    sky.until(lambda: sky.acknowledged(f"default/devicemodel/{thing.model}") and sky.acknowledged(thing.object))


def answers_a_ping(thing: Thing) -> None:
    sky = thing.sky
    id_ = sky.tell("", "", "ping", "node", "ping")
    sky.until(lambda: [one for one in sky.lines() if one.get("header", {}).get("parent_msg_id") == id_])
    (line,) = [one for one in sky.lines() if one.get("header", {}).get("parent_msg_id") == id_]
    assert (line["route"]["operation"], line["content"]) == ("response", "ack")


def manifest(thing: Thing, version: str, sw: str = "") -> dict[str, object]:
    one: dict[str, object] = {"name": "sw"} | ({"desired": {"value": sw}} if sw else {})
    spec = {"deviceModelRef": {"name": thing.model}, "nodeName": "n1", "properties": [one]}
    return {"kind": "Device", "metadata": _meta(thing.name, f"u-{thing.name}", version), "spec": spec}


def model(thing: Thing, version: str) -> dict[str, object]:
    spec = {"protocol": "p", "properties": [{"name": "sw", "type": "STRING", "accessMode": "ReadWrite"}]}
    return {"kind": "DeviceModel", "metadata": _meta(thing.model, f"m-{thing.name}", version), "spec": spec}


def _meta(name: str, uid: str, version: str) -> dict[str, str]:
    made = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    return {"name": name, "namespace": "default", "uid": uid, "resourceVersion": version, "creationTimestamp": made}


def _resource(line: dict[str, object]) -> str:
    route = line["route"]
    return str(route["resource"]) if isinstance(route, dict) else ""


CASES = [
    Case("CLD-01", "a report of a property, as EdgeCore words it", reports),
    Case("CLD-02", "the upgrade, and a sign of life at once and then each heartbeat", greets),
    Case(
        "CLD-03",
        "without a sign of life the cloud hangs up, and we come back",
        falls_silent,
        options={"keepalive": 0.5, "section": "heartbeat = 60.0", "patient": True},
    ),
    Case("CLD-04", "the whole list of members is asked for once a connection", asks_once),
    Case("CLD-05", "an object is acknowledged by the id of its message", acknowledges),
    Case("CLD-06", "the same object again is acknowledged again, and has no second effect", knows_a_repeat),
    Case("CLD-07", "an older object is acknowledged and ignored", ignores_the_past),
    Case("CLD-08", "objects of every kind are acknowledged", acknowledges_all_kinds),
    Case("CLD-09", "what is not on our disk is not acknowledged, and comes again", waits_for_the_disk),
    Case("CLD-10", "a confirmation is taken, and not answered", takes_a_confirmation),
    Case("CLD-11", "what the cloud does not declare is not sent, and shown", keeps_what_is_not_declared),
    Case("CLD-12", "the first report of a property is sent twice, as the cloud loses it", outwits_the_first_loss),
    Case("CLD-13", "what was desired while we were away makes a delta", hears_what_it_missed),
    Case("CLD-14", "what was deleted while we were away leaves", loses_what_was_deleted),
    Case("CLD-15", "of what was reported while we were away the last value is sent, once", sends_the_last),
    Case("CLD-16", "many reports at once keep to the rate", holds_back, options={"section": "rate = 60.0"}),
    Case("CLD-17", "a second node of our name is noticed and given way to", gives_way, options={"patient": True}),
    Case("CLD-18", "an object as a text is read", reads_text_for_an_object),
    Case("CLD-19", "other labels are no news", is_not_told_of_labels),
    Case("CLD-20", "a device that goes to another node leaves", moves_away),
    Case("CLD-21", "a changed model comes with its device", hears_of_a_model_with_its_device),
    Case("CLD-22", "the transport's ping is answered", answers_a_ping),
]
