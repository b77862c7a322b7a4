"""What people write of queries and pipelines is checked whole: path, reason, nearest valid name."""

from __future__ import annotations

from typing import Any

import pytest

from streams.pipeline import Pipeline
from streams.query import Query
from twins.errors import Rejected
from twins.schema import decode

WINDOW: dict[str, Any] = {"from": [{"property": "t"}], "window": {"tumbling": "1m"}, "aggregates": ["mean"]}
ALIGN: dict[str, Any] = {"from": [{"property": "t"}], "align": {"every": "1s"}}


def refusal(shape: type, spec: dict[str, Any]) -> str:
    with pytest.raises(Rejected) as refused:
        decode({"metadata": {"name": "x"}, "spec": spec}, shape, "x.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (WINDOW | {"window": {"tumblin": "1m"}}, "spec.window.tumblin: no such key; did you mean tumbling?"),
        (WINDOW | {"window": {}}, "spec.window: give exactly one of tumbling, hopping, sliding, session, count; here"),
        (WINDOW | {"window": {"tumbling": "1m", "sliding": "1m"}}, "here are tumbling, sliding"),
        (WINDOW | {"window": {"tumbling": "0s"}}, "spec.window.tumbling: '0s' is not between 1ms and 366 days"),
        (WINDOW | {"window": {"session": "1 min"}}, "spec.window.session: '1 min' is not a duration; write for"),
        (WINDOW | {"window": {"hopping": {"size": "5m", "every": "2m"}}}, "hopping.size: is no multiple of every"),
        (WINDOW | {"window": {"hopping": {"size": "1d", "every": "1s"}}}, "is 86400 times every; 1024 times are"),
        (WINDOW | {"window": {"count": {"size": 10, "every": 3}}}, "spec.window.count.size: is no multiple of every"),
        (WINDOW | {"aggregates": ["meen"]}, "spec.aggregates[0]: 'meen' is no aggregate; did you mean mean?"),
        (WINDOW | {"aggregates": ["p100"]}, "spec.aggregates[0]: 'p100' is no aggregate; valid: delta, first"),
        (WINDOW | {"aggregates": ["n", "n"]}, "spec.aggregates[1]: 'n' is there already"),
        (WINDOW | {"aggregates": []}, "spec.aggregates: missing: name one or more of n, sum, mean"),
        (WINDOW | {"align": {"every": "1s"}}, "spec.window: give window or align, one of them"),
        (WINDOW | {"from": [{"device": "d"}]}, "spec.from[0]: give property or query, one of them"),
        (WINDOW | {"from": [{"property": "t", "result": "mean"}]}, "spec.from[0].result: is of a query; a property"),
        (WINDOW | {"where": "valeu > 1.0"}, "spec.where: 'valeu' is no name here; did you mean value?"),
        (WINDOW | {"value": "value *"}, "spec.value: not a CEL expression: 1:8: Syntax error"),
        (WINDOW | {"where": "text.matches('(a+)+')"}, "spec.where: matches() is not allowed"),
        (WINDOW | {"lateness": "later"}, "spec.lateness: 'later' is not a duration"),
        (WINDOW | {"window": {"tumbling": "1s"}, "lateness": "1h"}, "spec.lateness: keeps more than 1024 windows of"),
        (WINDOW | {"idle": 0}, "spec.idle: 0.0 is not between 100ms and 366 days"),
        (ALIGN | {"aggregates": ["n"]}, "spec.aggregates: are of windows; what an alignment tells is its method's"),
        (ALIGN | {"key": "series"}, "spec.key: an alignment is of several series: write device, or all"),
        (ALIGN | {"align": {"every": "1s", "method": "cubic"}}, "'cubic' is not valid; valid: last, linear, mean"),
        (ALIGN | {"align": {"every": "1s", "maxGap": "1h"}}, "spec.align.maxGap: is more than 1024 times every"),
    ],
)
def test_a_bad_query_is_refused_with_path_and_reason(spec: dict[str, Any], words: str) -> None:
    assert words in refusal(Query, spec)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"scael": {}}, "spec.steps[0].scael: no such key; did you mean scale?"),
        ({"scale": {}, "every": 2}, "spec.steps[0]: give exactly one of where, compute, convert, scale"),
        ({}, "here are none"),
        ({"convert": {"from": "celsius", "to": "bar"}}, "steps[0].convert: celsius and bar measure different things"),
        ({"convert": {"from": "celsus", "to": "kelvin"}}, "'celsus' is not valid; did you mean celsius?"),
        ({"clip": {}}, "spec.steps[0].clip: give min or max, or both"),
        ({"clip": {"min": 3, "max": 1}}, "spec.steps[0].clip.min: 3 is above the maximum 1"),
        ({"deadband": {"by": 0}}, "spec.steps[0].deadband.by: expected float > 0.0"),
        ({"deadband": {"by": 1, "heartbeat": "x"}}, "spec.steps[0].deadband.heartbeat: 'x' is not a duration"),
        ({"every": 0}, "spec.steps[0].every: expected int >= 1"),
        ({"rate": "0s"}, "spec.steps[0].rate: '0s' is not between 1ms and 366 days"),
        ({"sample": {"every": "1s", "method": "ltbb"}}, "'ltbb' is not valid; did you mean lttb?"),
        ({"redact": {"method": "hide"}}, "'hide' is not valid"),
        ({"compute": "nothing + 1.0"}, "spec.steps[0].compute: 'nothing' is no name here"),
    ],
)
def test_a_bad_step_is_refused_with_path_and_reason(step: dict[str, Any], words: str) -> None:
    assert words in refusal(Pipeline, {"from": [{"property": "t"}], "steps": [step]})


@pytest.mark.parametrize("to", ["{prop}.clean", "{property", "{property}"])
def test_a_bad_name_for_what_comes_out_is_refused(to: str) -> None:
    assert "spec.to: " in refusal(Pipeline, {"from": [{"property": "t"}], "steps": [{"every": 2}], "to": to})
