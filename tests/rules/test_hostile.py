"""What hostile hands write is refused before it runs, with its path and the reason, and soon."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rules.expression import Expression, Scope, Undecided
from rules.manifest.detector import decode
from rules.rules import Rules
from tests.crowding import crowding
from twins import bound
from twins.errors import Rejected
from twins.instructions import Fact

WHEN = "spec.states.A.onInput.events[0].when"
INPUT = "spec.inputs.t"
ONES = ",".join("1" * 200)


def manifest(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"inputs": {"t": {"property": "t"}}, "initial": "A", "states": {"A": {}}}
    return {"metadata": {"name": "rule"}, "spec": spec | changes}


def when(source: str) -> dict[str, Any]:
    return manifest(states={"A": {"onInput": {"events": [{"when": source}]}}})


def do(**action: Any) -> dict[str, Any]:
    return manifest(states={"A": {"onInput": {"events": [{"do": [action]}]}}}, variables={"v": "x"})


HOSTILE = {
    "a huge string": (when("t == '" + "x" * 1_000_000 + "'"), WHEN, "<= 1024"),
    "a string just over": (when("t == '" + "x" * 1024 + "'"), WHEN, "<= 1024"),
    "a million elements": (when("1 in [" + "1," * 1_000_000 + "1]"), WHEN, "<= 1024"),
    "a list of lists": (when("[" * 500 + "1" + "]" * 500 + " == t"), WHEN, "deeper than 32"),
    "deep brackets": (when("(" * 500 + "true" + ")" * 500), WHEN, "deeper than 32"),
    "deep maps": (when("{1:" * 33 + "1" + "}" * 33 + " == t"), WHEN, "deeper than 32"),
    "three macros": (when("[1].all(a, [1].all(b, [1].all(c, true)))"), WHEN, "macros"),
    "two macros over long lists": (when(f"[{ONES}].all(a, [{ONES}].all(b, a == b))"), WHEN, "steps"),
    "a macro that grows": (when("[1, 2, 3].map(x, [x, x]).size() > 1"), WHEN, "map() is not allowed"),
    "a regular expression": (when("'aaaa'.matches('(a+)+$')"), WHEN, "matches() is not allowed"),
    "a large one": (when("'a'.matches('\\\\w{300}{300}')"), WHEN, "matches() is not allowed"),
    "an exponent": (when("1e999999999 > t"), WHEN, "not a CEL expression"),
    "a large number": (when("9" * 900 + " > t"), WHEN, "not a CEL expression"),
    "an unknown function": (when("fib(90.0) > t"), WHEN, "fib() is no function"),
    "a duration": (when("duration('1h') > duration('1s')"), WHEN, "duration() is no function"),
    "an open string": (when("'" * 1001), WHEN, ""),
    "backslashes": (when('"' + "\\" * 1001), WHEN, "not a CEL expression"),
    "no text": (when("\ud800"), WHEN, ""),
    "a window of years": (when("avg(t, '400d') > 1.0"), WHEN, "366 days"),
    "a message": (do(alert={"message": "${" * 500}), "spec.states.A.onInput.events[0].do[0].alert.message", ""),
    "an assignment": (do(assign={"v": "v + v" * 500}), "spec.states.A.onInput.events[0].do[0].assign.v", "<= 1024"),
    "a long variable": (manifest(variables={"v": "x" * 300}), "spec.variables.v", "longer than 256"),
    "many inputs": (manifest(inputs={f"t{n}": {"property": "t"} for n in range(5000)}), "spec.inputs", "<= 32"),
    "many states": (manifest(states={f"S{n}": {} for n in range(5000)}), "spec.states", "<= 64"),
    "a large text": (manifest(inputs={"t": {"property": "t", "longest": 10**6}}), f"{INPUT}.longest", "<= 256"),
    "a deep path": (manifest(inputs={"t": {"webhook": "w", "value": "a." * 100 + "a"}}), f"{INPUT}.value", ""),
    "an unknown field": (manifest(inputs={"t": {"property": "t", "tpye": "number"}}), f"{INPUT}.tpye", "type"),
}


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """CEL and the state graph are imported with the first rule of a process: no part of what is measured."""
    Rules().apply(decode(manifest()))


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_its_path_before_anything_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, path, reason = HOSTILE[name]
    ran: list[str] = []
    monkeypatch.setattr(Expression, "value", lambda self, scope: ran.append(self.source) or True)
    rules = Rules()
    with contextlib.suppress(Rejected):
        rules.apply(decode(data))  # what is loaded with the first rule ever is not what is measured
    began = time.process_time()
    with pytest.raises(Rejected) as refused:
        rules.apply(decode(data))
    assert time.process_time() - began < 0.05 * crowding()
    assert path in refused.value.reason
    assert reason in refused.value.reason
    assert len(refused.value.reason) < 2000
    assert not ran
    assert not rules.detectors


def test_more_expressions_than_can_be_looked_at_soon_are_refused() -> None:
    events = [{"when": f"t > {n}.0", "name": f"e{n}"} for n in range(32)]
    state = {"onInput": {"events": events, "transitions": [{"to": "S0"}]}}
    data = manifest(
        initial="S0", states={"S0": {"onInput": {"events": events}}} | {f"S{n}": state for n in range(1, 40)}
    )
    began = time.process_time()
    with pytest.raises(Rejected, match="spec: has 1281 expressions; 512 are allowed"):
        Rules().apply(decode(data))
    assert time.process_time() - began < 0.05 * crowding()


@pytest.mark.parametrize(
    "unit", ["(", "[", "{1:", "!", "-", "'", '"', "'''", "\\", "r'", "a.", "1?", "//", "\n", "$", "é", "\x00"]
)
def test_a_bound_is_found_soon_whatever_is_repeated(unit: str) -> None:
    began = time.process_time()
    try:
        bound.check((unit * bound.LONGEST_SOURCE)[: bound.LONGEST_SOURCE])
    except Rejected:
        pass
    assert time.process_time() - began < 0.05 * crowding()


@pytest.mark.parametrize(
    "source",
    [
        "-" * 1000 + "1.0 > t",
        "!" * 1001 + "true",
        "t > 99.0 ? true : " * 55 + "false",
        "t > 99.0 || " * 80 + "false",
        "t" + ".a" * 500,
        "t" + "[0]" * 330,
        "1.0" + "+1.0" * 200 + " < t",
        "t" + "==t" * 300,
    ],
)
def test_the_longest_that_is_allowed_runs_soon_and_on_a_small_stack(source: str) -> None:
    scope = Scope()
    scope.values = {"t": 31.5}
    took: list[float] = []

    def run() -> None:
        expression = Expression(source)
        began = time.thread_time()
        with suppress(Undecided):
            assert expression.value(scope) is False
        took.append(time.thread_time() - began)

    before = threading.stack_size(512 * 1024)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    threading.stack_size(before)
    assert took[0] < 0.01 * crowding()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "warm"),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "-1e999"),
        ("number", "9" * 4096),
        ("number", ""),
        ("boolean", "maybe"),
        ("string", "x" * 257),
        ("string", "x" * 1_000_000),
    ],
)
def test_an_input_that_is_none_makes_conditions_false_and_is_counted_and_told(
    site: Any, detector: Callable[..., Any], kind: str, value: str
) -> None:
    sample = {"number": "t > -1e300 || t < 1.0", "boolean": "t || !t", "string": "t != ''"}[kind]
    event = {"when": sample, "do": [{"alert": {"message": "seen"}}]}
    site.apply(detector(inputs={"t": {"property": "t", "type": kind}}, states={"A": {"onInput": {"events": [event]}}}))
    began = time.process_time()
    site.fact("t-1", "t", value)
    assert time.process_time() - began < 0.05 * crowding()
    view = site.rules.views()[0]
    assert (view.decisions, view.faults) == (0, 1)
    (verdict,) = site.rules.explain("default/rule")[-1].verdicts
    assert not verdict.holds
    assert verdict.fault == f"t came as {value[:40]!r}, which cannot be read by its type"
    assert view.instances[0].values == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_no_value(site: Any, detector: Callable[..., Any], number: float) -> None:
    event = {"when": "avg(t, '1h') > -1e300", "do": []}
    site.apply(detector(states={"A": {"onInput": {"events": [event]}}}))
    site.rules.handle(Fact("default/t-1", "test:1:1", "t", str(number), number, 0, 0), 0)
    assert site.rules.views()[0].faults == 1


def test_a_sum_beyond_all_numbers_is_no_value(site: Any, detector: Callable[..., Any]) -> None:
    event = {"when": "sum(t, '1h') > 0.0 && stddev(t, '1h') > 0.0", "do": []}
    site.apply(detector(states={"A": {"onInput": {"events": [event]}}}))
    for _ in range(3):
        site.fact("t-1", "t", 1.7e308)
    assert site.rules.views()[0].decisions == 0
