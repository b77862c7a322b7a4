"""Times of day: `night` from 22:00 to 06:00 in a time zone, every day or on some days of the week."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from rules.manifest.window import Day, Window
from twins.errors import Rejected


class Hours:
    """A window of every local day, or of the days on which it opens.

    The wall clock of the zone decides, so over a change of summer time a window that contains the repeated hour
    contains it twice, and one that lies in the skipped hour does not come that day.
    """

    __slots__ = ("_answer", "_days", "_end", "_minute", "_start", "_zone", "zone")

    def __init__(self, window: Window, zone: str) -> None:
        """`zone` is the site's, for a window that names none. Raises `Rejected` for an unknown one."""
        self.zone = window.zone or zone
        self._zone = find_zone(self.zone)
        self._start = _minutes(window.start)
        self._end = _minutes(window.end)
        self._days = {_DAYS.index(day) for day in window.days} or set(range(7))
        self._minute = -1
        self._answer = False

    def contains(self, at: int) -> bool:
        """Whether the window is open at `at`, microseconds UTC."""
        minute = at // 60_000_000
        if minute != self._minute:
            self._minute = minute
            self._answer = self._look(minute * 60)
        return self._answer

    def _look(self, seconds: int) -> bool:
        local = datetime.fromtimestamp(seconds, self._zone)
        now = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self._start <= self._end:
            return self._start <= now < self._end and today in self._days
        return (now >= self._start and today in self._days) or (now < self._end and yesterday in self._days)


_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def find_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises `Rejected`."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        msg = f"{name!r} is no time zone; write an IANA name such as Europe/Berlin or UTC"
        raise Rejected(msg) from error


def _minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
