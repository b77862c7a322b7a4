"""The hours in which an upload's bytes may go. Pure: the time is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def opens(window: tuple[str, str] | None, now: int, zone: str) -> int:
    """When the window `(from, to)` is next open, in microseconds: `now` if it is."""
    if window is None or window[0] == window[1]:
        return now
    local = datetime.fromtimestamp(now / 1e6, UTC).astimezone(ZoneInfo(zone))
    here, start, end = (local.hour, local.minute), _clock(window[0]), _clock(window[1])
    within = start <= here < end if start < end else here >= start or here < end
    if within:
        return now
    day = local if here < start else local + timedelta(days=1)
    opening = day.replace(hour=start[0], minute=start[1], second=0, microsecond=0, fold=0)
    return max(now + 1, round(opening.timestamp() * 1e6))


def _clock(text: str) -> tuple[int, int]:
    hour, _, minute = text.partition(":")
    return int(hour), int(minute)
