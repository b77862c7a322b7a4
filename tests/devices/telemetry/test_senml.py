from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry.formats import decoder
from devices.telemetry.frame import FRAMES, VALUES, Frame
from twins.errors import Rejected

NOW = 1_795_255_200_000_000
THEN = 1_795_255_100


def frames(*records: dict[str, Any]) -> list[Frame]:
    return list(decoder("senml")(json.dumps(records).encode(), NOW))


def test_a_record_alone_is_a_value_with_its_unit() -> None:
    (frame,) = frames({"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1})
    assert frame.body == {"urn:dev:ow:10e2073a01080063": 23.1}
    assert (frame.at, frame.units, frame.labels) == (None, {"urn:dev:ow:10e2073a01080063": "Cel"}, {})


def test_base_fields_hold_for_all_that_follow_until_others_come() -> None:
    found = frames(
        {"bn": "urn:dev:ow:1:", "bt": THEN, "bu": "A", "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "v": 1.2},
        {"n": "current", "t": -5, "v": 1.3},
        {"bn": "urn:dev:ow:2:", "n": "current", "v": 1.4},
    )
    assert [(f.labels["base"], f.at, f.body) for f in found] == [
        ("urn:dev:ow:1:", THEN * 1_000_000, {"voltage": 120.1, "current": 1.2}),
        ("urn:dev:ow:1:", (THEN - 5) * 1_000_000, {"current": 1.3}),
        ("urn:dev:ow:2:", THEN * 1_000_000, {"current": 1.4}),
    ]
    assert found[0].units == {"voltage": "V", "current": "A"}


@pytest.mark.parametrize(
    ("record", "body"),
    [
        ({"n": "a", "vs": "Machine Room"}, {"a": "Machine Room"}),
        ({"n": "a", "vb": False}, {"a": False}),
        ({"n": "a", "vd": "aGkgCg"}, {"a": "aGkgCg"}),
        ({"n": "a", "v": 7}, {"a": 7}),
        ({"n": "a", "bv": 20, "v": 1.5}, {"a": 21.5}),
        ({"n": "a", "bv": 20}, {"a": 20}),
        ({"n": "a", "v": 1, "bs": 100, "s": 5}, {"a": 1, "a.sum": 105}),
        ({"n": "a", "s": 5}, {"a.sum": 5}),
        ({"bn": "x/", "v": 1}, {"x/": 1}),
        ({"n": "a", "v": 1, "ut": 60, "later": [1]}, {"a": 1}),
        ({"bver": 10, "n": "a", "v": 1}, {"a": 1}),
    ],
)
def test_values_of_every_kind_are_resolved(record: dict[str, Any], body: object) -> None:
    (frame,) = frames(record)
    assert frame.body == body


@pytest.mark.parametrize(
    ("record", "at"),
    [
        ({}, None),
        ({"t": 0}, None),
        ({"t": -10}, NOW - 10_000_000),
        ({"t": 10.5}, NOW + 10_500_000),
        ({"bt": -3, "t": -2}, NOW - 5_000_000),
        ({"t": 2**28 - 1}, NOW + (2**28 - 1) * 1_000_000),
        ({"t": 2**28}, 2**28 * 1_000_000),
        ({"bt": 1.320067464e09, "t": 4}, 1_320_067_468_000_000),
    ],
)
def test_a_small_time_is_relative_to_now(record: dict[str, Any], at: int | None) -> None:
    (frame,) = frames({"n": "a", "v": 1} | record)
    assert frame.at == at


def test_a_record_of_base_fields_alone_sets_them() -> None:
    (frame,) = frames({"bn": "x:", "bu": "W"}, {"n": "p", "v": 5})
    assert (frame.body, frame.units, frame.labels) == ({"p": 5}, {"p": "W"}, {"base": "x:"})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "a"}, "record 2: it has no value"),
        ({"n": "a", "v": 1, "vs": "x"}, "it has v and vs: one value is meant"),
        ({"n": "a", "v": "1"}, "v is 1: a number is meant"),
        ({"n": "a", "v": 10**400}, "a number is meant"),
        ({"n": "a", "v": True}, "v is True: a number is meant"),
        ({"n": "a", "vb": 1}, "vb is 1: true or false is meant"),
        ({"n": "a", "vs": 1}, "vs is 1: text is meant"),
        ({"n": 5, "v": 1}, "n is 5: text is meant"),
        ({"v": 1}, "'' is no name"),
        ({"n": "-a", "v": 1}, "'-a' is no name"),
        ({"n": "a b", "v": 1}, "'a b' is no name"),
        ({"n": "a", "v": 1, "t": "now"}, "t is now: a number is meant"),
        ({"n": "a", "v": 1, "t": 1e20}, "out of all bounds"),
        ({"n": "a", "v": 1, "bver": 11}, "version 11 is later than the 10 known here"),
        ({"n": "a", "v": 1, "why_": 1}, "'why_' must be understood, and is not"),
    ],
)
def test_a_bad_record_is_refused_with_its_number_and_reason(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        frames({"n": "good", "v": 1}, record)


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"[[]]", b"7", b'[{"n":"a","v":1e400}]'])
def test_what_is_no_list_of_records_is_refused(payload: bytes) -> None:
    with pytest.raises(Rejected, match="no SenML, which is a list of records"):
        decoder("senml")(payload, NOW)


def test_a_pack_has_a_limit_of_records_and_of_moments() -> None:
    with pytest.raises(Rejected, match=f"more than {VALUES} records"):
        frames(*[{"n": "a", "v": 1}] * (VALUES + 1))
    with pytest.raises(Rejected, match=f"more than {FRAMES} times"):
        frames(*({"n": "a", "v": 1, "t": THEN + n} for n in range(FRAMES + 1)))


names = st.from_regex(r"[a-z][a-z0-9:/_-]{0,6}", fullmatch=True)
numbers = st.integers(-(10**6), 10**6)


@given(st.lists(st.tuples(names, names, st.integers(THEN, THEN + 9), numbers), min_size=1, max_size=12), numbers)
def test_a_pack_with_base_fields_means_the_same_as_its_resolved_records(
    said: list[tuple[str, str, int, int]], base_value: int
) -> None:
    pack: list[dict[str, Any]] = []
    wanted: dict[tuple[str, int], dict[str, int]] = {}
    for base, name, at, value in said:
        pack.append({"bn": base, "bt": THEN, "bv": base_value, "n": name, "t": at - THEN, "v": value - base_value})
        wanted.setdefault((base, at * 1_000_000), {})[name] = value
    assert {(f.labels["base"], f.at): f.body for f in frames(*pack)} == wanted
