"""Any model decides here as in a plain reading of IoT Events' semantics, written down apart from all that is tested.

The reading is a stand-in for the service, which has ended: conditions of a batch see the variables as they were before
the list, and those of transitions as they were before the events of the input; serially each sees what came before it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

STATES = "ABC"
VARIABLES = "vw"
CONDITIONS = st.tuples(st.sampled_from(["x", *VARIABLES]), st.sampled_from([">", "<="]), st.integers(-1, 3))
STEPS = st.lists(st.tuples(CONDITIONS, st.sampled_from(VARIABLES), st.integers(-1, 2)), max_size=3)
WAYS = st.lists(
    st.tuples(CONDITIONS, st.sampled_from(VARIABLES), st.integers(-1, 2), st.sampled_from(STATES)), max_size=2
)
MODELS = st.fixed_dictionaries(
    {name: st.fixed_dictionaries({"enter": STEPS, "events": STEPS, "ways": WAYS, "leave": STEPS}) for name in STATES}
)


class Reading:
    """One instance as the developer guide has it."""

    def __init__(self, model: dict[str, Any], *, serial: bool) -> None:
        self.model = model
        self.serial = serial
        self.state = ""
        self.values = dict.fromkeys(VARIABLES, 0)

    def take(self, x: int) -> None:
        if not self.state:
            self.state = "A"
            self.run("enter", x)
        before = dict(self.values)
        self.run("events", x)
        for condition, variable, change, to in self.model[self.state]["ways"]:
            if holds(condition, x, self.values if self.serial else before):
                self.run("leave", x)
                self.values[variable] += change
                self.state = to
                self.run("enter", x)
                return

    def run(self, group: str, x: int) -> None:
        before = dict(self.values)
        for condition, variable, change in self.model[self.state][group]:
            if holds(condition, x, self.values if self.serial else before):
                self.values[variable] += change


def holds(condition: tuple[str, str, int], x: int, values: dict[str, int]) -> bool:
    name, operator, limit = condition
    value = x if name == "x" else values[name]
    return value > limit if operator == ">" else value <= limit


def said(condition: tuple[str, str, int]) -> str:
    name, operator, limit = condition
    return f"{'$input.In.x' if name == 'x' else f'$variable.{name}'} {operator} {limit}"


@given(parts=MODELS, serial=st.booleans(), values=st.lists(st.integers(-1, 3), min_size=1, max_size=8))
def test_any_model_has_the_states_and_values_of_a_plain_reading(
    make: Any, make_site: Any, parts: dict[str, Any], serial: bool, values: list[int]
) -> None:
    def events(steps: list[Any]) -> list[Any]:
        return [make.event("e", said(c), make.put(v, f"$variable.{v} + {n}")) for c, v, n in steps]

    def ways(arrows: list[Any]) -> list[Any]:
        return [make.event("w", said(c), make.put(v, f"$variable.{v} + {n}"), to=to) for c, v, n, to in arrows]

    heard = make.event("heard", "$input.In.x > 99", make.put("v", "$variable.v"))
    states = [
        make.state(
            name,
            enter=events(parts[name]["enter"]),
            events=[heard, *events(parts[name]["events"])],
            ways=ways(parts[name]["ways"]),
            leave=events(parts[name]["leave"]),
        )
        for name in STATES
    ]
    model = make.model(*states, evaluationMethod="SERIAL" if serial else "BATCH")
    site = make_site().apply(make.detector(model))
    reading = Reading(parts, serial=serial)
    for value in values:
        reading.take(value)
        site.fact("t-1", "x", value)
        (found,) = [each for view in site.rules.views() for each in view.instances]
        mine = {name: value for name, value in found.values.items() if name in VARIABLES}
        assert (found.state, mine) == (reading.state, {name: reading.values[name] for name in mine})
