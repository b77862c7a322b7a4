from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import lint
from twins.errors import Rejected

TEXT = {"assign": {"n": "'x'"}}
ON = "spec.states.A.onInput"


def on_input(**step):
    return {"A": {"onInput": {"events": [step]}}}


def arrows(*ways):
    return {"A": {"onInput": {"transitions": list(ways)}}, "B": {"onInput": {"transitions": [{"to": "A"}]}}}


@pytest.mark.parametrize(
    ("spec", "path", "reason"),
    [
        ({"initial": "Normall", "states": {"Normal": {}}}, "spec.initial", "did you mean Normal?"),
        ({"states": arrows({"to": "b"}, {"to": "B"})}, f"{ON}.transitions[0].to", "'b' is no state"),
        ({"states": {"A": {}, "B": {}}}, "spec.states.B", "cannot be reached"),
        ({"states": arrows({"to": "B", "when": "t > 1.0"}, {"to": "B"})}, f"{ON}.transitions[1].name", "own name"),
        ({"states": arrows({"to": "B", "for": "soon"})}, f"{ON}.transitions[0].for", "not a duration"),
        ({"states": on_input(do=[{}])}, f"{ON}.events[0].do[0]", "given: none"),
        ({"states": on_input(do=[{"clear": "x", "assign": {"n": "1.0"}}])}, f"{ON}.events[0].do[0]", "assign, clear"),
        ({"states": on_input(do=[{"clear": "x"}])}, f"{ON}.events[0].do[0].clear", "no action starts"),
        ({"states": on_input(do=[{"timer": {"name": "x"}}])}, f"{ON}.events[0].do[0].timer", "one of"),
        ({"states": on_input(do=[{"timer": {"name": "x", "seconds": 0}}])}, f"{ON}.events[0].do[0].timer", "10ms"),
        ({"states": on_input(do=[{"assign": {"n": "1.0"}}])}, f"{ON}.events[0].do[0].assign.n", "is no variable"),
        ({"states": on_input(do=[{"restart": "x"}])}, f"{ON}.events[0].do[0].restart", "no action starts"),
        (
            {"states": on_input(do=[{"timer": {"name": "x", "expression": "t > 1.0"}}])},
            f"{ON}.events[0].do[0].timer.expression",
            "no number",
        ),
        (
            {"states": on_input(do=[{"timer": {"name": "x", "after": "5m", "expression": "t"}}])},
            f"{ON}.events[0].do[0].timer",
            "one of seconds, after and expression",
        ),
        ({"states": on_input(when='schedule("x")')}, f"{ON}.events[0].when", "schedule() needs one name"),
        ({"schedules": {"s": {"cron": "61 * * * *"}}}, "spec.schedules.s", "61"),
        ({"schedules": {"s": {"cron": "0 0 30 2 *"}}}, "spec.schedules.s", "bad day-of-month"),
        ({"schedules": {"s": {"cron": "* * * * *", "zone": "Mars"}}}, "spec.schedules.s", "no time zone"),
        ({"inputs": {}}, "spec.inputs", "an input or a schedule"),
        ({"map": {"states": {"B": "A"}}}, "spec.map", "migration: map"),
        ({"migration": "map", "map": {"states": {"B": "AA"}}}, "spec.map.states.B", "did you mean A?"),
        ({"migration": "map", "map": {"variables": {"n": "m"}}}, "spec.map.variables.n", "is no variable"),
        ({"variables": {"t": 1}}, "spec.variables.t", "input too"),
        ({"variables": {"device": 1}}, "spec.variables.device", "take another name"),
        ({"variables": {"in": 1}}, "spec.variables.in", "take another name"),
        ({"variables": {"n": "x" * 257}}, "spec.variables.n", "longer"),
        ({"variables": {"n": float("inf")}}, "spec.variables.n", "finite"),
        ({"windows": {"w": {"from": "08:00", "to": "08:00"}}}, "spec.windows.w.to", "never opens"),
        ({"windows": {"w": {"from": "08:00", "to": "09:00", "zone": "Mars"}}}, "spec.windows.w.zone", "IANA"),
        ({"states": on_input(when="t >")}, f"{ON}.events[0].when", "not a CEL expression"),
        ({"states": on_input(when="tt > 1.0")}, f"{ON}.events[0].when", "'tt' is no input and no variable"),
        ({"variables": {"limit": 1}, "states": on_input(when="t > limt")}, f"{ON}.events[0].when", "mean limit?"),
        ({"states": on_input(when="t > 1.0 && contain('x')")}, f"{ON}.events[0].when", "did you mean contains?"),
        ({"states": on_input(when="t")}, f"{ON}.events[0].when", "no boolean"),
        ({"states": on_input(when="t - 1 > 0.0")}, f"{ON}.events[0].when", "write 30.0, not 30"),
        ({"states": on_input(when='t == "a" || t > "a"')}, f"{ON}.events[0].when", "overload"),
        ({"states": on_input(when='within("nigth")')}, f"{ON}.events[0].when", "within() needs one name in quotes"),
        ({"states": on_input(when='timeout("x")')}, f"{ON}.events[0].when", "timeout() needs"),
        ({"states": on_input(when="known(device)")}, f"{ON}.events[0].when", "known() needs"),
        ({"states": on_input(when="[1.0].map(x, x) == []")}, f"{ON}.events[0].when", "map() is not allowed"),
        ({"states": on_input(do=[{"alert": {"message": "${tt}"}}])}, f"{ON}.events[0].do[0].alert.message", "'tt'"),
        ({"states": on_input(do=[{"alert": {"message": "${t"}}])}, f"{ON}.events[0].do[0].alert.message", "closed"),
        (
            {"variables": {"n": 1}, "states": on_input(do=[{"assign": {"n": "'x'"}}])},
            f"{ON}.events[0].do[0].assign.n",
            "no number",
        ),
        ({"key": "${t}"}, "spec.key", "'t' is no input and no variable"),
    ],
)
def test_a_fault_is_named_with_path_and_reason(detector, spec, path, reason):
    found = lint.faults(detector(**spec))
    assert [fault.path for fault in found] == [path]
    assert reason in found[0].reason


