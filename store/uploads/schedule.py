"""When a scheduled upload begins, and the hours in which its bytes may go. Pure: the time is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from zoneinfo import ZoneInfo


def check(cron: str) -> None:
    """Raise `ValueError` for an expression that can't be meant. Without the extra `upload` anything passes."""
    if find_spec("cronsim") is not None:
        following(cron, 0, "UTC")


def following(cron: str, after: int, zone: str) -> int:
    """The first time of the expression after `after`, in microseconds. Raises `ValueError`.

    Across a change to summer time and back as Debian's cron has it: what falls into the missing hour runs right after.
    """
    from cronsim import CronSim, CronSimError

    if len(cron.split()) != 5:
        msg = f"{cron!r}: five fields are minute, hour, day of the month, month, day of the week"
        raise ValueError(msg)
    start = datetime.fromtimestamp(after / 1e6, UTC).astimezone(ZoneInfo(zone))
    try:
        found = next(CronSim(cron, start))
    except CronSimError as error:
        msg = f"{cron!r}: {str(error).lower()}; `*/15 * * * *` is each quarter of an hour"
        raise ValueError(msg) from None
    except StopIteration:
        msg = f"{cron!r} never comes"
        raise ValueError(msg) from None
    return round(found.timestamp() * 1e6)


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
