from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from rules.diagram import mermaid, svg
from rules.manifest.detector import Detector, Metadata, OnInput, Spec, State, Transition

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def ring(detector):
    """Five states: forth, back, to itself, within a column."""

    def state(*ways):
        return {"onInput": {"transitions": [{"when": "t > 1.0"} | way for way in ways]}}

    return detector(
        states={
            "A": state({"to": "B"}, {"to": "C"}),
            "B": state({"to": "C", "name": "down"}, {"to": "D"}),
            "C": state({"to": "B", "name": "up"}, {"to": "D", "for": "5m"}),
            "D": state({"to": "A", "name": "home"}, {"to": "D", "name": "stay"}),
        }
    )


def test_mermaid_names_states_and_transitions_and_marks_the_live_ones(ring):
    assert mermaid(ring, {"B": 2, "C": 0}).splitlines() == [
        "stateDiagram-v2",
        "  direction LR",
        '  state "A" as s0',
        '  state "B" as s1',
        '  state "C" as s2',
        '  state "D" as s3',
        "  [*] --> s0",
        "  s0 --> s1: B",
        "  s0 --> s2: C",
        "  s1 --> s2: down",
        "  s1 --> s3: D",
        "  s2 --> s1: up",
        "  s2 --> s3: D (for 5m)",
        "  s3 --> s0: home",
        "  s3 --> s3: stay",
        "  classDef live stroke-width:3px",
        "  class s1 live",
    ]


def test_svg_has_every_state_and_transition_and_marks_the_live_ones(ring):
    root = ElementTree.fromstring(svg(ring, {"B": 2}))
    states = {each.get("data-state"): each for each in root.iter(f"{SVG}g") if each.get("data-state")}
    assert {name: each.get("class") for name, each in states.items()} == {
        "A": "state",
        "B": "state live",
        "C": "state",
        "D": "state",
    }
    assert [each.text for each in states["B"].iter(f"{SVG}text")] == ["B", "2"]
    edges = [each for each in root.iter(f"{SVG}g") if str(each.get("class")).startswith("edge")]
    assert len(edges) == 8
    titles = [each.findtext(f"{SVG}title") for each in edges]
    assert "D (for 5m): t > 1.0" in titles


def test_states_are_in_columns_by_distance_and_do_not_overlap(ring):
    root = ElementTree.fromstring(svg(ring))
    boxes = [
        tuple(int(each.get(name, 0)) for name in ("x", "y", "width", "height")) for each in root.iter(f"{SVG}rect")
    ]
    assert len({(x, y) for x, y, _, _ in boxes}) == 4
    assert len({x for x, _, _, _ in boxes}) == 3
    for x, y, width, height in boxes:
        assert x >= 0
        assert x + width <= int(root.get("width", 0))
        assert y + height <= int(root.get("height", 0))


def test_hostile_names_are_escaped():
    evil = '<script>alert("1")</script>\n&:;'
    arrow = Transition(evil, when=evil)
    spec = Spec(evil, {}, {evil: State(on_input=OnInput(transitions=(arrow,)))})
    detector = Detector(Metadata('"><b>', '"><i>'), spec)  # not decoded, so not checked
    drawn = svg(detector, {evil: 1})
    assert "<script" not in drawn
    assert "<b>" not in drawn
    root = ElementTree.fromstring(drawn)
    assert [each.get("data-state") for each in root.iter(f"{SVG}g") if each.get("data-state")] == [
        evil.replace("\n", " ")
    ]
    text = mermaid(detector)
    assert "<script" not in text
    assert len(text.splitlines()) == 5


def test_a_detector_of_the_documentation_is_drawn(example):
    drawn = svg(example("intruder"), {"Watching": 1})
    assert 'class="state live" data-state="Watching"' in drawn
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}title") == "default/intruder"
    assert msgspec.to_builtins(example("intruder"))["kind"] == "Detector"
