"""The table of the twin protocol: what is said, and what the gateway answers in each mode. Read by `test_protocol.py`.

Words that stand for something: `$D` the topics of the case's device and `$S` their older form without a namespace,
`$ID` its id, `$NAME` its name; the same with a 2 for a second device, which is no member; `$NODE` the topics of the
node; `$VOID` where EdgeCore answers nobody. Every case runs in both modes, with requests at QoS 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from tests.conformance.likeness import ANY, NOW, TIME, UUID, Text, starts
from tests.conformance.stage import HEARTBEAT, Stage
from twins.stimuli import Seen
from twins.values import Property, Version

Said = tuple[str, object]
"""Topic (or, upward, resource) and body."""
Check = Callable[[Stage, str], None]


class Say(Struct, frozen=True):
    """Somebody publishes."""

    topic: str
    body: object


class FromCloud(Struct, frozen=True):
    """A message comes from the cloud."""

    resource: str
    content: object
    group: str = "twin"
    operation: str = "update"
    source: str = "devicecontroller"


class Do(Struct, frozen=True):
    """Something else happens to the gateway; `what` gets the device's id."""

    what: Check


class Ago(Struct, frozen=True):
    """In a body: the time so many seconds before the case began, in milliseconds."""

    seconds: int


Step = Say | FromCloud | Do


class Case(Struct, frozen=True):
    """`then` is what the gateway publishes, all of it and in this order; `up` what it sends to the cloud, if asked.

    `strict` and `default` take the place of `then` where the modes differ, and likewise for `up`. A `device` is a
    member, or one that the cloud manages with these properties, or absent.
    """

    id: str
    says: str
    when: tuple[Step, ...]
    then: tuple[Said, ...] = ()
    given: tuple[Step, ...] = ()
    strict: tuple[Said, ...] | None = None
    default: tuple[Said, ...] | None = None
    up: tuple[Said, ...] | None = None
    up_strict: tuple[Said, ...] | None = None
    device: Literal["member", "absent"] | tuple[str, ...] = "member"
    namespace: str = "default"
    node: str = "n1"
    check: Check | None = None
    variant: str = ""


# -- what is said ------------------------------------------------------------------------------------------------------


def update(twin: object, event: str = "e", **more: object) -> Say:
    return Say("$D/twin/update", {"event_id": event, **more, "twin": twin})


def report(event: str = "e", **values: str) -> Say:
    return update({name: {"actual": {"value": value}} for name, value in values.items()}, event)


def desire(event: str = "e", **values: str) -> Say:
    return update({name: {"expected": {"value": value}} for name, value in values.items()}, event)


def typed(kind: str, value: str, event: str = "e", name: str = "k") -> Say:
    return update({name: {"actual": {"value": value}, "metadata": {"type": kind}}}, event)


def get(event: str = "g", topic: str = "$D") -> Say:
    return Say(f"{topic}/twin/get", {"event_id": event})


def state(said: object, event: str = "e") -> Say:
    return Say("$D/state/update", {"event_id": event, "state": said})


def roster(event: str = "m") -> Say:
    return Say("$NODE/membership/get", {"event_id": event})


def wish(event: str = "c", **twins: object) -> FromCloud:
    return FromCloud("device/$ID/twin/cloud_updated", {"event_id": event, "twin": twins})


def wanted(value: str, cloud: int | None = None, edge: int = 0, kind: str | None = "string") -> dict[str, object]:
    said: dict[str, object] = {"expected": {"value": value}}
    if kind is not None:
        said["metadata"] = {"type": kind}
    return said if cloud is None else {**said, "expected_version": {"cloud": cloud, "edge": edge}}


def members(added: object = None, removed: object = None) -> FromCloud:
    body = {"event_id": "x", "timestamp": 1, "added_devices": added, "removed_devices": removed}
    return FromCloud("membership", body)


# -- what comes --------------------------------------------------------------------------------------------------------


def side(value: str) -> dict[str, object]:
    return {"value": value, "metadata": {"timestamp": NOW}}


def twin(
    actual: str | None = None, expected: str | None = None, kind: str = "string", optional: bool = True
) -> dict[str, object]:
    said: dict[str, object] = {"optional": optional, "metadata": {"type": kind}}
    if actual is not None:
        said["actual"] = side(actual)
    return said if expected is None else {**said, "expected": side(expected)}


def result(event: str = "e", topic: str = "$D", **twins: object) -> Said:
    return f"{topic}/twin/update/result", {"event_id": event, "timestamp": NOW, "twin": twins}


def document(event: str = "e", topic: str = "$D", **changes: tuple[object, object]) -> Said:
    shown = {name: {"last": last, "current": current} for name, (last, current) in changes.items()}
    return f"{topic}/twin/update/document", {"event_id": event, "timestamp": NOW, "twin": shown}


def delta(differing: dict[str, str], topic: str = "$D", **twins: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "twin": twins, "delta": differing}
    return f"{topic}/twin/update/delta", body


def got(event: str = "g", topic: str = "$D", **twins: object) -> Said:
    return f"{topic}/twin/get/result", {"event_id": event, "timestamp": NOW, "twin": twins}


def refused(code: int, reason: object, event: str = "e", topic: str = "$D/twin/update/result") -> Said:
    return topic, {"event_id": event, "timestamp": NOW, "code": code, "reason": reason}


def early(reason: object) -> tuple[Said, ...]:
    """What strict mode answers to a body that EdgeCore refuses before it knows who asks."""
    return refused(400, reason, ""), refused(400, reason, "", "$VOID")


def new(event: str = "e", **twins: object) -> tuple[Said, ...]:
    """The answers to an update that makes new properties."""
    return result(event, **twins), document(event, **{name: (None, one) for name, one in twins.items()})


