"""Cron expressions: when one comes next. Pure: the time is given."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def following(cron: str, after: int, zone: str) -> int:
    """The first time of the expression after `after`, in microseconds. Raises `ValueError`.

    Across a change to summer time and back as Debian's cron has it: what falls into the missing hour runs right after,
    and a time of the hour that comes twice runs once.
    """
    from cronsim import CronSim, CronSimError  # only needed once there is a schedule

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
