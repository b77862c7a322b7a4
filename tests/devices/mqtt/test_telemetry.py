from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.mqtt import telemetry
from twins.errors import Rejected
from twins.instructions import Revision
from twins.kubeedge.reader import BODY_LIMIT
from twins.stimuli import Updated
from twins.twin import Twins

TOPIC = "gemelo/telemetry/default/d1"
SEEN = 1_795_243_950_000_000


def read(payload: bytes | object, topic: str = TOPIC, **more: Any) -> Updated:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return telemetry.read(topic, body, "mqtt:1:1", SEEN, **more)


def values(update: Updated) -> dict[str, str | None]:
    return {name: edit.reported for name, edit in update.edits.items() if edit is not None}


def test_an_object_gives_a_value_for_each_key() -> None:
    update = read({"temperature": 21.5, "count": 3, "door": "open", "on": True, "note": None})
    assert update.device == "default/d1"
    assert values(update) == {"temperature": "21.5", "count": "3", "door": "open", "on": "true"}
    assert (update.at, update.origin, update.reply) == (SEEN, "device", None)


def test_nested_objects_are_named_with_dots_and_lists_stay_json() -> None:
    assert values(read({"a": {"b": {"c": 1}}, "l": [1, "x"]})) == {"a.b.c": "1", "l": '[1,"x"]'}


@pytest.mark.parametrize(
    ("payload", "value"), [(b"21.5", "21.5"), (b'"on"', "on"), (b"true", "true"), (b"[1,2]", "[1,2]")]
)
def test_a_bare_value_belongs_to_the_property_of_its_topic(payload: bytes, value: str) -> None:
    assert values(read(payload, f"{TOPIC}/t")) == {"t": value}


def test_the_source_may_say_when_and_which() -> None:
    update = read({"t": 1, "at": 1_795_243_900_000, "id": "m-1"})
    assert (update.at, update.repeats, values(update)) == (1_795_243_900_000_000, True, {"t": "1"})
    assert update.seq == read({"t": 1, "at": 1_795_243_900_000, "id": "m-1"}, packet=9).seq


def test_a_message_without_an_id_repeats_only_when_the_broker_says_so() -> None:
    once, again = read({"t": 1}, packet=1), read({"t": 1}, packet=2)
    assert once.seq != again.seq
    assert not once.repeats
    assert read({"t": 1}, packet=1, duplicate=True).repeats
    assert read({"t": 1}, packet=1, duplicate=True).seq == once.seq


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"nonsense", "is no JSON"),
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'{"t": NaN}', "is no JSON"),
        (b'{"t": 1e400}', "is no JSON"),
        (b'{"t": "\\ud800"}', "is no JSON"),
        (b"[" * 40_000, "is no JSON"),
        (b'{"t":' * 40_000, "is no JSON"),
        (b"21.5", "must be an object"),
        (b"[1]", "must be an object"),
        (b'{"": 1}', "is no name"),
        (b'{"a\\u0000": 1}', "is no name"),
        (b'{"%s": 1}' % (b"k" * 129), "is no name"),
        (b'{"a": {"%s": 1}}' % (b"k" * 127), "is no name"),
        (json.dumps({str(n): n for n in range(257)}).encode(), "more than 256 values"),
        (json.dumps({"a": {str(n): n for n in range(257)}}).encode(), "more than 256 values"),
        (b'{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}', "nested deeper than 4"),
        (b" " * (BODY_LIMIT + 1), "more than the 262144 allowed"),
    ],
)
def test_what_is_no_telemetry_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        read(payload)


@pytest.mark.parametrize(
    "topic",
    [
        "gemelo/telemetry//d1",
        "gemelo/telemetry/default/",
        f"{TOPIC}/",
        "gemelo/telemetry",
        "gemelo/telemetry/",
        "gemelo/telemetry/d1",
        f"{TOPIC}/t/celsius",
    ],
)
def test_a_topic_that_names_no_device_is_refused(topic: str) -> None:
    with pytest.raises(Rejected, match="names no device"):
        read(b"1", topic)


@pytest.mark.parametrize("name", ["D1", "my sensor", "d_1", "-d", "d.", "é", "d1\n", "d\x1b[31m", "a" * 254])
def test_a_name_that_kubernetes_would_not_take_is_refused_with_the_rule(name: str) -> None:
    for topic in (f"gemelo/telemetry/default/{name}", f"gemelo/telemetry/{name}/d1/t"):
        with pytest.raises(Rejected, match="cannot name a device or its namespace: 1 to 253 of a-z, 0-9") as refused:
            read(b"{}", topic)
        assert refused.value.reason.isprintable()


@pytest.mark.parametrize("name", ["d", "0", "my-sensor.hall-2", "a" * 253])
def test_a_name_that_kubernetes_takes_is_taken(name: str) -> None:
    assert read(b"{}", f"gemelo/telemetry/{name}/{name}").device == f"{name}/{name}"


names = st.text(max_size=10) | st.sampled_from(["at", "id", "t"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
bodies = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=20
)
words = st.text(st.characters(exclude_characters="/+#\0", codec="utf-8"), max_size=8)
topics = st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True) | words, min_size=1, max_size=4)


@given(st.binary() | bodies.map(lambda body: json.dumps(body).encode()), topics, st.integers(0, 65535), st.booleans())
@example(b'{"at": %d, "t": 1}' % 10**30, ["default", "d1"], 0, False)
@example(b'{"at": -1, "id": 1, "t": %s}' % (b"9" * 40), ["default", "d1"], 0, False)
@example(b"-0.0", ["default", "d1", "t"], 0, False)
def test_any_bytes_are_refused_or_become_an_update_that_the_twins_take(
    payload: bytes, parts: list[str], packet: int, duplicate: bool
) -> None:
    twins = Twins(enrols=True)
    try:
        update = read(payload, telemetry.PREFIX + "/".join(parts), packet=packet, duplicate=duplicate)
    except Rejected:
        return
    said = twins.handle(update)
    assert twins.encoded(update.device) is not None
    changes = {name: c for i in said if isinstance(i, Revision) for name, c in i.changes.items()}
    assert changes.keys() == update.edits.keys()
    for name, change in changes.items():
        assert change.number is None or abs(change.number) < float("inf")
        assert 0 < len(name) <= telemetry.NAME
        assert change.at is not None
        assert abs(change.at) < 2**63
        assert change.current.reported is not None
        change.current.reported.value.encode()
