"""What the cloud is told of a twin."""

from __future__ import annotations

import json
from pathlib import Path

from cloud import sync
from twins.values import Property, Synced, Twin, Value, Version

AT = 1_795_244_426_705_000
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "frames.jsonl").read_text().splitlines()]


def value(text: str, edge: int, cloud: int = 0) -> Value:
    return Value(text, AT, Version(edge, cloud))


def told(twin: Twin, *declared: str) -> dict:
    report = sync.report(twin, declared, AT, "mqtt:1:1")
    assert report is not None
    return json.loads(report.content)["twin"]


def test_a_report_is_edgecores_to_the_letter():
    recorded = next(
        json.loads(one["frame"])["content"] for one in RECORDED if '"edge_updated' not in one and '"21"' in one["frame"]
    )
    twin = Twin("default/thermo1", {"temperature": Property(value("21", 1), kind="int")})
    assert told(twin, "temperature") == recorded["twin"]


def test_what_the_edge_desires_travels_as_expected_beside_the_other_unconfirmed_properties():
    twin = Twin(
        "default/d1",
        {
            "temperature": Property(value("22", 2), value("30", 1, 3), "int", synced=Synced(2, 0)),
            "mode": Property(value("auto", 4), synced=Synced(3)),
            "quiet": Property(value("x", 5), synced=Synced(5)),
        },
    )
    report = sync.report(twin, ("temperature", "mode", "quiet"), AT, "page:1:9")
    assert report is not None
    assert json.loads(report.content) == {
        "event_id": "page:1:9",
        "timestamp": AT // 1000,
        "twin": {
            "temperature": {
                "expected": {"value": "30", "metadata": {"timestamp": AT // 1000}},
                "optional": True,
                "metadata": {"type": "int"},
                "expected_version": {"cloud": 3, "edge": 1},
            },
            "mode": {
                "actual": {"value": "auto", "metadata": {"timestamp": AT // 1000}},
                "optional": True,
                "metadata": {"type": "string"},
                "actual_version": {"cloud": 0, "edge": 4},
            },
        },
    }
    assert report.versions == {"temperature": (2, 1), "mode": (4, 0)}
    assert not report.twice


def test_what_is_reported_goes_with_what_was_desired_then():
    """CloudCore v1.23.1 shows it as `observedDesired`, and would show nothing there for what the cloud desires."""
    obeys = Property(value("30", 2), value("30", 0, 3), "int", synced=Synced(1, 0))
    said = told(Twin("default/d1", {"speed": obeys}), "speed")["speed"]
    assert (said["actual"]["value"], said["expected"]["value"]) == ("30", "30")
    assert said["expected_version"] == {"cloud": 3, "edge": 0}
    idle = Property(value("30", 2), value("30", 0, 3), "int", synced=Synced(2, 0))
    assert sync.report(Twin("default/d1", {"speed": idle}), ("speed",), AT) is None


def test_a_property_never_confirmed_before_is_sent_twice():
    twin = Twin("default/d1", {"a": Property(value("1", 7))})
    report = sync.report(twin, ("a",), AT)
    assert report is not None
    assert report.twice


def test_a_deleted_property_is_told_with_its_version_and_no_value():
    gone = Property(value("", 3), kind="deleted", deleted=True, synced=Synced(2))
    twin = Twin("default/d1", {"a": gone})
    assert told(twin, "a") == {
        "a": {"optional": True, "metadata": {"type": "deleted"}, "actual_version": {"cloud": 0, "edge": 3}}
    }


def test_undeclared_properties_are_left_out_and_named():
    twin = Twin("default/d1", {"ghost": Property(value("1", 1)), "a": Property(value("1", 1), synced=Synced(1))})
    assert sync.report(twin, ("a",), AT) is None
    assert sync.undeclared(twin, ("a",)) == ("ghost",)


def test_a_state_report_is_edgecores_to_the_letter():
    recorded = next(json.loads(one["frame"]) for one in RECORDED if "/state/update" in one["frame"])
    content = json.loads(recorded["content"])
    twin = Twin("default/thermo1", state="online", last_online=1_795_244_435_141_000)
    report = sync.state_report(twin, content["timestamp"] * 1000, content["event_id"])
    assert report is not None
    assert report.content.decode() == recorded["content"]


def test_a_device_without_a_state_has_none_to_report():
    assert sync.state_report(Twin("default/d1"), AT) is None
