"""The schedules of a detector: when each comes next, in wall time. However many were missed, one comes at most."""

from __future__ import annotations

from collections.abc import Mapping

from rules.instructions import Wake
from rules.manifest.detector import Detector
from rules.manifest.schedule import AT
from rules.window import find_zone
from twins import cron

FAR = 3 * 3600 * 1_000_000
"""Microseconds that the wall clock must go back for what came to come again, as Debian's cron has it."""


class Agenda:
    """`due` is the next time of each schedule by name, microseconds UTC."""

    def __init__(self, detector: Detector, zone: str) -> None:
        """`zone` is the site's, for schedules that name none."""
        self._id = detector.id
        self._zone = zone
        self._schedules = detector.spec.schedules
        self.due: dict[str, int] = {}

    def begin(self, now: int, old: Agenda | None = None) -> list[Wake]:
        """Set all that are not set, but let those go on that `old` has alike; what only `old` has is taken back."""
        out: list[Wake] = []
        if old is not None:
            alike = {name for name in old.due if self._schedules.get(name) == old._schedules[name]}
            self.due.update({name: due for name, due in old.due.items() if name in alike})
            out += [self._wake(name, None) for name in old.due if name not in alike]
        return out + [self.move(name, now) for name in self._schedules if name not in self.due]

    def end(self) -> list[Wake]:
        return [self._wake(name, None) for name in self.due]

    def resume(self, found: Mapping[str, tuple[int, bytes]], now: int, back: int) -> list[Wake]:
        """Go on from the timers an earlier life left; the wall clock went `back` meanwhile, microseconds."""
        kept = {name: found.get(self._timer(name)) for name in self._schedules}
        self.due.update({name: row[0] for name, row in kept.items() if row is not None})
        out = [self.move(name, now) for name in self._schedules if name not in self.due]
        return out + self._missed(now) + (self._again(now) if back >= FAR else [])

    def move(self, name: str, now: int) -> Wake:
        """On to the next time after `now`."""
        schedule = self._schedules[name]
        self.due[name] = cron.following(schedule.cron, now, schedule.zone or self._zone)
        return self._wake(name, self.due[name])

    def set_clock(self, now: int, jump: int) -> list[Wake]:
        """The wall clock was set to `now`, by `jump` microseconds. What it went over was missed, as in a downtime; what
        came already does not come again, unless it went far back.
        """
        return self._again(now) if jump <= -FAR else self._missed(now) if jump > 0 else []

    def _missed(self, now: int) -> list[Wake]:
        """Leave out what is over and not wanted late; the others come at once."""
        late = [name for name, due in self.due.items() if due <= now and self._schedules[name].late == "skip"]
        return [self.move(name, now) for name in late]

    def _again(self, now: int) -> list[Wake]:
        """Let what is further away than the next time come at that."""
        before = dict(self.due)
        moved = {name: self.move(name, now) for name, due in before.items() if due > now}
        self.due = {name: min(due, before[name]) for name, due in self.due.items()}
        return [wake for name, wake in moved.items() if self.due[name] < before[name]]

    def _wake(self, name: str, due: int | None) -> Wake:
        cause = b"" if due is None else f"schedule:{self._id}/{name}:{due}".encode()
        return Wake(self._timer(name), due, cause)

    def _timer(self, name: str) -> str:
        return f"{self._id}/#{AT}{name}"


def check(schedule: tuple[str, str]) -> None:
    """Raise `ValueError` or `Rejected` for a cron expression or a zone that cannot be meant."""
    expression, zone = schedule
    find_zone(zone)
    cron.following(expression, 0, zone)
