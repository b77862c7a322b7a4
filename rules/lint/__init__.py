"""Look at a detector before it is applied: every fault with the path of its field, the reason and the nearest name."""

from rules.lint.check import SHOWN, check, faults
from rules.lint.fault import Fault
from rules.lint.walk import Use, actions_of, steps, timers, uses

__all__ = ["SHOWN", "Fault", "Use", "actions_of", "check", "faults", "steps", "timers", "uses"]
