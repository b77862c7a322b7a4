"""One instance of a detector: a slotted record, and how it is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from rules.manifest.form import Scalar


class Record:
    """The state of one key. `state` is the attribute that `transitions` moves.

    `since` is when the state was entered (microseconds UTC), `device` who brought the last fact, `values` the inputs
    and variables by name, `timers` the deadlines by name, `lengths` what timers were last set to where that is asked
    for again, `kept` the bytes last handed out to be written, `limits` when each limited action has its full measure
    again, `None` while none was done. Timers are written by themselves (`Wake`), so they are no part of `news`.
    """

    __slots__ = ("device", "kept", "key", "lengths", "limits", "since", "state", "timers", "values")

    def __init__(self, key: str, state: str, since: int, values: dict[str, Scalar]) -> None:
        self.key = key
        self.state = state
        self.since = since
        self.values = values
        self.device = ""
        self.timers: dict[str, int] = {}
        self.lengths: Mapping[str, int] = _NONE
        self.kept = b""
        self.limits: dict[str, int] | None = None

    def news(self) -> bytes | None:
        """The bytes to keep, once for each change; `None` when they are kept already."""
        body = _ENCODER.encode(_Body(self.state, self.since, self.device, self.values, self.lengths, self.limits))
        if body == self.kept:
            return None
        self.kept = body
        return body

    def overdue(self, now: int) -> str | None:
        """The name of the timer that is due first at `now`."""
        due = min((due, name) for name, due in self.timers.items())
        return due[1] if due[0] <= now else None


def revive(key: str, body: bytes) -> Record | None:
    """Read what `Record.news` gave; `None` when the disk holds what we did not write."""
    try:
        found = _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
    record = Record(key, found.state, found.since, found.values)
    record.device = found.device
    record.lengths = found.lengths or _NONE
    record.limits = found.limits
    record.kept = body
    return record


class _Body(Struct, frozen=True, array_like=True):
    state: str
    since: int
    device: str
    values: dict[str, Scalar]
    lengths: Mapping[str, int] = {}
    limits: dict[str, int] | None = None


_NONE: Mapping[str, int] = {}
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Body)