def test_all_faults_are_told_at_once_up_to_ten(detector):
    steps = [{"when": f"wrong{n} > 1.0"} for n in range(12)]
    with pytest.raises(Rejected) as refused:
        lint.check(detector(states={"A": {"onInput": {"events": steps}}}))
    assert refused.value.reason.count("is no input") == 10
    assert refused.value.reason.startswith("Detector default/rule: spec.states.A.onInput.events[0].when: 'wrong0'")
    assert refused.value.reason.endswith("and 2 more")


@pytest.mark.parametrize("name", ["overheat", "door-open", "intruder"])
def test_the_examples_have_no_faults(example, name):
    assert lint.faults(example(name)) == []


def test_names_bound_by_macros_are_no_faults(detector):
    assert lint.faults(detector(states=on_input(when="[1.0, 2.0].exists(x, x == t)"))) == []


def test_an_unknown_zone_of_the_site_is_told(detector):
    night = {"night": {"from": "22:00", "to": "06:00"}}
    assert [fault.path for fault in lint.faults(detector(windows=night), "Mars")] == ["spec.windows.night.zone"]


PIECES = ["t", "n", "1", "2.5", "'s'", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}", ":", "?", "==", "<", "&&"]
PIECES += ["||", "!", ".", ",", "in", "size", "exists", "filter", "has", "true", "null", "int", "string", "dyn", "type"]
PIECES += ["part", "within", "timeout", '"w"', '"x"', "known", "device", "${", "b'y'", "1u", "x", '"', "\\", "//", "é"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_text_is_either_refused_or_can_be_run(make_site, detector, text):
    text = text or " "
    step = {"when": text, "do": [{"alert": {"message": f"${{{text}}} {text}"}}, {"assign": {"n": text}}]}
    made = detector(
        key=text,
        variables={"n": 1},
        windows={"w": {"from": "01:00", "to": "13:00"}},
        states=on_input(**step),
    )
    site = make_site()
    try:
        site.apply(made)
    except Rejected:
        return
    site.fact("t-1", "t", 2.5)
