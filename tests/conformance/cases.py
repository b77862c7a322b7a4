"""The table of the twin protocol, whole: what is said, and what the gateway answers in each mode."""

from __future__ import annotations

from tests.conformance.table import bodies, deletions, gets, members, states, topics, updates, wishes

CASES = [case for part in (topics, gets, updates, bodies, deletions, wishes, states, members) for case in part.CASES]

IDS = {
    *(f"TOP-{n:02}" for n in range(1, 13)),
    *(f"GET-{n:02}" for n in range(1, 8)),
    *(f"UPD-{n:02}" for n in range(1, 31)),
    *(f"ERR-{n:02}" for n in range(1, 8)),
    *(f"CHR-{n:02}" for n in range(1, 5)),
    *(f"DEL-{n:02}" for n in range(1, 9)),
    *(f"SYN-{n:02}" for n in range(1, 9)),
    *(f"STA-{n:02}" for n in range(1, 9)),
    *(f"MEM-{n:02}" for n in range(1, 12)),
}
"""Every case there has to be."""
