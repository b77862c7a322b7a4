from __future__ import annotations

import pytest

from rules.manifest.detector import decode, microseconds
from twins.errors import Rejected

MINIMAL = {
    "apiVersion": "gemelo.dev/v1alpha1",
    "kind": "Detector",
    "metadata": {"name": "rule"},
    "spec": {"initial": "A", "inputs": {"t": {"property": "t"}}, "states": {"A": {}}},
}


def changed(**spec):
    return MINIMAL | {"spec": MINIMAL["spec"] | spec}


def test_a_minimal_manifest_has_defaults():
    detector = decode(MINIMAL)
    assert detector.id == "default/rule"
    assert detector.spec.key == "device"
    assert detector.spec.inputs["t"].device == "*"
    assert detector.spec.inputs["t"].type == "number"


def test_yaml_names_are_camel_case_and_words_of_python_are_allowed():
    arrow = {"to": "A", "for": "30s", "when": "true", "do": [{"clear": "x"}]}
    window = {"from": "22:00", "to": "06:00"}
    state = {"onEnter": {"events": [{"name": "e"}]}, "onInput": {"transitions": [arrow]}, "onExit": {}}
    spec = decode(changed(states={"A": state}, windows={"night": window})).spec
    assert spec.states["A"].on_input.transitions[0].hold == "30s"
    assert spec.windows["night"].start == "22:00"


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (MINIMAL | {"kind": "Dectector"}, "kind: 'Dectector' is not valid; did you mean Detector?"),
        (MINIMAL | {"metadata": {"name": "Not A Label"}}, "metadata.name: 'Not A Label' is not a Kubernetes DNS label"),
        (changed(inital="A"), "spec.inital: no such key; did you mean initial?"),
        (changed(states={}), "spec.states:"),
        (
            changed(states={"A": {"onInput": {"transitions": [{"when": "true"}]}}}),
            "spec.states.A.onInput.transitions[0].to: missing",
        ),
        (changed(windows={"night": {"from": "25:00", "to": "06:00"}}), "spec.windows.night.from: '25:00'"),
        (changed(inputs={"not a name": {"property": "t"}}), "spec.inputs:"),
        (
            changed(states={"A": {"onEnter": {"events": [{"when": "x" * 1025}]}}}),
            "spec.states.A.onEnter.events[0].when:",
        ),
        ("text", "object"),
    ],
)
def test_a_bad_manifest_is_refused_with_the_path(data, path):
    with pytest.raises(Rejected) as refused:
        decode(data, "rule.yaml")
    assert refused.value.reason.startswith("rule.yaml: ")
    assert path in refused.value.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", 250_000),
        ("30s", 30_000_000),
        ("1h30m", 5_400_000_000),
        ("1.5m", 90_000_000),
        (2, 2_000_000),
        (0.01, 10_000),
    ],
)
def test_durations_are_read(text, expected):
    assert microseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m5", "5x", "-5s", "9ms", 0, "367d", "1e3s", float("nan"), float("inf")]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|between"):
        microseconds(text)
