"""What was found on disk at a start: instances that wait for their detectors, with their timers and their past."""

from __future__ import annotations

from collections.abc import Mapping

from rules.instance import Record, revive
from rules.instructions import Decided, Drop, Instruction, Raise
from rules.late import Start, take_up
from rules.machine import Machine
from rules.migration import drop, inherit, told
from rules.past.past import PREFIX, Past


class Recovery:
    """Empty but at a start. Instances go to their detector when it is there, before or after they were found."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, Record]] = {}
        self._found: Mapping[str, tuple[int, bytes]] = {}
        self._start: Start | None = None

    def waiting(self, name: str) -> Mapping[str, Record]:
        """The instances that wait for the detector `namespace/name`."""
        return self._waiting.get(name, {})

    def find(
        self, states: Mapping[str, bytes], timers: Mapping[str, tuple[int, bytes]], start: Start | None
    ) -> list[Instruction]:
        """Read what was kept. An instance whose bytes cannot be read begins anew, which is told."""
        self._start = start
        self._found = timers
        out: list[Instruction] = []
        lost: dict[str, list[str]] = {}
        windows: dict[str, dict[str, bytes]] = {}
        for key, body in states.items():
            if key.startswith(PREFIX):
                owner, _, row = key.removeprefix(PREFIX).rpartition("#")
                windows.setdefault(owner, {})[row] = body
                continue
            name, instance = split(key)
            record = revive(instance, body)
            if record is None:
                lost.setdefault(name, []).append(instance)
                out += [Decided(name, instance, "reset", "", "", ""), Drop(key)]
            else:
                self._waiting.setdefault(name, {})[instance] = record
        out += self._give_past(windows)
        self._give_timers(timers)
        return [*out, *(Raise(told(name, keys, _UNREADABLE, self._now, "")) for name, keys in lost.items())]

    def take_up(self, machine: Machine, now: int, cause: str) -> list[Instruction]:
        """Let the instances that wait for this machine go on, and its schedules."""
        start, found = self._start, self._found
        out: list[Instruction] = []
        out += machine.agenda.begin(now) if start is None else machine.agenda.resume(found, now, start.back)
        out += inherit(machine, self._waiting.pop(machine.id, {}), now, cause)
        if start is not None:
            for record in machine.records.values():
                out += take_up(machine, record, found, start, again=now > start.now)
        if not self._waiting:
            self._found = {}
        return out

    def drop(self, name: str) -> list[Instruction]:
        """The detector `namespace/name`, which is not there, was removed."""
        return drop(name, self._waiting.pop(name, {}))

    @property
    def _now(self) -> int:
        return 0 if self._start is None else self._start.now

    def _give_past(self, windows: Mapping[str, dict[str, bytes]]) -> list[Instruction]:
        out: list[Instruction] = []
        for key, rows in windows.items():
            record = self._record(key)
            if record is None:
                out += [Drop(f"{PREFIX}{key}#{row}") for row in rows]
            else:
                record.past = Past(rows)
        return out

    def _give_timers(self, timers: Mapping[str, tuple[int, bytes]]) -> None:
        for timer, (due, _) in timers.items():
            key, _, clock = timer.rpartition("#")
            record = self._record(key)
            if record is not None:
                record.timers[clock] = due

    def _record(self, key: str) -> Record | None:
        name, instance = split(key)
        return self._waiting.get(name, {}).get(instance)


def split(key: str) -> tuple[str, str]:
    """`namespace/detector/instance` in two; the instance may hold slashes itself."""
    namespace, _, rest = key.partition("/")
    name, _, instance = rest.partition("/")
    return f"{namespace}/{name}", instance


_UNREADABLE = "what was kept cannot be read"
