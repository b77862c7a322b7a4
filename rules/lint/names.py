"""Names, variables and time windows."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rules.expression import RESERVED
from rules.lint.fault import Fault, attempt
from rules.manifest.detector import Detector
from rules.schedule import check
from rules.window import find_zone
from twins import bound
from twins.schema import nearest

# CEL's own words and those it keeps for later cannot be names.
KEYWORDS = frozenset(
    {"in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)


def names(detector: Detector) -> Iterator[Fault]:
    spec = detector.spec
    for section, members in (("inputs", spec.inputs), ("variables", spec.variables)):
        for name in members:
            if name in KEYWORDS or name in RESERVED:
                yield Fault(f"spec.{section}.{name}", "is a word of the expressions; take another name")
    for name, value in spec.variables.items():
        if name in spec.inputs:
            yield Fault(f"spec.variables.{name}", "is the name of an input too")
        if isinstance(value, str) and len(value) > bound.LONGEST_TEXT:
            yield Fault(f"spec.variables.{name}", f"is longer than {bound.LONGEST_TEXT} characters")
        if isinstance(value, float) and not math.isfinite(value):
            yield Fault(f"spec.variables.{name}", "is not a finite number")


def windows(detector: Detector, zone: str) -> Iterator[Fault]:
    for name, window in detector.spec.windows.items():
        if window.start == window.end:
            yield Fault(f"spec.windows.{name}.to", "equals from, so the window never opens")
        yield from attempt(f"spec.windows.{name}.zone", find_zone, window.zone or zone)


def schedules(detector: Detector, zone: str) -> Iterator[Fault]:
    if not detector.spec.inputs and not detector.spec.schedules:
        yield Fault("spec.inputs", "nothing ever evaluates this rule: it needs an input or a schedule")
    for name, schedule in detector.spec.schedules.items():
        yield from attempt(f"spec.schedules.{name}", check, (schedule.cron, schedule.zone or zone))


def renamed(detector: Detector) -> Iterator[Fault]:
    """The names of `map` must be there."""
    spec = detector.spec
    if (spec.map.states or spec.map.variables) and spec.migration != "map":
        yield Fault("spec.map", f"is only looked at with migration: map, not {spec.migration}")
    for old, new in spec.map.states.items():
        if new not in spec.states:
            yield Fault(f"spec.map.states.{old}", f"{new!r} is no state; {nearest(new, spec.states)}")
    for old, new in spec.map.variables.items():
        if new not in spec.variables:
            yield Fault(f"spec.map.variables.{old}", f"{new!r} is no variable; {nearest(new, spec.variables)}")
