"""What rules wait for: values that were asked of devices and are to be reported in time. Deadlines are timers on disk.

There is one wait for each property: who asks last waits, for what was asked before holds no more.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
from msgspec import Struct

from gateway.timers import Timers
from rules.instructions import Command
from twins.exchange import Batch

PREFIX = "set:"
"""Beginning of the timers' names."""


class Wait(Struct, frozen=True):
    """`rule` is the instance that waits, `label` the action that asked, `id` its name."""

    device: str
    name: str
    value: str
    rule: str
    label: str
    cause: str
    id: str


class Waits:
    """Kept in step with the timers, whose bodies they are."""

    def __init__(self) -> None:
        self._waits: dict[str, Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def restore(self, timers: dict[str, tuple[int, bytes]]) -> None:
        """Take up what was waited for before a restart; one that cannot be read rings for nobody."""
        for timer, (_, body) in timers.items():
            if timer.startswith(PREFIX):
                with suppress(msgspec.DecodeError):
                    self._waits[timer] = _decoder.decode(body)

    def begin(self, command: Command, name: str, due: int, timers: Timers, batch: Batch) -> None:
        """Wait until `due` for one property of a command."""
        wait = Wait(command.device, name, command.values[name], command.rule, command.label, command.cause, command.id)
        self.go_on(wait, due, timers, batch)

    def go_on(self, wait: Wait, due: int, timers: Timers, batch: Batch) -> None:
        """Wait until `due`."""
        timer = _timer(wait.device, wait.name)
        self._waits[timer] = wait
        timers.set(timer, due, _encode(wait), batch)

    def end(self, device: str, name: str, timers: Timers, batch: Batch) -> Wait | None:
        """It was reported, or nobody asks for it any more; the wait that this ends."""
        timer = _timer(device, name)
        wait = self._waits.pop(timer, None)
        if wait is not None:
            timers.set(timer, None, b"", batch)
        return wait

    def expire(self, timer: str) -> Wait | None:
        """The wait whose time is over; `None` for a timer of somebody else's."""
        return self._waits.pop(timer, None)


def _timer(device: str, name: str) -> str:
    return f"{PREFIX}{device}/{name}#reported"  # after the # stands what lasts: no jump of the clock touches it


_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Wait)
