"""What people are told of devices that come and go: each once, and never a flood. Knows no clock.

Ten a minute are told by themselves, and one device once in ten minutes; all others a line a minute sums up.
"""

from __future__ import annotations

from collections.abc import Callable

from twins.exchange import Event, Severity
from twins.instructions import Status

MINUTE = 60_000_000
TOLD = 10
"""Events a minute that tell of one device each."""
NAMED = 3
"""Devices that a summary names."""
AGAIN = 10 * MINUTE
"""Microseconds after which a device that comes and goes is told by itself again."""


class Bulletin:
    """Gathers changes of status, and makes events of those that matter: offline, and back from it."""

    def __init__(self, next_cause: Callable[[], str]) -> None:
        self._next_cause = next_cause
        self._fresh: list[Event] = []
        self._told: dict[tuple[str, bool], int] = {}
        self._gone: dict[str, None] = {}
        self._back: dict[str, None] = {}
        self._minute = 0
        self._count = 0

    def add(self, status: Status) -> None:
        """Take a change. `unknown` is shown where devices are shown, and is no event."""
        gone, back = status.state.lower() == "offline", status.before.lower() == "offline"
        if gone == back:
            return
        if self._count < TOLD and status.at - self._told.get((status.device, gone), -AGAIN) >= AGAIN:
            self._count += 1
            self._told[status.device, gone] = status.at
            self._fresh.append(_event(status, gone=gone))
        else:
            (self._gone if gone else self._back)[status.device] = None

    def due(self, now: int) -> list[Event]:
        """The events to tell now."""
        events, self._fresh = self._fresh, []
        if not 0 <= now - self._minute < MINUTE:
            self._minute, self._count = now, 0
            self._told = {key: at for key, at in self._told.items() if abs(now - at) < AGAIN}
            events += [self._sum(self._gone, "offline", now)] if self._gone else []
            events += [self._sum(self._back, "back", now)] if self._back else []
        return events

    def _sum(self, devices: dict[str, None], what: str, now: int) -> Event:
        names, more = list(devices)[:NAMED], len(devices) - NAMED
        devices.clear()
        others = f" and {more} more" if more > 0 else ""
        message = f"{', '.join(names)}{others} {'went offline' if what == 'offline' else 'came back'}"
        cause = self._next_cause()
        severity: Severity = "warning" if what == "offline" else "info"
        return Event(f"{cause}:{what}", now, "device", names[0], severity, message, cause)


def _event(status: Status, *, gone: bool) -> Event:
    """A device that only says goodbye gives no reason: nobody need worry."""
    reason = f": {status.reason}" if status.reason else ""
    message = f"{status.device} is offline{reason}" if gone else f"{status.device} is back: {status.state}"
    severity: Severity = "warning" if gone and reason else "info"
    what = "offline" if gone else "back"
    return Event(
        f"{status.cause}:{status.device}:{what}", status.at, "device", status.device, severity, message, status.cause
    )
