from __future__ import annotations

from twins.manifests import Device
from twins.pruning import pruned


def test_what_a_schema_does_not_know_is_dropped_wherever_it_stands_and_what_is_free_stays():
    protocol = {"protocolName": "modbus", "configData": {"slaveID": 1, "x": {"y": [1]}}}
    desired = {"value": "1", "metadata": {"k": "v"}}
    metadata = {"name": "d1", "labels": {"any": "thing"}}
    known = {
        "metadata": metadata,
        "spec": {"protocol": protocol, "properties": [{"name": "a", "desired": desired}]},
    }
    more = {
        "metadata": metadata | {"of": "tomorrow"},
        "spec": {
            "tier": "gold",
            "protocol": protocol | {"retries": 3},
            "properties": [{"name": "a", "smoothing": {}, "desired": desired | {"x": 1}}],
        },
        "extra": 1,
    }
    assert pruned(more, Device) == known
    assert pruned(known, Device) == known


def test_what_does_not_fit_is_left_to_whoever_reads_it():
    for odd in ({"spec": 1}, {"spec": {"properties": "a"}}, {"spec": None}, [], 5):
        assert pruned(odd, Device) == odd
