from __future__ import annotations

import pytest

from gateway.manifests.documents import documents_of, in_order
from twins.errors import Rejected


def test_documents_and_lists_are_taken_apart_with_their_places() -> None:
    text = b"kind: A\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n---\n"
    assert [(where, d["kind"]) for where, d in documents_of(text, "f.yaml")] == [  # type: ignore[index]
        ("f.yaml#1", "A"),
        ("f.yaml#2: items[0]", "B"),
        ("f.yaml#2: items[1]", "C"),
    ]


def test_a_text_of_one_document_is_its_place() -> None:
    assert documents_of(b"---\nkind: A\n", "f.yaml") == [("f.yaml", {"kind": "A"})]
    assert [where for where, _ in documents_of(b"kind: DeviceList\nitems: [{kind: A}]", "f")] == ["f: items[0]"]
    with pytest.raises(Rejected, match="f: items: a DeviceList needs a list of objects"):
        documents_of(b"kind: DeviceList\nitems: {}", "f")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested more than 64 deep"),
        (b"{a: " * 70 + b"1" + b"}" * 70, "nested more than 64 deep"),
        (b"a: &x [1]\nb: *x\n", "aliases are not taken"),
        (b"a: [1", "not YAML"),
        (b"spec:\n  a: 1\n  b: {c: 1, c: 2}\n", "line 3, column 13: 'c' is there twice"),
        (b'{"a": 1, "a": 2}', "line 1, column 10: 'a' is there twice"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"a: !!int 1" + b":59" * 300_000, "a number with a colon"),
        (b"a: " + b"9" * 1_000_000, "not YAML"),
    ],
    ids=["brackets", "braces", "alias", "open", "twice", "twice-json", "bytes", "base-60", "digits"],
)
def test_what_is_no_manifest_is_refused_before_it_does_harm(text: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        documents_of(text, "f.yaml")


def test_dates_stay_text() -> None:
    assert documents_of(b"day: 2026-01-01\n")[0][1] == {"day": "2026-01-01"}


def test_times_of_day_stay_text_and_numbers_are_numbers() -> None:
    text = b"{at: 12:30, long: 1:59:59, decimal: 1:30.5, int: -12, hex: 0x1F, float: 1.5e+3, nothing: .5, word: 1e3}"
    assert documents_of(text)[0][1] == {
        "at": "12:30",
        "long": "1:59:59",
        "decimal": "1:30.5",
        "int": -12,
        "hex": 31,
        "float": 1500.0,
        "nothing": 0.5,
        "word": "1e3",
    }


def test_queries_come_after_those_they_read_and_models_before_all() -> None:
    text = b"""
{kind: Query, metadata: {name: day}, spec: {from: [{query: hour}]}}
---
{kind: Query, metadata: {name: hour}, spec: {from: [{property: t}, {query: default/minute}]}}
---
{kind: Device, metadata: {name: d}}
---
{kind: Query, metadata: {name: minute}, spec: {from: [{property: t}]}}
---
{kind: DeviceModel, metadata: {name: m}}
"""
    placed = [data for _, data in in_order(documents_of(text)) if isinstance(data, dict)]
    assert [data["metadata"]["name"] for data in placed] == ["m", "d", "minute", "hour", "day"]


def test_queries_that_go_round_and_nonsense_have_some_order() -> None:
    text = b"""
{kind: Query, metadata: {name: a}, spec: {from: [{query: b}]}}
---
{kind: Query, metadata: {name: b}, spec: {from: [{query: a}, 7, {query: []}]}}
---
{kind: Query, metadata: 3, spec: {from: 5}}
---
{kind: Query, spec: []}
---
- no manifest
"""
    assert len(in_order(documents_of(text))) == 5
