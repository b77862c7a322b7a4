"""A rule that is slow, or that fails, is evaluated no more; the others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rules import machine
from rules.instructions import Decided, Raise, Wake
from rules.quarantine import MOST, SLOW, WEIGHT, Quarantine
from rules.rules import LOOK_AGAIN, Rules


class Gauge:
    """Seconds that stand still but for those that the test lets go by while the rule `slow` is evaluated."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cost = 0.0

    def __call__(self) -> float:
        self.now += self.cost / 2
        return self.now


@pytest.fixture
def gauge(site: Any) -> Gauge:
    gauge = Gauge()
    site.rules = Rules(gauge=gauge)
    return gauge


def rule(detector: Callable[..., Any], **spec: Any) -> Any:
    alert = {"name": "go", "do": [{"alert": {"message": "go"}}, {"timer": {"name": "later", "after": "10s"}}]}
    late = {"name": "late", "when": "timeout('later')", "do": [{"alert": {"message": "late"}}]}
    other = {"name": "go", "when": "input == 't'", "do": alert["do"]}
    return detector(states={"A": {"onInput": {"events": [other, late]}}}, **spec)


def raised(out: list[Any]) -> list[str]:
    return [each.event.message for each in out if isinstance(each, Raise)]


def test_three_slow_evaluations_in_a_row_are_too_many(site: Any, detector: Any, gauge: Gauge) -> None:
    site.apply(rule(detector))
    gauge.cost = 3 * SLOW
    told = [raised(site.fact("t-1", "t", 1)) for _ in range(4)]
    assert [len(each) for each in told] == [1, 1, 2, 0]
    assert told[2][1].startswith("rule default/rule is in quarantine: its evaluations take too long: the last 15 ms")
    view = site.rules.views()[0]
    assert view.trouble.startswith("its evaluations take too long")
    assert (site.rules.quarantined, site.rules.skipped, view.evaluations) == (1, 1, 3)


def test_one_slow_evaluation_now_and_then_is_none_of_the_rules_doing() -> None:
    quarantine = Quarantine()
    for _ in range(1000):
        assert not quarantine.note(1.0, "")
        for _ in range(WEIGHT):
            assert not quarantine.note(0.0, "")


@pytest.mark.parametrize("quick", [0, 1, 2, 3])
def test_one_in_five_is_too_many_for_long(quick: int) -> None:
    quarantine = Quarantine()
    rounds = 0
    while not quarantine.note(1.0, ""):
        rounds += 1
        assert rounds < MOST
        for _ in range(quick):
            quarantine.note(0.0, "")


def test_state_and_timers_are_kept_and_the_rule_that_is_applied_again_goes_on(
    site: Any, detector: Any, gauge: Gauge
) -> None:
    site.apply(rule(detector))
    gauge.cost = 3 * SLOW
    for _ in range(3):
        site.fact("t-1", "t", 1)
    gauge.cost = 0.0
    (timer,) = site.timers
    out = site.wait(11)
    assert out == [Wake(timer, site.timers[timer][0], b"test:1:3")]
    assert site.timers[timer][0] == 10_000_000 + LOOK_AGAIN
    assert site.rules.views()[0].instances[0].timers == {"later": 10_000_000}
    site.apply(rule(detector))
    assert site.rules.quarantined == 0
    assert raised(site.wait(60)) == ["late"]
    assert raised(site.fact("t-1", "t", 1)) == ["go"]


def test_a_timer_whose_evaluation_fails_rings_again_when_the_rule_is_let_out(
    site: Any, detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = [{"alert": {"message": "held"}}]
    held = detector(
        states={"A": {"onInput": {"transitions": [{"to": "B", "when": "t > 0.0", "for": "10s", "do": alert}]}}, "B": {}}
    )
    site.apply(held)
    site.fact("t-1", "t", 1)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_ready", lambda *_: 1 // 0)
        site.wait(11)
    assert site.rules.trouble("default/rule").startswith("an evaluation failed: ZeroDivisionError")
    assert len(site.timers) == 1
    site.apply(held)
    assert raised(site.wait(60)) == ["held"]


def test_a_changed_rule_is_let_out_too_and_a_restart_begins_anew(site: Any, detector: Any, gauge: Gauge) -> None:
    site.apply(rule(detector))
    gauge.cost = 3 * SLOW
    for _ in range(3):
        site.fact("t-1", "t", 1)
    site.apply(rule(detector, variables={"x": 1}))
    assert site.rules.trouble("default/rule") == ""
    assert site.rules.trouble("default/none") == ""


def test_a_rule_that_fails_is_quarantined_at_once_and_the_others_go_on(
    site: Any, detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the failed evaluation had collected holds: memory and disk say the same."""
    good = rule(detector)
    arrow = {"to": "B", "when": "t > 0.0"}
    bad = detector(states={"A": {"onInput": {"transitions": [arrow]}}, "B": {}})
    bad = type(bad)(metadata=type(bad.metadata)(name="bad"), spec=bad.spec)
    ready = machine._ready

    def fail(*given: Any) -> bool:
        if given[1].rule == "default/bad":
            raise AssertionError("a fault of ours")
        return ready(*given)

    monkeypatch.setattr(machine, "_ready", fail)
    site.apply(bad, good)
    out = site.fact("t-1", "t", 1)
    assert [each.name for each in out if isinstance(each, Decided)] == ["quarantine", "go"]
    assert "AssertionError: a fault of ours" in raised(out)[0]
    assert raised(site.fact("t-1", "t", 1)) == ["go"]
    (verdict,) = site.rules.explain("default/bad")[-1].verdicts
    assert "a fault of ours" in verdict.fault
    site.restart(bad, good)
    assert site.state() == "A"
