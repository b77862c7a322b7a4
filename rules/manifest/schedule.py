"""Times of the calendar at which a rule is evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rules.manifest.form import Node

AT = "at:"
"""Prefix of the timers of schedules; no name in a manifest contains a colon."""


class Schedule(Node, frozen=True):
    """Evaluates every instance at these times; `schedule("name")` is true then."""

    cron: Annotated[str, Meta(min_length=1, max_length=128)]
    """Minute, hour, day of the month, month, day of the week, as `0 6 * * 1-5`."""
    zone: str = ""
    """IANA name, as `Europe/Berlin`; the site's if absent."""
    late: Literal["fire", "skip"] = "fire"
    """What becomes of one that was missed while the gateway was down: once at the start, or left out."""
