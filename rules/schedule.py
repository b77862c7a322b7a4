"""The schedules of a detector: when each comes next, in wall time. However many were missed, one comes at most."""

from __future__ import annotations

from collections.abc import Mapping

from rules.instructions import Wake
from rules.manifest.detector import Detector
from rules.manifest.schedule import AT
from rules.window import find_zone
from twins import cron


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

    def resume(self, found: Mapping[str, int], now: int, *, back: bool) -> list[Wake]:
        """Go on from the times an earlier life left. One that was missed comes at once or is left out, as it says.

        `back` says that the wall clock went back meanwhile, so that what was found may be too far away.
        """
        out = [self._wake(name, None) for name in found if name not in self._schedules]
        for name, schedule in self._schedules.items():
            due = found.get(name)
            if due is None or (due <= now and schedule.late == "skip"):
                out.append(self.move(name, now))
            else:
                self.due[name] = due
        return out + (self.set_back(now) if back else [])

    def move(self, name: str, now: int) -> Wake:
        """On to the next time after `now`."""
        schedule = self._schedules[name]
        self.due[name] = cron.following(schedule.cron, now, schedule.zone or self._zone)
        return self._wake(name, self.due[name])

    def set_back(self, now: int) -> list[Wake]:
        """The wall clock went back: what is further away than the next time comes at that."""
        before = dict(self.due)
        moved = [self.move(name, now) for name in before]
        self.due = {name: min(due, before[name]) for name, due in self.due.items()}
        return [wake for wake, name in zip(moved, before, strict=True) if self.due[name] < before[name]]

    def _wake(self, name: str, due: int | None) -> Wake:
        cause = b"" if due is None else f"schedule:{self._id}/{name}:{due}".encode()
        return Wake(f"{self._id}/#{AT}{name}", due, cause)


def check(schedule: tuple[str, str]) -> None:
    """Raise `ValueError` or `Rejected` for a cron expression or a zone that cannot be meant."""
    expression, zone = schedule
    find_zone(zone)
    cron.following(expression, 0, zone)
