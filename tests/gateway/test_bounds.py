"""Whatever names clients make up, nothing that is remembered of them grows beyond its bound.

Each test hammers with 200,000 names and then looks at every container within the parts, those of tomorrow too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec
import pytest

from devices.dmi import limits
from devices.mqtt import refusals
from devices.sparkplug import sessions
from devices.sparkplug.topic import Place
from devices.telemetry import homeassistant as ha
from devices.telemetry import mappings
from devices.telemetry.manifest import Mapping
from gateway import discovery, watch
from gateway.discovery import Discoverer
from gateway.presence import Presence
from rules.manifest.detector import decode as detector
from tests.bad_input import MAPPINGS
from tests.clock import VirtualClock
from tests.gateway.stage import Stage, rule
from twins import twin as _twin
from twins.errors import Rejected
from twins.exchange import Event
from twins.instructions import Attributes, Refuse
from twins.kubeedge import Reader, Writer, address, bodies, reader
from twins.liveness import Limits
from twins.schema import decode
from twins.stimuli import Edit, Reply, Synchronised, Updated, Wish
from twins.twin import Twins
from twins.values import PROPERTIES, TEXT, Attribute, Version

MANY = 200_000
NOW = 1_795_243_950_123_000
HOME = ["gateway", "rules", "twins", "devices", "store", "web", "cloud", "runtime", "inference"]


def containers(*parts: object) -> Iterator[tuple[str, int]]:
    """Every dict, list, set and deque within parts of ours, by the way there, with its length."""
    seen: set[int] = set()
    waiting: deque[tuple[str, object]] = deque((type(part).__name__, part) for part in parts)
    while waiting:
        way, one = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | tuple | deque):
            yield way, len(one)
            inner = one.values() if isinstance(one, dict) else one
            waiting.extend((f"{way}[…]", each) for each in list(inner)[:1000])
        elif type(one).__module__.split(".")[0] in HOME:
            names = [*getattr(one, "__dict__", ()), *getattr(type(one), "__slots__", ())]
            waiting.extend((f"{way}.{name}", getattr(one, name, None)) for name in names)


def largest(*parts: object) -> tuple[str, int]:
    return max(containers(*parts), key=lambda found: found[1])


def test_the_walk_finds_what_is_deep_within() -> None:
    stage = Stage(twins=Twins(enrols=True))
    stage.twins.handle(said("default/d1", **{f"p{n}": "1" for n in range(300)}))
    way, size = largest(stage.core)
    assert way.endswith(".properties")
    assert size == 300


def said(device: str, **values: str) -> Updated:
    edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in values.items()}
    seq = hash((device, *values))
    return Updated(device, "mqtt:1:1", NOW, edits, NOW, seq, True, "device", Reply("e"), True)


def test_the_reader_remembers_so_many_topics_and_names_and_none_that_is_long() -> None:
    one = Reader("n1")
    for n in range(MANY):
        one.read(
            f"$hw/events/device/default/d{n}/twin/update", b'{"twin":{"p%d":{"actual":{"value":"1"}}}}' % n, "c", NOW
        )
        if n % 100 == 0:
            one.read(f"$hw/events/device/default/{'x' * 60_000}{n}/twin/get", b"{}", "c", NOW)
    assert largest(one)[1] <= address.TOPICS
    assert max(map(len, one._addresses._known)) <= address.TOPIC_LIMIT
    assert len(one._keys) <= reader.KEYS


@pytest.mark.slow
def test_the_mappings_remember_so_many_topics_devices_and_units_and_none_that_is_long() -> None:
    all_of_them = mappings.Mappings()
    body = {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Mapping",
        "metadata": {"name": "asked"},
        "spec": {
            "topic": "asked/{device}",
            "properties": [{"name": "t", "path": "t", "unit": "C", "command": {"topic": "do/{device}"}}],
        },
    }
    for manifest in (*MAPPINGS, body):
        mapping = decode(manifest, Mapping, "test")
        all_of_them.apply(mapping.id, mapping)
    for n in range(MANY):
        assert all_of_them.read(f"asked/d{n}", b'{"t":1}', "c", NOW)
        if n % 100 == 0:
            all_of_them.read(f"plant/{'x' * 60_000}{n}/auto", b'{"t":1}', "c", NOW)
    assert largest(all_of_them)[1] <= max(mappings.TOPICS, mappings.UNITS)
    assert max(map(len, all_of_them._matches)) <= mappings.TOPIC


async def test_devices_join_by_themselves_up_to_a_limit_and_are_told() -> None:
    """With all that follows from a device: rules, timers, presence."""
    stage = Stage(twins=Twins(enrols=True, enrol_limit=2000))
    presence = Presence(stage.twins, stage.core, stage.clock, stage.next_cause, Limits())
    hot = {"name": "hot", "when": "t > 0.5", "to": "Hot", "for": "1h"}
    states = {"A": {"onInput": {"transitions": [hot]}}, "Hot": {}}
    stage.rules.apply(detector(rule(states=states), "rule"))
    refused = 0
    for n in range(MANY):
        turn = stage.core._turn()
        outcome = turn.take((said(f"default/d{n}", t="1"),))
        turn.close()
        presence.tell(turn.committed)
        refused += outcome.code == 403
    assert (len(stage.twins), refused) == (2000, MANY - 2000)
    assert "none joins by itself: declare it" in str(outcome.refused)
    assert largest(stage.twins, stage.rules, stage.timers, presence, stage.core._watch)[1] <= 2000


def test_a_device_has_so_many_properties_whatever_it_deletes() -> None:
    twins = Twins(enrols=True)
    for n in range(MANY):
        twins.handle(said("default/d1", **{f"p{n}": "1"}))
        twins.handle(Updated("default/d1", "c", NOW, {f"p{n}": None}, NOW))
    assert largest(twins)[1] <= max(PROPERTIES, 2 * _twin.SEEN_LIMIT)
    twin = twins.get("default/d1")
    assert twin is not None
    assert len(twin.properties) == PROPERTIES


def test_properties_that_are_there_take_no_room_again() -> None:
    twins = Twins(enrols=True)
    twins.handle(said("default/d1", **{f"p{n}": "1" for n in range(PROPERTIES - 1)}))
    all_of_them = said("default/d1", **{f"p{n}": "2" for n in range(PROPERTIES)})
    assert not [i for i in twins.handle(all_of_them) if isinstance(i, Refuse)]
    one_too_many = said("default/d2", **{f"p{n}": "2" for n in range(PROPERTIES + 1)})
    (refusal,) = [i for i in twins.handle(one_too_many) if isinstance(i, Refuse)]
    assert "as many as a twin may have" in refusal.reason


def test_a_cloud_of_the_older_protocol_makes_no_more_of_them() -> None:
    twins = Twins(enrols=True, strict=True)
    twins.handle(said("default/d1", t="1"))
    for n in range(0, MANY, 1000):
        wishes = {f"p{m}": Wish("1", Version(0, 1), "string") for m in range(n, n + 1000)}
        twins.handle(Synchronised("default/d1", "c", NOW, wishes, "e", Reply("e")))
    twin = twins.get("default/d1")
    assert twin is not None
    assert len(twin.properties) <= PROPERTIES


@pytest.mark.parametrize("side", ["reported", "desired"])
def test_a_device_has_so_much_text_and_may_make_room(side: str) -> None:
    twins = Twins(enrols=True)

    def say(name: str, value: str) -> bool:
        edit = Edit(reported="1", desired=value) if side == "desired" else Edit(reported=value)
        out = twins.handle(Updated("default/d1", "c", NOW, {name: edit}, NOW))
        return "characters, more than the" not in str(out)

    taken = sum(say(f"p{n}", "v" * 8192) for n in range(1000))
    assert 30 <= taken <= TEXT // 8192
    body = twins.encoded("default/d1")
    assert body is not None
    assert len(body) < 2 * TEXT
    assert say("p0", "v" * 4000)
    assert say("q", "v" * 4192)
    assert not say("r", "v" * 8192)
    twins.handle(Updated("default/d1", "c", NOW, {"p1": None}, NOW))
    assert say("r", "v" * 8192)


def test_the_words_of_types_are_those_there_are() -> None:
    before = len(bodies._types)
    out = Writer("n1")
    for n in range(1000):
        out.write(Attributes("default/d1", "c", {"a": Attribute("1", True, f"kind-{n}")}), NOW)
    assert len(bodies._types) == before


def test_what_is_told_of_refusals_and_intrusions_is_counted_and_forgotten() -> None:
    told, security, buckets = refusals.Refusals(VirtualClock()), watch.Watch(), limits.Limits(45, 150)
    for n in range(MANY):
        told.add(f"gemelo/telemetry/{n}{'x' * 300}", "body", "no JSON" * 100)
        security.tell(Event(f"e{n}", NOW + n, "security", f"default/d{n}", "warning", f"says {n}"))
        if n < 4500:  # each looks through all that are kept
            buckets.take(f"default/d{n}", n / 1e6)
    assert largest(told)[1] <= refusals.TOPICS
    assert largest(security)[1] <= watch.KEPT
    assert largest(buckets)[1] <= limits.KEPT


@pytest.mark.slow
def test_births_are_remembered_up_to_a_limit_of_nodes_and_metrics() -> None:
    pytest.importorskip("google.protobuf")
    from devices.sparkplug.payload import Metric, Payload

    all_of_them = sessions.Sessions(_Anybody())
    few = Payload((Metric("a", 1, 1, 10, 1.0),), 0, 1)
    for n in range(MANY):
        all_of_them.read("NBIRTH", Place("g", f"n{n}"), f"default/d{n}", few, sessions.Arrival("c", NOW))
    assert largest(all_of_them)[1] <= sessions.NODES
    many = Payload(tuple(Metric(f"m{n}", n, 1, 10, 1.0) for n in range(4096)), 0, 1)
    for n in range(100):
        all_of_them.read("NBIRTH", Place("g", f"n{n}"), f"default/d{n}", many, sessions.Arrival("c", NOW))
    known = [len(born.by_name) for node in all_of_them._nodes.values() for born in node.born.values()]
    assert sessions.METRICS // 2 <= sum(known) <= sessions.METRICS + sessions.METRICS // 16
    one = Place("g", "one")
    all_of_them.read("NBIRTH", one, "default/one", few, sessions.Arrival("c", NOW))
    refused = 0
    for n in range(100):
        born = Payload(many.metrics, n + 1, 1)
        try:
            all_of_them.read("DBIRTH", Place("g", "one", f"d{n}"), f"default/d{n}", born, sessions.Arrival("c", NOW))
        except Rejected as error:
            refused += "metrics together" in error.reason
    assert refused == 1


class _Anybody:
    """All devices are free."""

    def claim(self, device: str, place: Place) -> None:
        return

    def devices(self, place: Place) -> tuple[str, ...]:
        return ()


def test_one_metric_many_times_and_an_array_without_end_are_refused_at_once() -> None:
    pytest.importorskip("google.protobuf")
    from devices.sparkplug.payload import Metric, Payload

    born = sessions.Sessions(_Anybody())
    array = Metric("b", 2, 1, 32, b"\0\0\x10\0" + b"\xff" * 200_000)
    place, arrival = Place("g", "n"), sessions.Arrival("c", NOW)
    born.read("NBIRTH", place, "default/d", Payload((Metric("a", 1, 1, 10, 1.0),), 0, 1), arrival)
    with pytest.raises(Rejected, match="more than 500 times"):
        born.read("NDATA", place, "default/d", Payload((Metric("a", 1, 1, 10, 1.0),) * 4096, 1, 1), arrival)
    with pytest.raises(Rejected, match="no room"):
        born.read("NBIRTH", place, "default/d", Payload((array,), 0, 1), arrival)


async def test_discovery_makes_so_many_devices_and_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(discovery.MOST, "Device", 20)
    monkeypatch.setitem(discovery.MOST, "Mapping", 30)
    stage = Stage()
    finder = Discoverer(mappings.Mappings(), stage.registry)
    found = ha.Discovery  # the manifest that lets messages make others
    manifest = {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Discovery", "metadata": {"name": "ha"}, "spec": {}}
    finder.apply("default/ha", decode(manifest, found, "test"))

    async def tell(device: int, thing: int) -> bool:
        config = {"state_topic": f"s/{device}/{thing}", "device": {"identifiers": [f"d{device}"]}}
        topic = f"homeassistant/sensor/d{device}/t{thing}/config"
        try:
            await finder._take(discovery._Told(topic, msgspec.json.encode(config), finder._discoveries["default/ha"]))
        except Rejected:
            return False
        return True

    async with stage.running():
        assert sum([await tell(n, 0) for n in range(60)]) == 20
        assert sum([await tell(0, n) for n in range(60)]) == 11
    assert len(dict(stage.registry.of("Device"))) == 20
    assert len(dict(stage.registry.of("Mapping"))) == 30
    for n in range(0, MANY, 10):
        finder.read(f"homeassistant/sensor/d{n}/t/config", b"x", "c", NOW)
    assert largest(finder._waiting)[1] <= discovery.WAITING
    with pytest.raises(Rejected, match="are allowed"):
        finder.read("homeassistant/sensor/d/t/config", b"x" * 100_000, "c", NOW)
