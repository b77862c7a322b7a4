"""What the door for mappers counts, for metrics."""

from __future__ import annotations

from msgspec import Struct


class DmiCounts(Struct):
    """Calls of mappers: offered = registrations + reports + states + refused + limited. Calls to mappers: two more."""

    offered: int = 0
    registrations: int = 0
    reports: int = 0
    states: int = 0
    refused: int = 0
    limited: int = 0
    calls: int = 0
    calls_failed: int = 0
