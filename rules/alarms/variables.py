"""What an instance of an alarm's detector keeps beside its state: names of variables, of an input and of timers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from rules.manifest.form import Scalar
from twins.exchange import Severity

PREFIX = "alarm_"
"""What all of these names begin with: no input and no timer of a manifest does."""
INPUT = "alarm_command"
"""The input that commands are."""
SEVERITY, LEVEL = "alarm_severity", "alarm_level"
"""How much it matters now, and how often it was escalated."""
MESSAGE, RAISED, CAUSE = "alarm_message", "alarm_raised", "alarm_cause"
"""Of the last time it was raised: what was told, when (µs UTC), and why."""
COUNT, LOW = "alarm_count", "alarm_low"
"""How often its condition began to hold since it was raised; whether it does not hold just now."""
RAISES = "alarm_raises"
"""How often it was raised since the time that bounds flapping began."""
WHO, NOTE = "alarm_who", "alarm_note"
"""Who gave the last command since it was raised, and why."""
LATCHED = "alarm_latched"
"""Whether it comes back from a snooze latched."""
SNOOZE, REPEAT, FLAP, LOOK, ESCALATE = "alarm_snooze", "alarm_repeat", "alarm_flap", "alarm_look", "alarm_escalate_"
"""Timers. `look` evaluates the condition anew where no input may come for long."""

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def initial(first: Severity) -> dict[str, Scalar]:
    """All variables, as they begin."""
    texts: dict[str, Scalar] = dict.fromkeys((MESSAGE, CAUSE, WHO, NOTE), "")
    numbers: dict[str, Scalar] = dict.fromkeys((LEVEL, RAISED, COUNT, RAISES), 0.0)
    return {SEVERITY: first, LOW: False, LATCHED: False} | texts | numbers


def severity(values: Mapping[str, Scalar]) -> Severity:
    """How much it matters now."""
    return next((each for each in _SEVERITIES if each == values.get(SEVERITY)), "alert")