def answered(said: str, event: object = "e", online: bool = True) -> Said:
    device: dict[str, object] = {"name": "$NAME", "state": said}
    if online:
        device["lastOnlineTime"] = TIME
    return "$D/state/update/result", {"event_id": event, "timestamp": NOW, "device": device}


def listed(*devices: object, event: str = "m") -> Said:
    return "$NODE/membership/get/result", {"event_id": event, "timestamp": NOW, "devices": list(devices)}


def joined(device: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "added_devices": [device], "removed_devices": None}
    return "$NODE/membership/updated", body


def left(device: object) -> Said:
    body = {"event_id": UUID, "timestamp": NOW, "added_devices": None, "removed_devices": [device]}
    return "$NODE/membership/updated", body


def edge(**twins: object) -> Said:
    """A report upward."""
    return "device/$ID/twin/edge_updated", {"event_id": ANY, "timestamp": NOW, "twin": twins}


def versioned(
    shown: dict[str, object], actual: tuple[int, int] | None = None, expected: tuple[int, int] | None = None
) -> dict[str, object]:
    """A property in a report, with the version pairs (cloud, edge) of its sides."""
    pairs = {"actual_version": actual, "expected_version": expected}
    return shown | {key: {"cloud": pair[0], "edge": pair[1]} for key, pair in pairs.items() if pair is not None}


# -- what must be so afterwards ----------------------------------------------------------------------------------------


def the(stage: Stage, device: str, name: str) -> Property:
    found = stage.twins.get(device)
    assert found is not None
    return found.properties[name]


def version_of(side_: Literal["reported", "desired"], name: str, edge: int, cloud: int = 0) -> Check:
    def check(stage: Stage, device: str) -> None:
        value = getattr(the(stage, device, name), side_)
        assert value is not None
        assert value.version == Version(edge, cloud)

    return check


def version_by_mode(name: str, strict: int, default: int) -> Check:
    def check(stage: Stage, device: str) -> None:
        version_of("reported", name, strict if stage.strict else default)(stage, device)

    return check


