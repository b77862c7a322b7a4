"""Merge patches by the table of RFC 7396, JSON patches, and their limits."""

from __future__ import annotations

import json

import msgspec
import pytest

from web.kubernetes.patches import COPIES, MERGE, STEPS, merged, patched
from web.kubernetes.status import Failure


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_says(target, patch, result):
    assert merged(target, patch) == result


def test_a_patch_leaves_what_it_patches_as_it_was():
    data = {"spec": {"properties": [{"name": "speed"}]}}
    before = json.dumps(data)
    steps = [{"op": "add", "path": "/spec/properties/0/desired", "value": {"value": "5"}}]
    assert patched(data, json.dumps(steps).encode(), STEPS)["spec"]["properties"][0]["desired"] == {"value": "5"}
    patched(data, b'{"spec": {"properties": null}}', MERGE)
    assert json.dumps(data) == before


@pytest.mark.parametrize(
    ("patch", "kind", "code"),
    [
        (b"{}", "application/strategic-merge-patch+json", 415),
        (b"a: b", "application/apply-patch+yaml", 415),
        (b"[]", MERGE, 422),
        (b"{}", STEPS, 400),
        (b"[1]", STEPS, 400),
        (b'[{"op": "test", "path": "/spec", "value": 1}]', STEPS, 422),
        (b'[{"op": "replace", "path": "/none/of/it", "value": 1}]', STEPS, 422),
        (b'[{"op": "add", "path": "/kind/x", "value": 1}]', STEPS, 422),
        (b'[{"op": "conjure", "path": "/spec"}]', STEPS, 422),
        (b'[{"path": "/spec"}]', STEPS, 422),
        (b'[{"op": "remove", "path": ""}]', STEPS, 422),
        (json.dumps([{"op": "copy", "from": "/spec", "path": "/spec/x"}] * (COPIES + 1)).encode(), STEPS, 413),
        (json.dumps([{"op": "test", "path": "/kind", "value": "Device"}] * 1001).encode(), STEPS, 413),
    ],
)
def test_what_does_not_fit_is_refused(patch, kind, code):
    with pytest.raises(Failure) as failure:
        patched({"kind": "Device", "spec": {}}, patch, kind)
    assert failure.value.code == code


def test_what_is_no_json_is_told_apart():
    with pytest.raises(msgspec.DecodeError):
        patched({}, b"{", MERGE)
