"""Decisions in words."""

from __future__ import annotations

from pathlib import Path

import yaml

from gateway.console import reasons
from rules.manifest.detector import decode
from rules.rules import Rules
from twins.instructions import Fact

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "rules"
SECOND = 1_000_000


def hot() -> Rules:
    """A thermometer was 35 degrees for more than two seconds."""
    rules = Rules()
    rules.apply(decode(yaml.safe_load((EXAMPLES / "overheat.yaml").read_text())))
    rules.handle(Fact("default/thermometer-1", "mqtt:1:1", "temperature", "35", 35.0, SECOND, 0), SECOND)
    rules.expire("default/overheat/default/thermometer-1#for:too-hot", 3 * SECOND, "mqtt:1:1")
    return rules


def test_a_decision_is_a_line_of_where_it_led_and_what_was_asked_and_told() -> None:
    (decided,) = [each for each in hot().explain("default/overheat") if each.chosen]
    assert reasons.decision(decided) == (
        "too-hot, cool: Normal → Hot · asked default/pump-1: speed = 80"
        " · told: default/thermometer-1 has 35 °C, above 32 °C"
    )


def test_the_reason_tells_each_condition_and_each_wait() -> None:
    assert reasons.why(hot().why("mqtt:1:1")).splitlines() == [
        "default/thermometer-1: temperature came: 35",
        "✓ temperature > limit: 35 > 32",
        "→ too-hot if it still holds in 2 s",
        "default/thermometer-1: it held long enough for too-hot",
        "✓ temperature > limit: 35 > 32",
        "→ too-hot, cool: Normal → Hot · asked default/pump-1: speed = 80"
        " · told: default/thermometer-1 has 35 °C, above 32 °C",
    ]


def test_a_condition_without_a_value_says_so() -> None:
    rules = hot()
    rules.handle(Fact("default/thermometer-1", "mqtt:1:9", "temperature", "?", None, 9 * SECOND, 0), 9 * SECOND)
    told = reasons.why(rules.why("mqtt:1:9")).splitlines()
    assert told[0] == "default/thermometer-1: temperature came"
    assert told[1].startswith("✗ temperature < limit - hysteresis: temperature < 32 - 3 (")
