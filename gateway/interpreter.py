"""How Python itself is set for a gateway: measured by benches/end_to_end.py."""

from __future__ import annotations

import gc
import sys

YOUNG = 50_000
"""New containers before the collector looks for cycles: a message makes some fifty and hardly ever a cycle."""
SWITCH = 0.0005
"""Seconds a thread may keep the others waiting: the database's thread asks for the lock at every statement."""


def tune() -> None:
    """Set the collector and the switching of threads for a process that serves."""
    gc.set_threshold(YOUNG, 20, 100)
    sys.setswitchinterval(SWITCH)
