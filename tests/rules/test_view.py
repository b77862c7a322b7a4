from __future__ import annotations

from rules.view import InstanceView


def test_a_view_has_states_values_and_timers_of_its_instances(site, detector):
    enter = {"events": [{"do": [{"timer": {"name": "x", "seconds": 5}}]}]}
    way = {"to": "B", "when": "t > 1.0"}
    site.apply(detector(variables={"n": 1}, states={"A": {"onInput": {"transitions": [way]}}, "B": {"onEnter": enter}}))
    site.wait(1)
    site.fact("t-1", "t", 0)
    site.fact("t-2", "t", 2)
    (view,) = site.rules.views()
    assert (view.initial, view.states, view.evaluations, view.decisions, view.faults) == (
        "A",
        {"A": 1, "B": 1},
        2,
        1,
        0,
    )
    assert view.instances == (
        InstanceView("default/t-1", "A", 1_000_000, "default/t-1", {"n": 1.0, "t": 0.0}, {}),
        InstanceView("default/t-2", "B", 1_000_000, "default/t-2", {"n": 1.0, "t": 2.0}, {"x": 6_000_000}),
    )


def test_a_view_is_a_copy(site, detector):
    site.apply(detector())
    site.fact("t-1", "t", 0)
    site.rules.views()[0].instances[0].values["t"] = 9.0
    assert site.rules.views()[0].instances[0].values == {"t": 0.0}


def test_few_of_many_instances_are_shown_and_all_are_counted(site, detector):
    site.apply(detector())
    for n in range(5):
        site.fact(f"t-{n}", "t", 0)
    (view,) = site.rules.views(limit=2)
    assert len(view.instances) == 2
    assert view.states == {"A": 5}
