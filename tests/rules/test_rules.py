from __future__ import annotations

import sys
from subprocess import run

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.instructions import Decided, Drop, Keep, Raise, Wake
from rules.rules import Rules
from twins.errors import Rejected
from twins.instructions import Fact

TICK = {"timer": {"name": "tick", "seconds": 5}}
RICH = {
    "key": 'room-${part(device, "-", 1)}',
    "inputs": {
        "t": {"device": "t-*", "property": "t"},
        "open": {"device": "d-*", "property": "open", "type": "boolean"},
    },
    "variables": {"n": 0, "last": "", "armed": False},
    "windows": {"w": {"from": "00:00", "to": "00:01"}},
    "states": {
        "A": {
            "onEnter": {"events": [{"do": [{"assign": {"armed": "true"}}]}]},
            "onInput": {
                "events": [
                    {"when": "t > 0.0", "do": [{"assign": {"n": "n + 1.0", "last": "input"}}]},
                    {"when": 'timeout("tick")', "do": [{"alert": {"message": "tick ${n} ${t}"}}]},
                ],
                "transitions": [
                    {
                        "to": "B",
                        "when": "t > 2.0 && open",
                        "for": "3s",
                        "do": [{"timer": {"name": "tick", "seconds": 5}}],
                    },
                    {"to": "A", "name": "again", "when": "n > 4.0", "do": [{"assign": {"n": "0.0"}}]},
                ],
            },
            "onExit": {"events": [{"do": [{"set": {"device": "p", "property": "n", "value": "n"}}]}]},
        },
        "B": {
            "onInput": {
                "events": [{"when": 't < 0.0 && within("w")', "do": [{"clear": "tick"}]}],
                "transitions": [{"to": "A", "name": "rang", "when": 'timeout("tick") || !open'}],
            }
        },
    },
}
MOVES = st.one_of(
    st.tuples(st.just("t"), st.sampled_from(["t-1", "t-1", "t-2"]), st.sampled_from([3.0, 2.5, -1.0, "broken"])),
    st.tuples(st.just("open"), st.sampled_from(["d-1", "d-1", "d-2"]), st.sampled_from(["true", "true", "false"])),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.01, 1.0, 2.5, 4.0, 30.0])),
    st.just(("restart", "", 0)),
)


def play(site, moves, detector, *, restarts=True):
    site.apply(detector)
    for what, device, value in moves:
        if what == "wait":
            site.wait(value)
        elif what != "restart":
            site.fact(device, what, value)
        elif restarts:
            site.restart(detector)
    return site.done


@settings(max_examples=120, deadline=None)
@given(moves=st.lists(MOVES, min_size=5, max_size=60))
def test_a_restart_at_any_point_changes_nothing_that_is_decided(make_site, detector, moves):
    made = detector(**RICH)
    assert play(make_site(), moves, made) == play(make_site(), moves, made, restarts=False)


@settings(max_examples=50, deadline=None)
@given(moves=st.lists(MOVES, max_size=40))
def test_what_is_kept_on_disk_is_what_is_in_memory(make_site, detector, moves):
    site = make_site()
    play(site, moves, detector(**RICH))
    instances = site.rules.views()[0].instances
    assert set(site.states) == {f"default/rule/{each.key}" for each in instances}
    assert {timer: due for timer, (due, _) in site.timers.items()} == {
        f"default/rule/{each.key}#{timer}": due for each in instances for timer, due in each.timers.items()
    }


@settings(max_examples=50, deadline=None)
@given(moves=st.lists(MOVES, max_size=30))
def test_after_an_input_no_overdue_timer_of_its_instance_is_left(make_site, detector, moves):
    site = make_site().apply(detector(**RICH))
    for what, device, value in moves:
        if what == "wait":
            site.now += round(value * 1e6)  # nobody calls `expire`
        if what in {"wait", "restart"}:
            continue
        site.fact(device, what, value)
        room = next(each for each in site.rules.views()[0].instances if each.key == f"room-{device[-1]}")
        assert all(due > site.now for due in room.timers.values())


def test_restore_may_come_after_apply(site, make_site, detector):
    made = detector(**RICH)
    play(site, [("open", "d-1", "true"), ("t", "t-1", 3.0)], made)
    again = make_site().apply(made)
    assert again.rules.restore(site.states, site.timers) == []
    assert again.rules.views()[0].instances == site.rules.views()[0].instances


def test_an_instance_whose_kept_state_cannot_be_read_begins_anew_and_the_others_go_on(site, make_site, detector):
    made = detector(**RICH)
    play(site, [("open", "d-1", "true"), ("t", "t-1", 3.0)], made)
    again = make_site().apply(made)
    key = "default/rule/default/t-9"
    out = again.rules.restore(site.states | {key: b"?"}, site.timers)
    assert out[:2] == [Decided("default/rule", "default/t-9", "reset", "", "", ""), Drop(key)]
    assert [each.event.message for each in out[2:] if isinstance(each, Raise)] == [
        "1 instance of rule default/rule began anew: what was kept cannot be read"
    ]
    assert again.rules.views()[0].instances == site.rules.views()[0].instances


