from __future__ import annotations

import random
import re
from itertools import combinations
from xml.etree import ElementTree

import msgspec
import pytest
from msgspec import structs

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
        "  s0 --> s1: t #62; 1.0",
        "  s0 --> s2: t #62; 1.0",
        "  s1 --> s2: down",
        "  s1 --> s3: t #62; 1.0",
        "  s2 --> s1: up",
        "  s2 --> s3: t #62; 1.0 for 5m",
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
    assert "C → D: t > 1.0 for 5m" in titles
    assert "B → C: down: t > 1.0" in titles
    told = root.findtext(f"{SVG}desc") or ""
    assert told.startswith("It begins in A. States: A, B (2 now), C, D. A → B: t > 1.0. ")


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


def test_heads_of_arrows_are_found_whatever_a_detector_is_called(ring):
    named = structs.replace(ring, metadata=Metadata("alarm:hot.boiler"))
    drawn = svg(named)
    assert {"arrow"} == set(re.findall(r"url\(#([\w-]+)\)", drawn)) == set(re.findall(r'<marker id="([^"]+)"', drawn))
    assert drawn.count("url(") == drawn.count("url(#arrow)")


def test_a_detector_of_the_documentation_is_drawn(example):
    drawn = svg(example("intruder"), {"Watching": 1})
    assert 'class="state live" data-state="Watching"' in drawn
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}title") == "default/intruder"
    assert msgspec.to_builtins(example("intruder"))["kind"] == "Detector"


def boxes_of(root):
    """Name of each state to its rectangle: left, top, right, bottom."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        if name := group.get("data-state"):
            x, y, width, height = (int(group.find(f"{SVG}rect").get(side)) for side in ("x", "y", "width", "height"))
            found[name] = (x, y, x + width, y + height)
    return found


def labels_of(root):
    """Text of each way to about where it stands."""
    for group in root.iter(f"{SVG}g"):
        if group.get("data-from"):
            text = group.find(f"{SVG}text")
            x, y, half = int(text.get("x")), int(text.get("y")), 3 * len(text.text)
            yield text.text, (x - half, y - 10, x + half, y + 2)


def meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def graph(detector, count, seed):
    """So many states in a tree, and half as many ways anywhere."""
    chance = random.Random(seed)
    names = [f"State{number}" for number in range(count)]
    ways = {name: [] for name in names}
    for number in range(1, count):
        ways[names[chance.randrange(max(0, number - 4), number)]].append((names[number], f"t > {number}.0"))
    for number in range(count // 2):
        ways[chance.choice(names)].append((chance.choice(names), f"temperature < {number}.0 && pressure > 3.0"))
    return detector(
        states={
            name: {"onInput": {"transitions": [{"to": to, "when": when} for to, when in each]}}
            for name, each in ways.items()
        },
        initial="State0",
    )


@pytest.mark.parametrize("count", [2, 3, 6, 12, 20])
def test_boxes_never_meet_and_labels_meet_no_box_and_hardly_each_other(detector, count):
    for seed in range(8):
        root = ElementTree.fromstring(svg(graph(detector, count, seed)))
        boxes = list(boxes_of(root).values())
        assert len(boxes) == count
        assert not [1 for one, other in combinations(boxes, 2) if meet(one, other)]
        labels = [area for _, area in labels_of(root)]
        assert not [1 for area in labels for box in boxes if meet(area, box)]
        assert sum(meet(one, other) for one, other in combinations(labels, 2)) <= count // 6
        left, top, width, height = map(int, root.get("viewBox").split())
        for x1, y1, x2, y2 in boxes + labels:
            assert left <= x1 <= x2 <= left + width
            assert top <= y1 <= y2 <= top + height


def test_every_way_begins_and_ends_at_its_boxes(detector):
    for seed in range(8):
        root = ElementTree.fromstring(svg(graph(detector, 12, seed)))
        boxes = boxes_of(root)
        for group in root.iter(f"{SVG}g"):
            if group.get("data-from"):
                numbers = [int(each) for each in re.findall(r"-?\d+", group.find(f"{SVG}path").get("d"))]
                if "V" in group.find(f"{SVG}path").get("d"):
                    numbers.insert(-1, numbers[0])
                ends = (group.get("data-from"), numbers[:2]), (group.get("data-to"), numbers[-2:])
                for name, (x, y) in ends:
                    x1, y1, x2, y2 = boxes[name]
                    on_a_side = x in (x1, x2) and y1 <= y <= y2
                    assert on_a_side or (y in (y1, y2) and x1 <= x <= x2), (seed, group.get("data-from"), name)


def test_a_state_that_nothing_leads_to_is_drawn_and_a_long_condition_is_cut(detector):
    when = "temperature > 10.0 && pressure > 20.0 && humidity > 30.0"
    lonely = detector(states={"A": {"onInput": {"transitions": [{"to": "A", "when": when}]}}, "B": {}})
    root = ElementTree.fromstring(svg(lonely))
    assert set(boxes_of(root)) == {"A", "B"}
    assert [text for text, _ in labels_of(root)] == ["temperature > 10.0 && pre…"]
    assert when in (root.findtext(f"{SVG}desc") or "")
