"""Times of day."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rules.manifest.form import Node

Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="hour and minute, 22:00")]


End = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", description="hour and minute, 06:00")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Window(Node, frozen=True):
    """A time of every day, from `start` until just before `end`, over midnight when `end` is the earlier.

    `zone` is an IANA name; empty means the site's.
    """

    start: Clock = field(name="from")
    end: End = field(name="to")
    zone: str = ""
    """IANA name, as `Europe/Berlin`."""
    days: Annotated[tuple[Day, ...], Meta(max_length=7)] = ()
    """Days on which it opens; every day if absent."""
