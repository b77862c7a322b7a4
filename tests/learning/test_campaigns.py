"""The trials of a search: what is best, what is undone. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from learning.tuning.campaign import Bound, Campaign, read

POWER = (Bound("default/press/power", None, 50.0),)


def begun(objective: float = 100.0, power: float = 40.0) -> Campaign:
    campaign = Campaign(1, (), ("50",)).begin(("50",), "start", 0)
    return campaign.measured(objective, [power], POWER, sign=1.0, fall=0.1)


def tried(campaign: Campaign, value: str, objective: float, power: float = 40.0, sign: float = 1.0) -> Campaign:
    return campaign.begin((value,), "trial", 1).measured(objective, [power], POWER, sign=sign, fall=0.1)


def test_a_better_trial_is_the_best_and_stays() -> None:
    campaign = tried(begun(), "60", 110.0)
    assert (campaign.home, campaign.values) == (("60",), ("60",))


def test_a_trial_a_little_worse_stays_set_and_is_not_the_best() -> None:
    campaign = tried(begun(), "60", 95.0)
    assert (campaign.home, campaign.values) == (("50",), ("60",))


def test_a_trial_much_worse_is_undone() -> None:
    campaign = tried(begun(), "60", 89.0)
    assert (campaign.home, campaign.values) == (("50",), ("50",))
    assert campaign.trials[-1].reason == "the objective is 89, the best known 100"


def test_less_is_better_where_the_goal_says_so() -> None:
    assert tried(begun(), "60", 80.0, sign=-1.0).home == ("60",)
    assert tried(begun(), "60", 120.0, sign=-1.0).values == ("50",)


def test_a_broken_constraint_undoes_even_the_best_objective() -> None:
    campaign = tried(begun(), "60", 200.0, power=51.0)
    assert campaign.values == ("50",)
    assert campaign.trials[-1].reason == "default/press/power is 51, above 50"


def test_where_the_start_breaks_a_constraint_the_first_that_keeps_it_is_best() -> None:
    campaign = tried(begun(power=60.0), "40", 20.0)
    assert campaign.home == ("40",)


def test_a_trial_that_was_rejected_costs_no_budget_and_sets_nothing() -> None:
    campaign = begun().begin(("60",), "trial", 1, ask=True)
    assert campaign.values == ("50",)
    campaign = campaign.reject("ann")
    assert (campaign.used, campaign.values, campaign.trials[-1].who) == (0, ("50",), "ann")


def test_what_broke_something_is_never_preferred() -> None:
    campaign = tried(tried(begun(), "60", 110.0), "70", 300.0, power=99.0)
    assert campaign.prefer(2).home == campaign.prefer(-1).home == campaign.prefer(99).home == ("60",)
    assert campaign.prefer(0).home == ("50",)


STEPS = st.lists(
    st.tuples(st.sampled_from(["measured", "broken", "void", "rejected"]), st.floats(-500, 500), st.floats(0, 100)),
    max_size=30,
)


@given(STEPS)
def test_after_whatever_came_the_best_kept_its_constraints_and_bad_values_are_not_set(
    steps: list[tuple[str, float, float]],
) -> None:
    campaign = begun()
    for number, (what, objective, power) in enumerate(steps):
        campaign = campaign.begin((str(number),), "trial", number, ask=what == "rejected")
        match what:
            case "measured":
                campaign = campaign.measured(objective, [power], POWER, sign=1.0, fall=0.1)
            case "rejected":
                campaign = campaign.reject("ann")
            case _:
                campaign = campaign.broken("hot") if what == "broken" else campaign.void("few points")
        assert campaign.open is None
        assert campaign.trials[campaign.best].kept
        last = campaign.trials[-1]
        if last.state != "measured" or not last.kept:
            assert campaign.values != last.values
        assert read(campaign.body) == campaign
    assert campaign.used == sum(what != "rejected" for what, *_ in steps)


def test_a_best_that_does_not_hold_when_it_is_measured_again_gives_way_to_the_next() -> None:
    campaign = tried(tried(begun(), "60", 110.0), "70", 120.0)
    checked = campaign.begin(("70",), "check", 2)
    assert checked.measured(115.0, [40.0], POWER, sign=1.0, fall=0.1).values == ("70",)
    assert checked.measured(115.0, [51.0], POWER, sign=1.0, fall=0.1).values == ("60",)
    assert checked.measured(99.0, [40.0], POWER, sign=1.0, fall=0.1).values == ("60",)


def test_limits_are_watched_while_anything_but_the_best_is_set() -> None:
    campaign = begun()
    assert campaign.watched is None
    assert campaign.begin(("60",), "trial", 7).watched == 7
    assert tried(campaign, "60", 95.0).watched == 1
    assert tried(campaign, "60", 110.0).watched is None
