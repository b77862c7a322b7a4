"""Look at a detector before it is applied: every fault with the path of its field, the reason and the nearest name."""

from rules.lint.check import SHOWN, check, faults
from rules.lint.fault import Fault, Level
from rules.lint.hints import hints
from rules.lint.neighbours import Neighbours
from rules.lint.walk import Use, actions_of, steps, timers, uses

__all__ = [
    "SHOWN",
    "Fault",
    "Level",
    "Neighbours",
    "Use",
    "actions_of",
    "check",
    "faults",
    "hints",
    "steps",
    "timers",
    "uses",
]