def point_times(*ago: int | None) -> Check:
    """The points of the device's `temp`: so many seconds before the case began, `None` when it arrived."""

    def check(stage: Stage, device: str) -> None:
        began, now = stage.began, stage.clock.now()
        times = [p.at for p in stage.points if p.series == f"{device}/temp"]
        assert len(times) == len(ago)
        for at, seconds in zip(times, ago, strict=True):
            if seconds is None:
                assert began <= at <= now
            else:
                assert at == (began // 1000 - seconds * 1000) * 1000

    return check


def intrusion_told(stage: Stage, device: str) -> None:
    told = [event for event in stage.events if event.object == device and event.kind == "security"]
    assert len(told) == (0 if stage.strict else 1)


def no_device(name: str) -> Check:
    return lambda stage, device: _absent(stage, device.replace(device.partition("/")[2], name))


def _absent(stage: Stage, device: str) -> None:
    assert stage.twins.get(device) is None


def hours_pass(stage: Stage, device: str) -> None:
    stage.clock.pass_over(3 * 3600)


def heartbeat_passes(stage: Stage, device: str) -> None:
    stage.clock.pass_over(HEARTBEAT + 1)


def watchdog_speaks(stage: Stage, device: str) -> None:
    """What liveness offers in default mode; EdgeCore has no such thing."""
    if not stage.strict:
        stage.ask(Seen(device, "watchdog:1:1", stage.clock.now(), "unknown", reason="silent for 3 h"))


def starts_anew(stage: Stage, device: str) -> None:
    stage.restart()


def disk_fails_for_a_while(stage: Stage, device: str) -> None:
    """While the database takes nothing the update is decided, and nobody hears of it."""
    topic = f"$hw/events/device/{device}/twin/update"
    stage.heard()
    with stage.disk_away():
        stage.say(topic, {"event_id": "e", "twin": {"temp": {"actual": {"value": "22"}}}})
        stage.decided(device, "temp", "22")
        assert stage.undisturbed() == []


BAD_BODY = "Unmarshal update request body failed, please check the request"
NO_TWIN = "Update twin error, key:twin does not exist"
BAD_KEY = starts("The key of twin must only include upper or lowercase letters")
BAD_VALUE = (
    "The value of twin must only include upper or lowercase letters, number, english, and special letter "
    "- _ . , : / @ # and the length of value should be less than 512 bytes"
)
NOT_INT, NOT_FLOAT = "the value is not int or integer", "the value is not float"
NOT_BOOL, NO_TYPE = "the bool value must be true or false", "the value type is not allowed"
NOT_MEMBER = "update rejected due to the device is not existed"
ME = {"id": "$ID", "name": "$NAME"}
ME2 = {"id": "$ID2", "name": "$NAME2"}
SYNCED = (wish(sw=wanted("cloud", 1, 0)), desire(sw="mine"))
"""`sw` is desired by the edge, at {cloud 1, edge 1}."""
MINE = edge(sw=versioned(twin(expected="mine"), expected=(1, 1)))

TOPICS = [
    Case("TOP-01", "a get is answered", (get("a"),), (got("a"),)),
    Case("TOP-02", "a namespace that EdgeCore trips over", (get("a"),), (got("a"),), namespace="dev"),
    *(
        Case("TOP-03", "and its like", (get("a"),), (got("a"),), namespace=name, variant=name)
        for name in ("d", "e", "n", "hw", "device", "events")
    ),
    Case("TOP-04", "a node that EdgeCore trips over", (roster(),), (listed(ME),), node="node"),
    Case(
        "TOP-05",
        "the older form is answered in its own; the documents come on both",
        (Say("$S/twin/update", {"event_id": "e", "twin": {"t": {"actual": {"value": "1"}}}}),),
        strict=(),
        default=(
            result(topic="$S", t=twin("1")),
            document(t=(None, twin("1"))),
            document(topic="$S", t=(None, twin("1"))),
        ),
    ),
    Case(
        "TOP-05",
        "who knows the older form alone hears what others ask",
        (desire(sw="on"),),
        given=(get(topic="$S"),),
        strict=(*new(sw=twin(expected="on")), delta({"sw": "on"}, sw=twin(expected="on"))),
        default=(
            *new(sw=twin(expected="on")),
            document(topic="$S", sw=(None, twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
            delta({"sw": "on"}, "$S", sw=twin(expected="on")),
        ),
        variant="delta",
    ),
    Case(
        "TOP-05",
        "get and state too",
        (get(topic="$S"), Say("$S/state/update", {"event_id": "e", "state": "offline"})),
        strict=(),
        default=(
            got(topic="$S"),
            (
                "$S/state/update/result",
                {"event_id": "e", "timestamp": NOW, "device": {"name": "$NAME", "state": "offline"}},
            ),
        ),
        variant="get",
    ),
    Case("TOP-06", "an unknown verb", (Say("$D/twin/foo", {"event_id": "a"}), get()), (got(),)),
    Case(
        "TOP-07",
        "attributes are not set over MQTT",
        (Say("$D/updated", {"attributes": {"a": {"value": "1"}}}), roster()),
        (listed(ME),),
    ),
    Case("TOP-08", "there is no state/get", (Say("$D/state/get", {}),)),
    Case(
        "TOP-09",
        "another node's members",
        (Say("$hw/events/node/other/membership/get", {"event_id": "m"}),),
        strict=(listed(ME),),
        default=(),
    ),
    Case("TOP-10", "whatever is published comes at QoS 1, not retained", (report(t="1"),), new(t=twin("1"))),
    Case(
        "TOP-11",
        "nobody joins by publishing that he did",
        (Say("$NODE/membership/updated", {"added_devices": [ME2], "removed_devices": None}), roster()),
        (listed(ME),),
    ),
    Case(
        "TOP-12",
        "a client speaks as the cloud",
        (Say("$D/twin/cloud_updated", {"event_id": "c", "twin": {"sw": wanted("on", 1)}}),),
        strict=(
            document("c", sw=(None, twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
        ),
        default=(refused(403, starts("twin/cloud_updated is the cloud's topic"), "c"),),
        check=intrusion_told,
    ),
]

GETS = [
    Case("GET-01", "no properties", (Say("$D/twin/get", {"event_id": "a", "timestamp": 1}),), (got("a"),)),
    Case("GET-02", "no event id", (Say("$D/twin/get", {}),), (got(""),)),
    Case("GET-03", "a property, without its versions", (get(),), (got(temp=twin("21")),), given=(report(temp="21"),)),
    Case(
        "GET-04",
        "an unknown device",
        (get("a", "$D2"),),
        (refused(404, "Device $ID2 not found while getting twin", "a", "$D2/twin/get/result"),),
    ),
    Case(
        "GET-05",
        "no body",
        (Say("$D/twin/get", b""),),
        (refused(400, starts("Unmarshal twin info  failed , err: "), "", "$D/twin/get/result"),),
    ),
    Case(
        "GET-06",
        "a deleted property",
        (get(),),
        (got(mode=twin("auto")),),
        given=(report(temp="21", mode="auto"), update({"temp": None}, "d")),
    ),
    Case(
        "GET-07",
        "an event id that is a number",
        (Say("$D/twin/get", {"event_id": 7}),),
        (refused(400, starts('Unmarshal twin info {"event_id": 7} failed , err: '), "", "$D/twin/get/result"),),
    ),
    Case(
        "GET-07",
        "a timestamp that is a text",
        (Say("$D/twin/get", {"event_id": "g", "timestamp": "x"}),),
        strict=(refused(400, starts("Unmarshal twin info "), "", "$D/twin/get/result"),),
        default=(refused(400, starts("Unmarshal twin info "), "g", "$D/twin/get/result"),),
        variant="timestamp",
    ),
]

SW, LVL = twin("on", "on"), twin("3", "5")
_BURST = range(100)
UPDATES = [
    Case(
        "UPD-01",
        "a new property",
        (update({"temp": {"actual": {"value": "21"}}}, "e1", timestamp=1),),
        new("e1", temp=twin("21")),
        up=(edge(temp=versioned(twin("21"), (0, 1))),),
        device=("temp",),
    ),
    Case(
        "UPD-02",
        "its next value",
        (report(temp="22"),),
        (result(temp=twin("22")), document(temp=(twin("21"), twin("22")))),
        given=(report("e1", temp="21"),),
        up=(edge(temp=versioned(twin("22"), (0, 2))),),
        device=("temp",),
    ),
    Case(
        "UPD-03",
        "the same value again counts for EdgeCore, and costs us no message to the cloud",
        (report(temp="22"),),
        (result(temp=twin("22")), document(temp=(twin("22"), twin("22")))),
        given=(report("e1", temp="22"),),
        up=(),
        up_strict=(edge(temp=versioned(twin("22"), (0, 2))),),
        device=("temp",),
        check=version_by_mode("temp", strict=2, default=1),
    ),
    Case(
        "UPD-03",
        "the same value is told to the cloud again when the heartbeat is due, and keeps its version",
        (Do(heartbeat_passes), report(temp="22")),
        (result(temp=twin("22")), document(temp=(twin("22"), twin("22")))),
        given=(report("e1", temp="22"),),
        up=(edge(temp=versioned(twin("22"), (0, 1))),),
        up_strict=(edge(temp=versioned(twin("22"), (0, 2))),),
        device=("temp",),
        check=version_by_mode("temp", strict=2, default=1),
        variant="heartbeat",
    ),
    Case(
        "UPD-04",
        "a desired value",
        (update({"sw": {"expected": {"value": "on"}, "metadata": {"type": "string"}}}),),
        (*new(sw=twin(expected="on")), delta({"sw": "on"}, sw=twin(expected="on"))),
    ),
    Case(
        "UPD-05",
        "the device does it",
        (report(sw="on"),),
        (result(sw=twin("on")), document(sw=(twin(expected="on"), twin("on", "on")))),
        given=(desire(sw="on"),),
    ),
    Case(
        "UPD-06",
        "EdgeCore tells what differs with every update, we once and when asked by an empty one",
        (report(temp="7"), update({}, "ask")),
        strict=(
            *new(temp=twin("7")),
            delta({"lvl": "5"}, sw=SW, lvl=LVL),
            result("ask"),
            delta({"lvl": "5"}, sw=SW, lvl=LVL),
        ),
        default=(*new(temp=twin("7")), result("ask"), delta({"lvl": "5"}, sw=SW, lvl=LVL)),
        given=(desire(sw="on", lvl="5"), report(sw="on", lvl="3")),
    ),
    Case(
        "UPD-06",
        "a device that leaves what is asked of it is told again",
        (report(sw="off"),),
        (
            result(sw=twin("off")),
            document(sw=(twin("on", "on"), twin("off", "on"))),
            delta({"sw": "on"}, sw=twin("off", "on")),
        ),
        given=(desire(sw="on"), report(sw="on")),
        variant="leaves",
    ),
    Case(
        "UPD-06",
        "another value that is not the desired one",
        (report(sw="2"),),
        strict=(
            result(sw=twin("2")),
            document(sw=(twin("1", "on"), twin("2", "on"))),
            delta({"sw": "on"}, sw=twin("2", "on")),
        ),
        default=(result(sw=twin("2")), document(sw=(twin("1", "on"), twin("2", "on")))),
        given=(desire(sw="on"), report(sw="1")),
        variant="stays away",
    ),
    Case(
        "UPD-07",
        "both sides at once",
        (update({"sw": {"expected": {"value": "on"}, "actual": {"value": "off"}}}),),
        (*new(sw=twin("off", "on")), delta({"sw": "on"}, sw=twin("off", "on"))),
        up=(edge(sw=versioned(twin("off", "on"), (0, 1), (0, 1))),),
        device=("sw",),
    ),
    Case(
        "UPD-08",
        "a whole number",
        (typed("int", "5"), get()),
        (*new(k=twin("5", kind="int")), got(k=twin("5", kind="int"))),
    ),
    Case(
        "UPD-09",
        "a value that does not fit its type",
        (report(k="5.5"), get()),
        (refused(400, NOT_INT), got(k=twin("5", kind="int"))),
        given=(typed("int", "5"),),
    ),
    Case(
        "UPD-10",
        "whole numbers with signs and blanks",
        (typed("integer", "-7"), report("plus", k="+7"), report("blank", k=" 7")),
        strict=(*new(k=twin("-7", kind="integer")), *early(BAD_VALUE), *early(BAD_VALUE)),
        default=(
            *new(k=twin("-7", kind="integer")),
            result("plus", k=twin("+7", kind="integer")),
            document("plus", k=(twin("-7", kind="integer"), twin("+7", kind="integer"))),
            refused(400, NOT_INT, "blank"),
        ),
    ),
    Case(
        "UPD-11",
        "numbers with a point",
        (typed("float", "1e3"), report("abc", k="abc")),
        (*new(k=twin("1e3", kind="float")), refused(400, NOT_FLOAT, "abc")),
    ),
    *(
        Case(
            "UPD-11",
            "no number, which Go takes for one",
            (typed("float", value),),
            strict=new(k=twin(value, kind="float")),
            default=(refused(400, NOT_FLOAT),),
            variant=value,
        )
        for value in ("NaN", "Inf", "-Infinity")
    ),
    Case("UPD-11", "too large for Go too", (typed("float", "1e400"),), (refused(400, NOT_FLOAT),), variant="1e400"),
    Case(
        "UPD-12",
        "true and false, so written",
        (typed("boolean", "true"), report("a", k="True"), report("b", k="1")),
        (*new(k=twin("true", kind="boolean")), refused(400, NOT_BOOL, "a"), refused(400, NOT_BOOL, "b")),
    ),
    *(
        Case(
            "UPD-13",
            "the types of a device model",
            (typed(kind, "1"),),
            strict=(refused(400, NO_TYPE),),
            default=new(k=twin("1", kind=kind.lower())),
            variant=kind,
        )
        for kind in ("double", "bytes", "INT")
    ),
    *(
        Case("UPD-13", "types of nobody", (typed(kind, "1"),), (refused(400, NO_TYPE),), variant=kind)
        for kind in ("Updated", "deleted")
    ),
    Case(
        "UPD-14",
        "the type of a property stays",
        (typed("int", "abc"),),
        (result(k=twin("abc")), document(k=(twin("x"), twin("abc")))),
        given=(report(k="x"),),
    ),
    Case(
        "UPD-15",
        "all or none",
        (report(mode="new", k="abc"), get()),
        (refused(400, NOT_INT), got(k=twin("5", kind="int"))),
        given=(typed("int", "5"),),
    ),
    Case(
        "UPD-16",
        "a property that can't be deleted",
        (update({"k": {"actual": {"value": "1"}, "optional": False}}),),
        new(k=twin("1", optional=False)),
    ),
    Case(
        "UPD-17",
        "a property that can't be deleted any more",
        (update({"k": {"optional": False}}), get()),
        (
            result(k=twin(optional=False)),
            document(k=(twin("1"), twin("1", optional=False))),
            got(k=twin("1", optional=False)),
        ),
        given=(report(k="1"),),
    ),
    Case(
        "UPD-18",
        "there is no way back",
        (
            update({"k": {"optional": True}}),
            update({"k": {"actual": {"value": "2"}, "optional": True}}, "e2"),
        ),
        (
            result(),
            result("e2", k=twin("2", optional=False)),
            document("e2", k=(twin("1", optional=False), twin("2", optional=False))),
        ),
        given=(update({"k": {"actual": {"value": "1"}, "optional": False}}),),
    ),
    Case(
        "UPD-19",
        "an empty value shows where it is given, and is hidden from then on",
        (report(k=""), get(), report("e2", k="2")),
        (
            result(k=twin("")),
            document(k=(twin("1"), twin(""))),
            got(k=twin()),
            result("e2", k=twin("2")),
            document("e2", k=(twin(), twin("2"))),
        ),
        given=(report(k="1"),),
    ),
    Case(
        "UPD-20",
        "an empty value of a new property is hidden at once",
        (report(k=""),),
        new(k=twin()),
        check=version_of("reported", "k", 1),
    ),
    Case(
        "UPD-20",
        "likewise of its desired side",
        (desire(k=""),),
        new(k=twin()),
        check=version_of("desired", "k", 1),
        variant="desired",
    ),
    Case(
        "UPD-21",
        "an empty value is no number",
        (report(k=""), typed("int", "", "new", "n")),
        (refused(400, NOT_INT), refused(400, NOT_INT, "new")),
        given=(typed("int", "5"),),
    ),
    Case("UPD-22", "an empty update", (Say("$D/twin/update", {"twin": {}}),), (result(""),), up=(), device=("sw",)),
    Case(
        "UPD-22",
        "asks for what differs, however often the same is sent",
        (update({}, "ask", timestamp=1), update({}, "ask", timestamp=1)),
        2 * (result("ask"), delta({"sw": "on"}, sw=twin(expected="on"))),
        given=(desire(sw="on"),),
        up=(),
        device=("sw",),
        variant="delta",
    ),
    Case(
        "UPD-23",
        "the time of the source is not shown, and kept in the history where it is plausible",
        (
            update({"temp": {"actual": {"value": "1", "metadata": {"timestamp": 5}}}}),
            update({"temp": {"actual": {"value": "2", "metadata": {"timestamp": Ago(60)}}}}, "e2"),
            update({"temp": {"actual": {"value": "3"}}}, "e3", timestamp=Ago(30)),
            update({"temp": {"actual": {"value": "4"}}}, "e4", timestamp=Ago(30 * 86_400)),
        ),
        (
            *new(temp=twin("1")),
            result("e2", temp=twin("2")),
            document("e2", temp=(twin("1"), twin("2"))),
            result("e3", temp=twin("3")),
            document("e3", temp=(twin("2"), twin("3"))),
            result("e4", temp=twin("4")),
            document("e4", temp=(twin("3"), twin("4"))),
        ),
        check=point_times(None, 60, 30, None),
    ),
    Case(
        "UPD-24",
        "nobody sets versions here",
        (update({"k": {"actual": {"value": "1"}, "actual_version": {"cloud": 9, "edge": 9}}}),),
        new(k=twin("1")),
        check=version_of("reported", "k", 1),
    ),
    Case(
        "UPD-25",
        "an unknown device",
        (Say("$D2/twin/update", {"event_id": "e", "twin": {"k": {"actual": {"value": "1"}}}}),),
        (refused(404, NOT_MEMBER, topic="$D2/twin/update/result"),),
    ),
    Case("UPD-26", "a new property without values", (update({"k": {}}),), new(k=twin())),
    Case("UPD-27", "a property of which nothing is said", (update({"k": {}}),), (result(),), given=(report(k="1"),)),
    Case(
        "UPD-27",
        "a type alone counts as a change for EdgeCore",
        (update({"k": {"metadata": {"type": "int"}}}),),
        strict=(result(k=twin()), document(k=(twin("1"), twin("1")))),
        default=(result(),),
        given=(report(k="1"),),
        variant="type",
    ),
    Case(
        "UPD-28",
        "keys that nobody knows",
        (update({"k": {"actual": {"value": "1", "unit": "C"}, "x": [1, {"y": None}]}}, more={"a": 1}),),
        new(k=twin("1")),
    ),
    Case(
        "UPD-29",
        "a burst is taken in its order",
        tuple(report(f"e{n}", k=str(n)) for n in _BURST),
        (
            *new("e0", k=twin("0")),
            *(
                said
                for n in _BURST[1:]
                for said in (
                    result(f"e{n}", k=twin(str(n))),
                    document(f"e{n}", k=(twin(str(n - 1)), twin(str(n)))),
                )
            ),
        ),
        check=lambda stage, device: version_of("reported", "k", len(_BURST))(stage, device),
    ),
    Case(
        "UPD-30",
        "the database fails: EdgeCore answers 500 after 5 s and forgets; here the answer waits until it is on disk",
        (Do(disk_fails_for_a_while),),
        (result(temp=twin("22")), document(temp=(twin("21"), twin("22")))),
        given=(report("e1", temp="21"),),
        check=version_of("reported", "temp", 2),
    ),
]


def _bad(id_: str, says: str, body: object, reason: object, event: str = "", variant: str = "") -> Case:
    """A body that EdgeCore refuses early."""
    return Case(
        id_,
        says,
        (Say("$D/twin/update", body), get()),
        strict=(*early(reason), got()),
        default=(refused(400, reason, event), got()),
        variant=variant,
    )


def _odd_value(id_: str, value: str, variant: str) -> Case:
    """A value that EdgeCore's alphabet does not have."""
    return Case(
        id_,
        "any text is a value here",
        (report(k=value),),
        strict=early(BAD_VALUE),
        default=new(k=twin(value)),
        variant=variant,
    )


def _one(twin_: object) -> dict[str, object]:
    return {"event_id": "e", "twin": {"k": twin_}}


LONG_KEY, KEY = "k" * 129, "k" * 128
SAMPLE = "AZaz09-_.,:/@#"
BODIES = [
    _bad("ERR-01", "no JSON", b"not json", BAD_BODY, variant="text"),
    _bad("ERR-01", "nothing", b"", BAD_BODY, variant="nothing"),
    _bad("ERR-01", "a list", [1], BAD_BODY, variant="list"),
    _bad(
        "ERR-01",
        "no UTF-8",
        b'{"event_id":"e","twin":{"k":{"actual":{"value":"\xff"}}}}',
        BAD_BODY,
        "e",
        variant="utf-8",
    ),
    _bad("ERR-01", "too deep", b'{"twin":' * 5000, BAD_BODY, variant="deep"),
    _bad("ERR-02", "no twin", {"event_id": "e"}, NO_TWIN, "e"),
    _bad("ERR-02", "a twin of null", {"event_id": "e", "twin": None}, NO_TWIN, "e", variant="null"),
    _bad("ERR-03", "a key with a blank", {"event_id": "e", "twin": {"a b": {"actual": {"value": "1"}}}}, BAD_KEY, "e"),
    _bad("ERR-04", "a key of 129", {"event_id": "e", "twin": {LONG_KEY: {"actual": {"value": "1"}}}}, BAD_KEY, "e"),
    Case(
        "ERR-04",
        "a key of 128",
        (update({KEY: {"actual": {"value": "1"}}}),),
        new(**{KEY: twin("1")}),
        variant="128",
    ),
    _odd_value("CHR-01", '{"a":1}', ""),
    Case("CHR-02", "512 characters", (report(k="v" * 512),), new(k=twin("v" * 512))),
    _odd_value("CHR-02", "v" * 513, "513"),
    Case(
        "CHR-02",
        "more than our own limit",
        (report(k="ü" * 8193),),
        strict=early(BAD_VALUE),
        default=(refused(400, "the value of k has 8193 characters, more than the 8192 allowed"),),
        variant="8193",
    ),
    *(_odd_value("CHR-03", value, value) for value in ("a b", "50%", "a=b", "a+b", "ä")),
    Case("CHR-04", "EdgeCore's alphabet", (report(k=SAMPLE),), new(k=twin(SAMPLE))),
    Case(
        "ERR-05",
        "a number for a text",
        (update({"k": {"actual": {"value": 21}}}),),
        strict=early(BAD_BODY),
        default=new(k=twin("21")),
    ),
    Case(
        "ERR-05",
        "true for a text",
        (update({"k": {"actual": {"value": True}}}),),
        strict=early(BAD_BODY),
        default=new(k=twin("true")),
        variant="true",
    ),
    *(
        Case(
            "ERR-06",
            "what stops EdgeCore for minutes is refused, and nobody else notices",
            (Say("$D/twin/update", _one(said)), get(), get("other", "$D2")),
            (
                refused(400, "value is missing"),
                got(),
                refused(404, "Device $ID2 not found while getting twin", "other", "$D2/twin/get/result"),
            ),
            variant=variant,
        )
        for variant, said in {
            "actual": {"actual": {}},
            "null": {"actual": {"value": None}},
            "expected": {"expected": {}},
            "time": {"actual": {"metadata": {"timestamp": 1}}},
        }.items()
    ),
    Case(
        "ERR-07",
        "a body of more than 256 KiB",
        (Say("$D/twin/update", b'{"event_id":"e","twin":{}}' + b" " * 262_144), get()),
        (refused(400, starts("the body has 262170 bytes, more than the 262144 allowed"), ""), got()),
    ),
]

DELETIONS = [
    Case(
        "DEL-01",
        "a property is deleted",
        (update({"temp": None}),),
        (result(temp=None), document(temp=(twin("21"), None))),
        given=(report(temp="21"),),
        up=(edge(temp=versioned(twin(kind="deleted"), (0, 2))),),
        device=("temp",),
    ),
    Case(
        "DEL-02",
        "and shown nowhere",
        (get(), desire("e2", lvl="2")),
        (got(), *new("e2", lvl=twin(expected="2")), delta({"lvl": "2"}, lvl=twin(expected="2"))),
        given=(desire(temp="21"), update({"temp": None}, "d")),
    ),
    Case(
        "DEL-03",
        "it comes back, and its version goes on",
        (report(temp="1"),),
        new(temp=twin("1")),
        given=(typed("int", "21", name="temp"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 3),
    ),
    Case(
        "DEL-03",
        "with another type",
        (typed("float", "1.5", name="temp"),),
        new(temp=twin("1.5", kind="float")),
        given=(report(temp="21"), update({"temp": None}, "d")),
        variant="type",
    ),
    Case(
        "DEL-04",
        "one that can't be deleted",
        (update({"k": None}), get()),
        strict=(result(), got(k=twin("1", optional=False))),
        default=(
            refused(409, "k is not optional: it can't be deleted"),
            got(k=twin("1", optional=False)),
        ),
        given=(update({"k": {"actual": {"value": "1"}, "optional": False}}),),
    ),
    Case(
        "DEL-05",
        "one that was never there",
        (update({"k": None}),),
        strict=(result(), document(k=(None, None))),
        default=(result(),),
    ),
    Case(
        "DEL-06",
        "one that was never there, beside a value: EdgeCore's order is chance, ours takes the value",
        (update({"nope": None, "temp": {"actual": {"value": "5"}}}),),
        strict=(
            result(temp=twin("5")),
            document(temp=(None, twin("5")), nope=(None, None)),
        ),
        default=new(temp=twin("5")),
    ),
    Case(
        "DEL-07",
        "a deleted one again",
        (update({"temp": None}),),
        strict=(result(), document(temp=(ANY, None))),
        default=(result(),),
        given=(report(temp="21"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 2),
    ),
    Case(
        "DEL-08",
        "a restart forgets neither the deletion nor the version",
        (Do(starts_anew), get(), report(temp="1")),
        (got(mode=twin("auto")), *new(temp=twin("1"))),
        given=(report(temp="21", mode="auto"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 3),
    ),
]

SYNCS = [
    Case(
        "SYN-01",
        "a newer wish of the cloud",
        (wish(sw=wanted("on", 2, 1)),),
        (
            document("c", sw=(twin(expected="mine"), twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
        ),
        given=SYNCED,
        up=(),
        device=("sw",),
        check=version_of("desired", "sw", 1, 2),
    ),
    *(
        Case(
            id_,
            says,
            (wish(sw=wanted("on", *pair)),),
            strict=(delta({"sw": "mine"}, sw=twin(expected="mine")),),
            default=(),
            given=SYNCED,
            up=(MINE,),
            device=("sw",),
            check=version_of("desired", "sw", 1, 1),
            variant=variant,
        )
        for id_, says, pair, variant in (
            ("SYN-02", "an older wish hears ours", (0, 1), ""),
            ("SYN-03", "the edge is newer", (5, 0), ""),
            ("SYN-04", "a wish without a version", (), "known"),
        )
    ),
    Case("SYN-04", "of a new property", (wish(sw=wanted("on")), get()), (got(),), up=(), device=("sw",), variant="new"),
    Case(
        "SYN-04",
        "of one of which nothing is desired, which stops EdgeCore",
        (wish(sw=wanted("on")), get()),
        (got(sw=twin("off")),),
        given=(report(sw="off"),),
        up=(),
        device=("sw",),
        variant="reported",
    ),
    Case(
        "SYN-05",
        "a new property",
        (wish(sw=wanted("on", 1)),),
        (document("c", sw=(None, twin(expected="on"))), delta({"sw": "on"}, sw=twin(expected="on"))),
        up=(),
        device=("sw",),
        check=version_of("desired", "sw", 0, 1),
    ),
    Case(
        "SYN-06",
        "the cloud deletes",
        (
            wish(sw={"metadata": {"type": "deleted"}, "expected_version": {"cloud": 1, "edge": 1}}),
            get(),
        ),
        (document("c", sw=(twin(expected="mine"), None)), got()),
        given=SYNCED,
        up=(),
        device=("sw",),
    ),
    Case(
        "SYN-06",
        "a deletion older than ours",
        (
            wish(sw={"metadata": {"type": "deleted"}, "expected_version": {"cloud": 1, "edge": 0}}),
            get(),
        ),
        strict=(delta({"sw": "mine"}, sw=twin(expected="mine")), got(sw=twin(expected="mine"))),
        default=(got(sw=twin(expected="mine")),),
        given=SYNCED,
        up=(MINE,),
        device=("sw",),
        variant="older",
    ),
    Case(
        "SYN-07",
        "no type, which stops EdgeCore",
        (wish(lvl=wanted("7", 1, 0, None)), get()),
        (
            document("c", lvl=(twin("5", kind="int"), twin("5", "7", "int"))),
            delta({"lvl": "7"}, lvl=twin("5", "7", "int")),
            got(lvl=twin("5", "7", "int")),
        ),
        given=(typed("int", "5", name="lvl"),),
    ),
    Case(
        "SYN-08",
        "a body that is none: only the log tells",
        (FromCloud("device/$ID/twin/cloud_updated", {"event_id": "c"}),),
        up=(),
        device=("sw",),
    ),
    Case(
        "SYN-08",
        "the same from a local client",
        (Say("$D/twin/cloud_updated", b"not json"),),
        strict=early("unmarshal update request body failed, Please check the request"),
        default=(refused(403, starts("twin/cloud_updated is the cloud's topic"), ""),),
        variant="local",
    ),
    Case(
        "SYN-08",
        "a value that does not fit",
        (wish(k=wanted("abc", 1)), get()),
        (got(k=twin("5", kind="int")),),
        given=(typed("int", "5"),),
        variant="type",
    ),
]

ONLINE = Text(
    {"event_id": ANY, "timestamp": NOW, "device": {"name": "$NAME", "state": "online", "lastOnlineTime": TIME}}
)
STATES = [
    Case(
        "STA-01",
        "online",
        (state("online"),),
        strict=(answered("online", UUID),),
        default=(answered("online"),),
        up=(("device/$ID/state/update", ONLINE),),
        device=("sw",),
    ),
    Case(
        "STA-02",
        "EdgeCore answers with an id of its own",
        (state("online", "a"), state("online", "b")),
        strict=(answered("online", UUID), answered("online", UUID)),
        default=(answered("online", "a"), answered("online", "b")),
    ),
    Case(
        "STA-03",
        "away, in capitals: EdgeCore forgets when the device was there last",
        (state("OFFLINE"), roster()),
        strict=(answered("OFFLINE", UUID, False), listed(ME | {"state": "OFFLINE"})),
        default=(answered("OFFLINE", online=False), listed(ME | {"state": "OFFLINE", "last_online": TIME})),
        given=(state("online"),),
    ),
    Case(
        "STA-04",
        "the other states; ok counts as online",
        (state("ok"), state("unknown"), state("unhealthy")),
        strict=(answered("ok", UUID), answered("unknown", UUID, False), answered("unhealthy", UUID, False)),
        default=(answered("ok"), answered("unknown", online=False), answered("unhealthy", online=False)),
    ),
    Case(
        "STA-05",
        "what a mapper calls offline",
        (state("disconnected"), roster()),
        strict=(listed(ME),),
        default=(answered("offline", online=False), listed(ME | {"state": "offline"})),
    ),
    *(
        Case(
            "STA-05",
            "no state",
            (state(said),),
            strict=(),
            default=(refused(400, starts(f"the state {said!r} is not one of"), topic="$D/state/update/result"),),
            variant=said or "empty",
        )
        for said in ("", "running")
    ),
    Case(
        "STA-06",
        "an unknown device",
        (Say("$D2/state/update", {"event_id": "e", "state": "online"}),),
        strict=(),
        default=(refused(404, NOT_MEMBER, topic="$D2/state/update/result"),),
    ),
    Case(
        "STA-06",
        "no JSON",
        (Say("$D/state/update", b"{{"),),
        strict=(),
        default=(refused(400, starts("Unmarshal state info failed, err: "), "", "$D/state/update/result"),),
        variant="body",
    ),
    Case(
        "STA-07",
        "the key as EdgeCore's own mapper server writes it",
        (Say("$D/state/update", {"event_id": "e", "State": "online"}),),
        strict=(answered("online", UUID),),
        default=(answered("online"),),
    ),
    Case(
        "STA-08",
        "a silent device stays what it said; by default the gateway watches it",
        (Do(hours_pass), Do(watchdog_speaks), roster()),
        strict=(listed(ME | {"state": "online", "last_online": TIME}),),
        default=(listed(ME | {"state": "unknown", "last_online": TIME}),),
        given=(state("online"),),
    ),
]

A = {"a": {"value": "1"}}
B = {"b": {"value": "2", "optional": False, "metadata": {"type": "int"}}}
OBJECT = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "$NAME2", "namespace": "default", "uid": "u-$NAME2", "resourceVersion": "7"},
    "spec": {"deviceModelRef": {"name": "model"}, "nodeName": "n1", "properties": [{"name": "sw"}]},
}
MEMBERS = [
    Case("MEM-01", "the members", (roster(),), (listed(ME),)),
    Case(
        "MEM-01",
        "with all that is known of them",
        (roster(),),
        (listed(ME2 | {"description": "text", "state": "online", "last_online": TIME, "attributes": A}),),
        given=(
            members([ME2 | {"description": "text", "attributes": A}]),
            Say("$D2/state/update", {"event_id": "e", "state": "online"}),
            Say("$D2/twin/update", {"event_id": "e", "twin": {"k": {"actual": {"value": "1"}}}}),
        ),
        device="absent",
        variant="full",
    ),
    Case("MEM-02", "no members", (roster(),), (listed(),), device="absent"),
    Case(
        "MEM-03",
        "no body",
        (Say("$NODE/membership/get", b""),),
        (refused(400, starts("Unmarshal get membership info  failed , err: "), "", "$NODE/membership/get/result"),),
    ),
    Case("MEM-04", "a device is added", (members([ME2]), roster()), (joined(ME2), listed(ME, ME2)), up=()),
    Case("MEM-05", "two are added", (members([ME, ME2]),), (joined(ME), joined(ME2)), device="absent"),
    Case(
        "MEM-06",
        "a device is removed",
        (members(None, [ME]), get(), roster()),
        (
            left(ME),
            refused(404, "Device $ID not found while getting twin", "g", "$D/twin/get/result"),
            listed(),
        ),
        given=(report(k="1"),),
    ),
    Case("MEM-07", "one that is no member is removed", (members(None, [ME2]), roster()), (listed(ME),)),
    Case(
        "MEM-08",
        "a member is added again, as after a restart of the cloud: EdgeCore sends a 400 to nobody's request",
        (members([ME]), roster(), get()),
        (listed(ME | {"attributes": A}), got(k=twin("1"))),
        given=(members([ME | {"attributes": A}]), report(k="1")),
    ),
    Case(
        "MEM-09",
        "the whole list of an old cloud",
        (FromCloud("membership/detail", {"event_id": "x", "timestamp": 1, "devices": [ME]}), roster()),
        (left(ME2), listed(ME)),
        given=(members([ME2]),),
    ),
    Case(
        "MEM-10",
        "attributes",
        (members([ME2 | {"attributes": A}]), roster()),
        (
            ("$D2/updated", {"event_id": "", "timestamp": NOW, "attributes": A}),
            joined(ME2 | {"attributes": A}),
            listed(ME2 | {"attributes": A}),
        ),
        device="absent",
    ),
    Case(
        "MEM-10",
        "other attributes of a member",
        (members([ME | {"attributes": A | B}]), Do(starts_anew), roster()),
        (
            ("$D/updated", {"event_id": "", "timestamp": NOW, "attributes": B}),
            listed(ME | {"attributes": A | B}),
        ),
        given=(members([ME | {"attributes": A}]),),
        variant="changed",
    ),
    Case(
        "MEM-11",
        "a device that a reconciling cloud sends as an object alone",
        (FromCloud("default/device/$NAME2", OBJECT, "resource", "update", "edgecontroller"), roster()),
        (joined(ME2), listed(ME, ME2)),
    ),
]

CASES = [*TOPICS, *GETS, *UPDATES, *BODIES, *DELETIONS, *SYNCS, *STATES, *MEMBERS]

IDS = {
    *(f"TOP-{n:02}" for n in range(1, 13)),
    *(f"GET-{n:02}" for n in range(1, 8)),
    *(f"UPD-{n:02}" for n in range(1, 31)),
    *(f"ERR-{n:02}" for n in range(1, 8)),
    *(f"CHR-{n:02}" for n in range(1, 5)),
    *(f"DEL-{n:02}" for n in range(1, 9)),
    *(f"SYN-{n:02}" for n in range(1, 9)),
    *(f"STA-{n:02}" for n in range(1, 9)),
    *(f"MEM-{n:02}" for n in range(1, 12)),
}
"""Every case there has to be."""
