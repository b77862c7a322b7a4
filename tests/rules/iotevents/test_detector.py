"""Imported models at work: the same states, actions and timers as IoT Events' semantics have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.instructions import Act, Wake
from rules.iotevents import Options
from rules.iotevents.inputs import Source, sources
from rules.manifest.detector import decode
from rules.tasks import Publish
from twins.errors import Rejected

X = "$input.In.x"


def counting(make: Any, method: str) -> dict[str, Any]:
    """Counts inputs, tells at two, and leaves at two: which of these see the new count depends on the method."""
    events = [
        make.event("count", None, make.put("n", "$variable.n + 1")),
        make.event("tell", f"$variable.n >= 2 && {X} > 0", make.tell("'n=${$variable.n}'")),
    ]
    begin = make.event("begin", "true", make.put("n", "0"))
    ways = [make.event("leave", "$variable.n >= 2", to="B")]
    return dict(
        make.model(make.state("A", enter=[begin], events=events, ways=ways), make.state("B"), evaluationMethod=method)
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [("BATCH", [("A", []), ("A", []), ("B", ["n=3"])]), ("SERIAL", [("A", []), ("B", ["n=2"])])],
)
def test_in_a_batch_conditions_see_the_values_from_before_and_serially_the_new_ones(
    make: Any, site: Any, look: Any, method: str, expected: list[tuple[str, list[str]]]
) -> None:
    site.apply(make.detector(counting(make, method)))
    found = [(look.told(site.fact("t-1", "x", 1)), site.state()) for _ in expected]
    assert [(state, told) for told, state in found] == expected


@given(method=st.sampled_from(["BATCH", "SERIAL"]), values=st.lists(st.integers(-1, 2), max_size=12))
def test_states_are_those_of_a_plain_reading_of_the_semantics(
    make: Any, make_site: Any, method: str, values: list[int]
) -> None:
    """The far side is written down here in a few lines, apart from all that is tested."""
    serial = method == "SERIAL"
    site = make_site().apply(make.detector(counting(make, method)))
    state, n = "A", 0
    for value in values:
        site.fact("t-1", "x", value)
        if state == "A":
            before, n = n, n + 1
            state = "B" if (n if serial else before) >= 2 else "A"
        assert site.state() == state


def test_no_second_state_is_evaluated_with_the_same_input(make: Any, site: Any) -> None:
    states = [make.state(name, ways=[make.event("on", f"{X} > 0", to=to)]) for name, to in ("AB", "BC", "CA")]
    site.apply(make.detector(make.model(*states)))
    found = []
    for _ in range(4):
        site.fact("t-1", "x", 1)
        found.append(site.state())
    assert found == ["B", "C", "A", "B"]


def test_the_first_way_whose_condition_holds_is_taken_after_the_events_and_before_the_new_state(
    make: Any, site: Any, look: Any
) -> None:
    ways = [
        make.event("no", f"{X} > 5", make.tell("'no'"), to="C"),
        make.event("yes", f"{X} > 1", make.tell("'way'"), to="B"),
        make.event("late", "true", make.tell("'late'"), to="C"),
    ]
    a = make.state(
        "A",
        enter=[make.event("in", None, make.tell("'enter A'"))],
        events=[make.event("each", None, make.tell("'input'"))],
        ways=ways,
        leave=[make.event("out", None, make.tell("'exit A'"))],
    )
    b = make.state("B", enter=[make.event("in", None, make.tell("'enter B'"))])
    site.apply(make.detector(make.model(a, b, make.state("C"))))
    assert look.told(site.fact("t-1", "x", 2)) == ["enter A", "input", "exit A", "way", "enter B"]


def test_what_is_no_boolean_never_holds_and_is_named(make: Any, site: Any, told: Any) -> None:
    ways = [make.event("number", f"{X} + 1", to="B"), make.event("text", "'true'", to="B")]
    model = make.model(make.state("A", ways=[*ways, make.event("on", f"{X} > 9", to="B")]), make.state("B"))
    site.apply(make.detector(model))
    site.fact("t-1", "x", 5)
    assert site.state() == "A"
    assert sum("no boolean" in how for how in told(make.bring(model), "differs").values()) == 2


def test_what_is_unknown_makes_a_condition_false_until_it_comes(make: Any, site: Any) -> None:
    ways = [make.event("both", "$input.In.x > 1 && $input.Other.y > 1", to="B")]
    site.apply(make.detector(make.model(make.state("A", ways=ways), make.state("B"))))
    site.fact("t-1", "x", 5)
    assert site.state() == "A"
    site.fact("t-1", "y", 5)
    assert site.state() == "B"


def test_a_negated_choice_with_an_unknown_side_is_named(make: Any, told: Any) -> None:
    way = make.event("none", f"!({X} > 1 || $input.In.y > 1)", to="A")
    (how,) = [
        each
        for path, each in told(make.bring(make.model(make.state("A", ways=[way]))), "differs").items()
        if path.endswith(".condition")
    ]
    assert how.startswith("while a value in it is unknown")


def test_a_variable_is_undefined_until_it_is_set(make: Any, site: Any, look: Any) -> None:
    events = [
        make.event("first", "isUndefined($variable.seen)", make.tell("'first'")),
        make.event("keep", None, make.put("seen", X)),
    ]
    site.apply(make.detector(make.model(make.state("A", events=events))))
    assert look.told(site.fact("t-1", "x", 0)) == ["first"]
    assert look.told(site.fact("t-1", "x", 0)) == []


def test_a_timer_ends_after_whole_seconds_and_is_reset_with_its_first_length(make: Any, site: Any, look: Any) -> None:
    begin = [make.event("set", None, {"setTimer": {"timerName": "the end", "durationExpression": f"{X} * 1.9"}})]
    events = [
        make.event("again", f'currentInput("In") && {X} < 0', {"resetTimer": {"timerName": "the end"}}),
        make.event("stop", f"{X} == 0", {"clearTimer": {"timerName": "the end"}}),
    ]
    ways = [make.event("over", 'timeout("the end") && triggerType("Timer")', make.tell("'over'"), to="B")]
    detector = make.detector(make.model(make.state("A", enter=begin, events=events, ways=ways), make.state("B")))
    site.apply(detector)
    assert [each.due for each in site.fact("t-1", "x", 31) if isinstance(each, Wake)] == [58_000_000]
    site.wait(50)
    site.fact("t-1", "x", -1)
    site.wait(57.9)
    assert site.state() == "A"
    assert look.told(site.wait(0.2)) == ["over"]
    site.fact("t-2", "x", 31)
    site.fact("t-2", "x", 0)
    assert site.wait(100) == []


def test_instances_are_told_apart_by_device_by_a_key_of_ours_or_not_at_all(make: Any, make_site: Any) -> None:
    model = make.model(make.state("A", ways=[make.event("on", f"{X} > 0", to="B")]), make.state("B"))
    keys = {}
    for name, one in (("device", model), ("none", {**model, "key": None})):
        site = make_site().apply(make.detector(one))
        for device in ("hall-1", "hall-2", "yard-1"):
            site.fact(device, "x", 1)
        keys[name] = {each.key for view in site.rules.views() for each in view.instances}
    assert keys == {"device": {"default/hall-1", "default/hall-2", "default/yard-1"}, "none": {"watch"}}
    options = Options(key='${part(part(device, "/", 1), "-", 0)}')
    site = make_site().apply(make.detector(model, options))
    for device in ("hall-1", "hall-2", "yard-1"):
        site.fact(device, "x", 1)
    assert {each.key for view in site.rules.views() for each in view.instances} == {"hall", "yard"}


def test_inputs_come_from_where_they_are_said_to(make: Any) -> None:
    ways = [make.event("on", "$input.In.a.x > 1 && $input.In.b == $input.Word.w", to="A")]
    model = make.model(make.state("A", ways=ways))
    said = sources(["In.a.x=boiler-*/heat", "In=*/*", "Word=plant/desk:1/word:string"])
    assert said["In"] == Source("*", None, None)
    found = make.bring(model, Options(said)).manifest["spec"]["inputs"]
    assert found == {
        "x": {"device": "boiler-*", "property": "heat"},
        "b": {"property": "b", "type": "string"},
        "w": {"device": "plant/desk:1", "property": "word", "type": "string"},
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("In=*/x", "In has several attributes, In.a.x, In.b: say it of each, or end in /*"),
        ("Inn=*/x", "Inn: no expression uses such an input; did you mean In?"),
        ("In", "'In' is not NAME=DEVICE/PROPERTY"),
        ("In=x", "'In=x' is not NAME=DEVICE/PROPERTY"),
    ],
)
def test_what_fits_no_input_is_refused(make: Any, said: str, why: str) -> None:
    ways = [make.event("on", "$input.In.a.x > 1 && $input.In.b > 1", to="A")]
    with pytest.raises(Rejected) as refused:
        make.bring(make.model(make.state("A", ways=ways)), Options(sources([said])))
    assert refused.value.reason.startswith(why)


def test_an_input_that_is_only_asked_for_is_watched_where_it_is_said(make: Any, site: Any, look: Any) -> None:
    model = make.model(make.state("A", events=[make.event("beat", 'currentInput("Beat")', make.tell("'beat'"))]))
    (left,) = [each for each in make.bring(model).findings if each.path.endswith(".condition")]
    assert left.verdict == "not taken"
    assert "--input Beat=DEVICE/PROPERTY" in left.how
    site.apply(make.detector(model, Options(sources(["Beat=*/alive"]))))
    assert look.told(site.fact("t-1", "alive", 1)) == ["beat"]


def test_every_action_is_taken_or_named(make: Any, told: Any) -> None:
    payload = {"contentExpression": "'{\"x\": ${$input.In.x}}'", "type": "JSON"}
    site_wise = {"propertyAlias": "/plant/line/rate", "propertyValue": {"value": {"doubleValue": f"{X} * 2"}}}
    actions = [
        {"iotTopicPublish": {"mqttTopic": "'line/${$input.In.x}'", "payload": payload}},
        {"iotTopicPublish": {"mqttTopic": "$aws/things/a/shadow/update"}},
        {"sns": {"targetArn": "arn", "payload": payload}},
        {"lambda": {"functionArn": "arn", "payload": payload}},
        {"sqs": {"queueUrl": "https://q", "useBase64": True}},
        {"firehose": {"deliveryStreamName": "s", "separator": "\n"}},
        {"dynamoDB": {"tableName": "t", "hashKeyField": "k", "hashKeyValue": "$input.In.id"}},
        {"dynamoDBv2": {"tableName": "t", "payload": payload}},
        {"iotSiteWise": site_wise},
        {"iotEvents": {"inputName": "Other"}},
    ]
    model = make.model(make.state("A", events=[make.event("all", f"{X} > 1", *actions)]))
    found = make.bring(model)
    (step,) = found.manifest["spec"]["states"]["A"]["onInput"]["events"]
    body = '{"x": ${x}}'
    assert step["do"] == [
        {"publish": {"topic": "line/${x}", "payload": body}},
        {"alert": {"message": body}},
        {"write": {"property": "rate", "value": "x * 2.0"}},
    ]
    assert [path.rpartition("]")[0][-1] for path in told(found, "not taken")] == list("1345679")
    more = make.bring(model, Options(webhook="https://hub.example.com/in", channel="night"))
    (step,) = more.manifest["spec"]["states"]["A"]["onInput"]["events"]
    assert [next(iter(each)) for each in step["do"]] == ["publish", "notify", *["webhook"] * 5, "write"]
    assert (found.faults, more.faults) == ((), ())


def test_the_kiln_of_the_documentation_decides_as_its_model_says(
    make: Any, kiln: dict[str, Any], site: Any, look: Any, told: Any
) -> None:
    site.apply(make.detector(kiln))
    states = []
    for value in (1300, 1300, 1300):
        done = site.fact("kiln-7", "temperature", value)
        states.append(site.state("default/kiln-7"))
    assert states == ["Safe", "Safe", "Over-heated"]
    assert look.told(done) == ["Kiln kiln-7 has 1300 degrees"]
    (act,) = [each for each in done if isinstance(each, Act)]
    assert act.task == Publish("kilns/siren", '{"on": true, "strikes": 3}')
    assert [round(each.due / 1e6) for each in done if isinstance(each, Wake) and each.due] == [91]
    site.wait(60)
    site.fact("kiln-7", "temperature", 1250)
    site.wait(60)
    site.fact("kiln-7", "temperature", 900)
    site.wait(31.1)
    assert site.state("default/kiln-7") == "Safe"
    left = told(make.bring(kiln), "not taken")
    assert [path.rpartition(".")[2] for path in left] == ["lambda", "condition", "roleArn"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"initialStateName": "Sfae"}, "detectorModelDefinition.initialStateName: 'Sfae' is no state; did you"),
        ({"states": []}, "model.json: detectorModelDefinition.states: expected array of length >= 1"),
    ],
)  # fmt: skip
def test_a_definition_that_does_not_hold_together_is_refused(
    make: Any, kiln: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    kiln["detectorModelDefinition"] |= change
    with pytest.raises(Rejected) as refused:
        make.bring(kiln)
    assert refused.value.reason.startswith(why)


def test_what_is_wrong_within_a_state_is_refused_with_its_path(make: Any) -> None:
    way = "detectorModelDefinition.states[1].onInput.transitionEvents[0]"
    event = "detectorModelDefinition.states[1].onEnter.events[0]"
    wrong = {
        f"{way}.nextState: 'C' is no state": make.state("B", ways=[make.event("on", "true", to="C")]),
        f"{way}.condition: smooth() is no function": make.state("B", ways=[make.event("on", "smooth(1)", to="A")]),
        f"{event}.actions[0].setVariable.value: ": make.state("B", enter=[make.event("on", None, make.put("a", "1+"))]),
        f"{event}.actions[0]: one action is needed": make.state("B", enter=[make.event("on", None, {})]),
        f"{event}.actions[0].setTimer: either seconds": make.state(
            "B", enter=[make.event("on", None, {"setTimer": {"timerName": "t"}})]
        ),
        "detectorModelDefinition.states[1].stateName: 'A' is there twice": make.state("A"),
    }  # fmt: skip
    for why, state in wrong.items():
        a = make.state("A", ways=[make.event("on", f"{X} > 1", to=state["stateName"])])
        with pytest.raises(Rejected) as refused:
            make.bring(make.model(a, state))
        assert refused.value.reason.startswith(why)


def test_names_that_are_none_here_get_others_and_states_that_nothing_leads_to_are_named(make: Any, told: Any) -> None:
    ways = [make.event("on", f"{X} > 1 && $variable.device > 0", to="über 90 °C"), make.event("on", "true", to="A")]
    model = make.model(
        make.state("A", ways=ways), make.state("über 90 °C"), make.state("Lost"), detectorModelName="Heiz_Kreis2"
    )
    found = make.bring(model)
    detector = decode(found.manifest)
    assert (found.faults, detector.id) == ((), "default/heiz-kreis2")
    assert list(detector.spec.states) == ["A", "ber-90-C"]
    assert [each.name for each in detector.spec.states["A"].on_input.transitions] == ["on", "on_2"]
    assert list(detector.spec.variables) == ["device_2"]
    assert told(found, "not taken") == {
        "detectorModelDefinition.states[2]": "no way leads to it from the initial state"
    }


def test_a_timer_whose_end_another_state_would_miss_is_named(make: Any, told: Any) -> None:
    set_it = make.event("set", None, {"setTimer": {"timerName": "t", "seconds": 60}})
    a = make.state("A", enter=[set_it], ways=[make.event("on", f"{X} > 1", to="B")])
    b = make.state("B", ways=[make.event("over", 'timeout("t")', to="A")])
    assert "if it ends in A," in told(make.bring(make.model(a, b)), "differs")['timeout("t")']
    cleared = a | {"onExit": {"events": [make.event("no", None, {"clearTimer": {"timerName": "t"}})]}}
    c = make.state("A", enter=[set_it], ways=[make.event("over", 'timeout("t")', to="B")])
    assert 'timeout("t")' not in told(
        make.bring(make.model(c, make.state("B", ways=b["onInput"]["transitionEvents"]))), "differs"
    )
    assert 'timeout("t")' in told(make.bring(make.model(cleared, b)), "differs")
