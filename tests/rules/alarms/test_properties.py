"""Whatever is reported, commanded, waited for and killed: what holds of an alarm at every moment."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.alarms.order import COMMANDS, STANDING
from tests.rules.alarms.conftest import Plant, make_alarm
from tests.rules.conftest import Site
from twins.errors import Rejected

SHAPES = (
    {},
    {"latch": True, "for": "5s", "clearFor": "3s"},
    {"latch": "unacknowledged", "snooze": "20s", "condition": {"input": "t", "threshold": 80, "deadband": 10}},
    {"acknowledge": False, "flapping": None, "repeat": "7s"},
    {"startDisabled": True, "latch": True, "flapping": {"raises": 2, "within": "30s"}},
    {"escalate": [{"after": "5s", "severity": "error"}, {"after": "15s"}], "repeat": "4s"},
)
STEPS = st.one_of(
    st.tuples(st.just("report"), st.sampled_from((20, 75, 79, 81, 90, "broken"))),
    st.tuples(st.just("wait"), st.sampled_from((0.01, 1, 4, 11, 40))),
    st.tuples(st.just("command"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("late"), st.sampled_from((1, 30))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("change"), st.sampled_from(SHAPES)),
)


def step(plant: Plant, what: str, value: object) -> None:
    match what:
        case "report":
            plant.report(value)  # type: ignore[arg-type]
        case "wait":
            plant.wait(value)  # type: ignore[arg-type]
        case "command":
            with suppress(Rejected):
                plant.command(str(value))
        case "late":
            plant.site.now += round(float(str(value)) * 1e6)  # time passes and nobody looks at the timers
        case "restart":
            plant.restart()
        case "change":
            plant.apply(make_alarm(**value))  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=st.sampled_from(SHAPES), steps=st.lists(STEPS, max_size=25))
def test_raise_and_clear_alternate_and_no_path_leaves_an_alarm_standing_that_was_not_raised(shape, steps):
    plant = Plant(Site(), make_alarm(**shape))
    plant.report(20)
    for what, value in steps:
        before = len(plant.told())
        step(plant, what, value)
        told = plant.told()
        ends = [event.detail["what"] for event in told if event.detail["what"] in {"raised", "cleared"}]
        assert all(one != other for one, other in pairwise(ends)), ends
        assert ends[:1] in ([], ["raised"])
        stands = bool(ends) and ends[-1] == "raised"
        assert (plant.state in STANDING) == stands, (plant.state, ends)
        assert len({event.id for event in told}) == len(told)
        if told[before:]:
            assert plant.last_told().state == plant.state, "whoever has the last event knows the state"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.tuples(st.sampled_from((20, 90)), st.sampled_from((0.1, 1, 7))), max_size=120))
def test_within_the_time_that_bounds_flapping_it_is_raised_no_more_often_than_is_allowed(values):
    plant = Plant(Site(), make_alarm(flapping={"raises": 3, "within": "1m"}))
    for value, seconds in values:
        plant.report(value)
        plant.wait(seconds)
    raised = [event.at for event in plant.told() if event.detail["what"] == "raised"]
    windows = [[at for at in raised if first <= at < first + 60_000_000] for first in raised[::3]]
    assert all(len(window) <= 3 for window in windows)
