"""Refuse a detector with all that is wrong."""

from __future__ import annotations

from rules.lint.actions import actions
from rules.lint.expressions import expressions
from rules.lint.fault import Fault
from rules.lint.graph import graph
from rules.lint.inputs import inputs
from rules.lint.names import names, renamed, schedules, windows
from rules.lint.walk import uses
from rules.manifest.detector import Detector
from twins.errors import Rejected

SHOWN = 10
"""Faults named in one refusal."""
EXPRESSIONS = 512
"""Expressions of one detector: each takes half a millisecond to be looked at, and nothing is decided meanwhile."""


def check(detector: Detector, zone: str = "UTC") -> None:
    """Raise `Rejected` with all that is wrong."""
    found = faults(detector, zone)
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        msg = f"Detector {detector.id}: " + "; ".join([*map(str, found[:SHOWN]), *more])
        raise Rejected(msg)


def faults(detector: Detector, zone: str = "UTC") -> list[Fault]:
    """All that is wrong, in the order of the manifest. `zone` is the site's."""
    if (number := sum(1 for _ in uses(detector))) > EXPRESSIONS:
        return [Fault("spec", f"has {number} expressions; {EXPRESSIONS} are allowed: make several detectors of it")]
    found = [
        *names(detector),
        *inputs(detector),
        *windows(detector, zone),
        *schedules(detector, zone),
        *renamed(detector),
        *graph(detector),
        *actions(detector),
    ]
    if not found:  # expressions are tried out with the detector's names, which must be sound for that
        found = [fault for use in uses(detector) for fault in expressions(detector, use, zone)]
    return found
