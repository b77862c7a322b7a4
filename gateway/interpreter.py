"""How Python itself is set for a gateway: measured by benches/end_to_end.py."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress

YOUNG = 10_000
"""New containers before the collector looks for cycles: a message makes some fifty and hardly ever a cycle, and each
thousand that it looks at stops everything for a millisecond.
"""
SWITCH = 0.0005
"""Seconds a thread may keep the others waiting: the database's thread asks for the lock at every statement."""
ARENAS = 2
"""Heaps that threads share: glibc makes up to eight a core, and what the models' threads free stays in each."""
M_ARENA_MAX = -8
"""glibc's own number of that setting, from malloc.h."""


ARROW = "system"
"""Where Arrow's memory comes from: its own heap keeps 50 MB more of what sealing and merging have let go."""


def tune() -> None:
    """Set the collector, the switching of threads and the heaps for a process that serves."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", ARROW)
    with suppress(OSError, AttributeError):  # another C library has other heaps
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    gc.set_threshold(YOUNG, 20, 100)
    sys.setswitchinterval(SWITCH)


def settle() -> None:
    """What a start has made lives as long as its gateway: the collector need not look at it again.

    A gateway that this one takes the place of is let go first: it would stay for ever.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