def test_an_early_call_sets_the_timer_again_and_a_stale_one_does_nothing(site, detector):
    states = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0", "for": "5s"}]}}, "B": {}}
    site.apply(detector(states=states))
    site.fact("t-1", "t", 2)
    timer = "default/rule/default/t-1#for:B"
    assert site.rules.expire(timer, 4_999_999, "c") == [Wake(timer, 5_000_000, b"c")]
    assert site.rules.expire(timer, 5_000_000, "c") != []
    assert site.rules.expire(timer, 6_000_000, "c") == []
    for foreign in ("", "x", "default/rule/default/t-1#nothing", "default/other/k#t", "default/rule/k#t"):
        assert site.rules.expire(foreign, 6_000_000, "c") == []


def test_an_input_runs_the_overdue_timers_of_its_instance_first(site, detector, look):
    states = {"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 1.0", "for": "5s"}]}}, "B": {}}
    site.apply(detector(states=states))
    site.fact("t-1", "t", 2)
    site.now = 9_000_000  # nobody called `expire`
    assert look.chosen(site.fact("t-1", "t", 0)) == ["B"]


def test_keys_and_timers_may_hold_slashes_and_hashes(site, detector, look):
    ring = {"name": "ring", "when": 'timeout("x")', "do": [{"alert": {"message": "x"}}]}
    events = [{"when": 'input == "t"', "do": [{"timer": {"name": "x", "seconds": 1}}]}, ring]
    site.apply(detector(key="a#b/c#d", states={"A": {"onInput": {"events": events}}}))
    site.fact("t-1", "t", 1)
    site.restart(detector(key="a#b/c#d", states={"A": {"onInput": {"events": events}}}))
    assert look.chosen(site.wait(1)) == ["ring"]


def test_a_bad_detector_is_refused_and_the_old_one_goes_on(site, detector, look):
    event = {"name": "go", "do": [{"alert": {"message": "x"}}]}
    site.apply(detector(states={"A": {"onInput": {"events": [event]}}}))
    with pytest.raises(Rejected):
        site.rules.apply(detector(initial="Z"))
    assert look.chosen(site.fact("t-1", "t", 1)) == ["go"]


def test_instances_are_bounded_and_the_rest_is_counted(detector, fact):
    rules = Rules(limit=2)
    rules.apply(detector())
    for n in range(5):
        rules.handle(fact(f"default/t-{n}", "t", 1), 0)
    assert (rules.instances, rules.turned_away) == (2, 3)
    rules.changes()
    rules.handle(fact("default/t-0", "t", 2), 0)
    assert [type(each) for each in rules.changes()] == [Keep]


def test_nothing_is_written_when_nothing_changed(site, detector):
    site.apply(detector())
    assert [type(each) for each in site.fact("t-1", "t", 1)] == [Keep]
    assert site.fact("t-1", "t", 1) == []


def test_without_rules_nothing_happens_and_nothing_heavy_is_loaded(fact):
    assert Rules().handle(fact("default/t-1", "t", 1), 0) == []
    code = (
        "import sys; from rules.rules import Rules; from rules import diagram, lint; Rules().views();"
        "print([name for name in ('cel', 'transitions') if name in sys.modules])"
    )
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_zone_of_the_site_is_refused_at_the_start():
    with pytest.raises(Rejected, match="IANA"):
        Rules("Mars")


def test_the_rules_are_told_with_their_instances(site, detector):
    site.apply(detector(description="what it is for", states={"A": {}}))
    site.fact("t-2", "t", 1)
    site.fact("t-1", "t", 1)
    (view,) = site.rules.views(limit=1)
    assert (view.name, view.description, view.states) == ("default/rule", "what it is for", {"A": 2})
    assert [each.key for each in view.instances] == ["default/t-1"]
    assert view.evaluations == 2
    assert list(site.rules.detectors) == ["default/rule"]


def test_an_unknown_detector_has_no_story(site):
    with pytest.raises(Rejected, match="no detector 'default/x'"):
        site.rules.explain("default/x")


def test_a_fact_reaches_every_rule_it_concerns(site, detector, example):
    site.apply(example("overheat"), detector(inputs={"t": {"property": "temperature"}}))
    out = site.fact("thermometer-1", "temperature", 20)
    assert [each.key for each in out if isinstance(each, (Keep, Drop))] == [
        "default/overheat/default/thermometer-1",
        "default/rule/default/thermometer-1",
    ]


def test_a_fact_of_infinity_or_none_is_unknown(site, detector):
    site.apply(detector())
    for number in (float("inf"), float("nan")):
        site.rules.handle(Fact("default/t-1", "c", "t", "x", number, 0, 0), 0)
    assert site.rules.views()[0].instances[0].values == {}
