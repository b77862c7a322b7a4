"""A bad alarm is refused with the paths of its own manifest, not of the detector that it becomes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from rules.alarms.detector import detector
from rules.alarms.lint import check, faults
from rules.diagram import mermaid
from rules.manifest.action import Action, NoticeAction
from rules.manifest.alarm import Alarm, decode
from rules.manifest.detector import decode as decode_detector
from twins.errors import Rejected

DOCS = Path(__file__).parents[3] / "docs"
BAD = [{"set": {"device": "x", "property": "y", "value": "zz"}}]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"for": "soon"}, "spec.for: 'soon' is not a duration"),
        ({"flapping": {"within": "1ms"}}, "spec.flapping.within: '1ms' is not between"),
        ({"escalate": [{"after": "x"}]}, "spec.escalate[0].after: 'x' is not a duration"),
        ({"escalate": [{"after": "5m"}, {"after": "5m"}]}, "spec.escalate: each must come after the one before it"),
        ({"acknowledge": False, "latch": "unacknowledged"}, "spec.latch: unacknowledged needs acknowledge: true"),
        ({"acknowledge": False, "onAcknowledge": BAD}, "spec.onAcknowledge: never runs"),
        ({"inputs": {"alarm_x": {"property": "t"}, "t": {"property": "t"}}}, "spec.inputs.alarm_x: names that begin"),
        ({"message": "${nope}"}, "spec.message: 'nope' is no input"),
        ({"condition": {"when": "t +"}}, "spec.condition.when: not a CEL expression"),
        ({"condition": {"when": "t > 1.0", "clearWhen": "x"}}, "spec.condition.clearWhen: 'x' is no input"),
        ({"condition": {"input": "t", "threshold": "limit"}}, "spec.condition: 'limit' is no input"),
        ({"key": "${t}"}, "spec.key: 't' is no input and no variable"),
        ({"onRaise": BAD}, "spec.onRaise[0].set.value: 'zz' is no input"),
        ({"onClear": [{"clear": "x"}]}, "spec.onClear[0].clear: no action starts the timer 'x'"),
        ({"escalate": [{"after": "5m", "do": BAD}]}, "spec.escalate[0].do[0].set.value: 'zz' is no input"),
        ({"onRaise": [{"assign": {"alarm_count": "0.0"}}]}, "spec.onRaise[0].assign: an alarm has no variables"),
        (
            {"onRaise": [{"timer": {"name": "alarm_flap", "after": "1s"}}]},
            "spec.onRaise[0].timer.name: names that begin",
        ),
        ({"onClear": [{"clear": "alarm_snooze"}]}, "spec.onClear[0].clear: names that begin with alarm_"),
        ({"onClear": [{"notice": {"what": "raised", "state": "A"}}]}, "spec.onClear[0].notice: is made by the alarm"),
        ({"windows": {"w": {"from": "10:00", "to": "10:00"}}}, "spec.windows.w.to: equals from"),
    ],
)
def test_a_fault_is_told_once_with_its_path(alarm, spec, told):
    found = [str(fault) for fault in faults(alarm(**spec))]
    assert [each.startswith(told) for each in found] == [True], found
    with pytest.raises(Rejected, match=r"^Alarm default/hot: spec"):
        check(alarm(**spec))


def test_a_detector_written_by_hand_cannot_pretend_to_be_an_alarm(site):
    notice = {"notice": {"what": "raised", "state": "A"}}
    rule = {"metadata": {"name": "r"}, "spec": {"inputs": {"t": {"property": "t"}}, "initial": "A"}}
    rule["spec"]["states"] = {"A": {"onEnter": {"events": [{"do": [notice]}]}}}
    with pytest.raises(Rejected, match="is made by kind: Alarm; in a detector, write alert"):
        site.apply(decode_detector(rule))


def test_every_shape_of_an_alarm_becomes_a_detector_without_fault(alarm):
    for latch in (False, True, "unacknowledged"):
        for more in ({}, {"repeat": 5}, {"flapping": None}, {"startDisabled": True}, {"escalate": [{"after": 1}]}):
            assert faults(alarm(latch=latch, **more)) == []
    assert faults(alarm(acknowledge=False, latch=True)) == []


def test_its_diagram_has_the_states_that_it_can_be_in(alarm):
    drawn = mermaid(detector(alarm(acknowledge=False)))
    assert "Latched" not in drawn
    assert "Acknowledged" not in drawn
    assert "Acknowledged" in mermaid(detector(alarm(latch=True)))


def test_notices_are_the_only_actions_that_it_adds_beside_timers_and_variables(alarm):
    made = detector(alarm(latch=True, repeat="1m", escalate=[{"after": "1m"}]))
    actions = [a for state in made.spec.states.values() for each in state.on_input.transitions for a in each.do]
    assert {a.given for a in actions} == {("assign",), ("timer",), ("notice",)}
    assert Action(notice=NoticeAction("raised", "Active")).given == ("notice",)


def test_the_documentation_shows_alarms_that_can_be_applied_and_names_every_field():
    text = (DOCS / "alarms.md").read_text("utf-8")
    shown = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    assert faults(decode(shown)) == []
    example = yaml.safe_load((DOCS / "examples" / "rules" / "hot-boiler.yaml").read_text("utf-8"))
    assert faults(decode(example)) == []
    defs = msgspec.json.schema(Alarm)["$defs"]
    names = [name for part in ("Spec", "Condition", "Escalation", "Flapping") for name in defs[part]["properties"]]
    assert [name for name in names if f"`{name}" not in text] == []
