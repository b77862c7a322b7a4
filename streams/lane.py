"""One key of one query: how far its series have come, and what is kept of its open windows.

The watermark of a lane is the time before which no more points are waited for: the newest time of its slowest series
less the disorder that is allowed; a series that is idle is not waited for. It never goes back. To find it costs a
look at every series, so it is found only when it matters: `next` is the earliest end of an open window, `behind` how
many series have not come so far, and nothing can close while there are some.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from streams.source import parted

T = TypeVar("T")

NEVER = 1 << 61
FEW = 4
"""Series that are written in one row with their lane; more of them have rows of their own."""
REPEATS = 16
"""Points of each series by which a repeat is known; what is newer than all of its series is none."""
AHEAD = 86_400_000_000
"""Microseconds: a point that claims to be farther ahead of us is in no window: none would end before that time."""
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

Part = int | str | None
"""What a row of a lane holds: a part by its number, a series, or all else."""


class Origin(Struct, array_like=True):
    """A series that feeds a lane: its newest time, when it was heard last, and its last points, eight bytes each."""

    at: int
    seen: int
    idle: bool = False
    recent: bytes = b""

    def knows(self, at: int, seq: int) -> bool:
        """Whether this is one of the last points."""
        return _identity(at, seq) in self.recent

    def note(self, at: int, seq: int) -> None:
        self.recent = (self.recent + _identity(at, seq))[-8 * REPEATS :]


class Told(NamedTuple):
    """One result: its time, what tells it from others of the lane, values by name."""

    at: int
    ident: int
    values: list[tuple[str, float]]
    corrected: bool = False


class Frame(Protocol):
    """One kind of window."""

    def earliest(self, at: int) -> int:
        """The first end that a point at this time can lead to."""

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        """Take a value of the series `name`; corrections of what was told before, `None` for a value too late."""

    def close(self, lane: Lane) -> list[Told]:
        """Tell what ends from `lane.next` up to `lane.mark`, and forget what nothing can correct any more."""

    def upcoming(self, lane: Lane) -> int:
        """The earliest end of a window that was not told yet, after `lane.mark`."""

    def read(self, raw: bytes) -> Any:
        """A part as it was written."""


class Lane:
    """`parts` belong to the frame: by a number, of which the largest changes most often. `touch` and `drop` note it."""

    __slots__ = ("_dirty", "_head", "_heard", "_left", "_wide", "_written", "behind", "bound", "corrections", "count",
                 "device", "key", "mark", "next", "origins", "parts", "places")  # fmt: skip

    def __init__(self, key: str, device: str, bound: int) -> None:
        self.key = key
        self.device = device
        self.bound = bound
        self.mark = -NEVER
        self.corrections = 0
        self.count = 0
        self.next = NEVER
        self.behind = 1
        self.origins: dict[str, Origin] = {}
        self.parts: dict[int, Any] = {}
        self.places: dict[str, int] = _NONE
        self._dirty: Set[int] = _EMPTY
        self._written: Set[int] = _EMPTY
        self._head: int | None = None
        self._heard: Set[str] = _EMPTY
        self._left: tuple[str, ...] = ()
        self._wide = False

    def hear(self, series: str) -> None:
        """A series has news."""
        if self._wide:
            self._heard = _with(self._heard, series)

    def leave(self, device: str) -> bool:
        """Wait no more for the series of a device; true when there were some."""
        leaving = [series for series in self.origins if parted(series)[0] == device]
        for series in leaving:
            del self.origins[series]
        if self._wide:
            self._left += tuple(leaving)
        self.settle(self.next)
        return bool(leaving)

    def expect(self, end: int) -> None:
        """A window is open that ends then."""
        if end < self.next:
            self.settle(end)

    def settle(self, end: int) -> None:
        """This is the earliest end now."""
        self.next = end
        limit = end + self.bound
        self.behind = sum(1 for each in self.origins.values() if not each.idle and each.at < limit)

    def advance(self) -> bool:
        """Find the watermark; true when a window has ended by it."""
        live = [each.at for each in self.origins.values() if not each.idle]
        if live:
            self.mark = max(self.mark, min(live) - self.bound)
        return self.next <= self.mark

    def rest(self, now: int, idle: int) -> bool:
        """Wait no more for series that were silent for so long; true when a window has ended by that.

        When none is left their clocks go on by the time that passes here.
        """
        self.advance()
        for series, each in self.origins.items():
            if not each.idle and each.seen + idle <= now:
                each.idle = True
                self.hear(series)
        if all(each.idle for each in self.origins.values()):
            clocks = (each.at + now - each.seen for each in self.origins.values())
            self.mark = max(self.mark, min(clocks, default=now) - self.bound)
        else:
            self.advance()
        self.settle(self.next)
        return self.next <= self.mark

    def heard_first(self) -> int | None:
        """When the series that is silent for longest was heard, of those that are waited for."""
        return min((each.seen for each in self.origins.values() if not each.idle), default=None)

    def due(self, idle: int) -> int:
        """When somebody is idle, if nothing comes; when all are, when a window ends by their clocks."""
        first = self.heard_first()
        if first is not None:
            return first + idle
        return self.next + self.bound - min((each.at - each.seen for each in self.origins.values()), default=0)

    def touch(self, part: int) -> None:
        self._dirty = _with(self._dirty, part)

    def drop(self, part: int) -> None:
        del self.parts[part]

    def rows(self) -> Iterator[tuple[Part, bytes | None]]:
        """What changed since the last call: parts, series of a lane with many, and under `None` all else."""
        parts, newest = self.parts, max(self.parts, default=None)
        if self._head is not None and self._head != newest:
            self._dirty = _with(self._dirty, self._head)  # it is no more within the row of the lane
        for number in self._dirty:
            if number != newest and number in parts:
                self._written = _with(self._written, number)
                yield number, _encode(parts[number])
        if gone := self._written - parts.keys():
            self._written = self._written - gone or _EMPTY
            yield from ((number, None) for number in gone)
        self._dirty = _EMPTY
        self._head = newest
        part = None if newest is None else parts[newest]
        yield from self._origins()
        origins = {} if self._wide else self.origins
        yield None, _encode((origins, self.mark, self.corrections, self.count, newest, part))

    def gone(self) -> Iterator[Part]:
        """The rows to delete with it."""
        yield None
        yield from self._written
        if self._wide:
            yield from (*self.origins, *self._left)

    def restore(self, rows: dict[Part, bytes], frame: Frame, now: int) -> None:
        """Take up what `rows` gave; what is silent since is waited for anew. Raises `msgspec.DecodeError`."""
        head = _decode(rows[None])
        self.parts = {part: frame.read(body) for part, body in rows.items() if isinstance(part, int)}
        self._written = frozenset(self.parts) or _EMPTY
        if head.newest is not None:
            self.parts[head.newest] = frame.read(bytes(head.part))
        self._head = head.newest
        series = {part: _decode_origin(body) for part, body in rows.items() if isinstance(part, str)}
        self._wide = bool(series)
        self.origins = series or head.origins
        self.mark, self.corrections, self.count = head.mark, head.corrections, head.count
        for each in self.origins.values():
            each.seen = max(each.seen, now)
        self.settle(frame.upcoming(self))

    def _origins(self) -> Iterator[tuple[str, bytes | None]]:
        if not self._wide and len(self.origins) > FEW:
            self._wide = True
            self._heard = frozenset(self.origins)
        yield from ((series, None) for series in self._left if series not in self.origins)
        yield from ((series, _encode(self.origins[series])) for series in self._heard if series in self.origins)
        self._left, self._heard = (), _EMPTY


class _Head(Struct, array_like=True):
    origins: dict[str, Origin]
    mark: int
    corrections: int
    count: int
    newest: int | None
    part: msgspec.Raw


def _with(some: Set[T], one: T) -> Set[T]:
    if isinstance(some, set):
        some.add(one)
        return some
    return {*some, one}


def _identity(at: int, seq: int) -> bytes:
    return (at * _SPREAD + seq & _MASK).to_bytes(8)


_EMPTY: frozenset[Any] = frozenset()  # one for all lanes: each of its own would be 200 bytes
_NONE: dict[str, int] = {}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Head).decode
_decode_origin = msgspec.msgpack.Decoder(Origin).decode
