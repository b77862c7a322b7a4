"""Steps of a pipeline at work: each takes a point and what it remembers of the series, and gives what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from streams.expression import Expression
from streams.pipeline import Clip, Convert, Deadband, Dedupe, Redact, Sample, Scale, Step
from streams.sampling import Extremes, Item, Triangles
from streams.units import conversion
from twins.duration import Duration, microseconds
from twins.exchange import Point

Secret = Callable[[], bytes]
"""Gives this gateway's own key, when the first pseudonym needs it."""


class Work(Protocol):
    """One step. Without memory of the series, `fresh` gives `None`. `held` points come out later, or of `flush`."""

    def fresh(self) -> Any: ...

    def read(self, raw: bytes) -> Any: ...

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]: ...

    def held(self, memory: Any) -> int: ...

    def flush(self, memory: Any) -> list[Item]: ...


def work_of(step: Step, secret: Secret) -> Work:
    """The step of a manifest, which has exactly one field."""
    (given,) = (value for name in step.__struct_fields__ if (value := getattr(step, name)) is not None)
    match given:
        case Convert(source, to):
            factor, offset = conversion(source, to) or (1.0, 0.0)
            return _Change(lambda value: value * factor + offset)
        case Scale(factor, offset):
            return _Change(lambda value: value * factor + offset)
        case Clip(least, most, outside):
            return _Clip(-math.inf if least is None else least, math.inf if most is None else most, outside == "drop")
        case Deadband(by, heartbeat):
            return _Differing(by, heartbeat)
        case Dedupe(heartbeat):
            return _Differing(0.0, heartbeat)
        case Sample(every, method, _):
            return (Triangles if method == "lttb" else Extremes)(microseconds(every))
        case Redact("drop"):
            return _Nothing()
        case Redact("hash"):
            return _Words(_Pseudonym(secret()))
        case Redact(_, keep):
            return _Words(lambda text: "*" * max(0, len(text) - keep) + text[max(0, len(text) - keep) :])
        case _:
            return _plain(step)


def _plain(step: Step) -> Work:
    if step.where is not None:
        return _Where(Expression(step.where))
    if step.compute is not None:
        return _Compute(Expression(step.compute))
    if step.every is not None:
        return _Every(step.every)
    assert step.rate is not None  # one field is given
    return _Rate(microseconds(step.rate))


class _Nothing:
    """Nothing comes out. What others inherit: no memory, nothing held."""

    def fresh(self) -> Any:
        return None

    def read(self, raw: bytes) -> Any:
        return None

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        return []

    def held(self, memory: Any) -> int:
        return 0

    def flush(self, memory: Any) -> list[Item]:
        return []


class _Where(_Nothing):
    def __init__(self, condition: Expression) -> None:
        self._condition = condition

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        return [item] if self._condition.holds(item[0], device, name) is True else []


class _Compute(_Nothing):
    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        number = self._expression.number(item[0], device, name)
        return [] if number is None else [_with(item, number)]


class _Change(_Nothing):
    """Numbers change; texts stay, and what would be infinite goes."""

    def __init__(self, change: Callable[[float], float]) -> None:
        self._change = change

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        number = item[0].number
        if number is None:
            return [item]
        made = self._change(number)
        return [_with(item, made)] if math.isfinite(made) else []


class _Clip(_Nothing):
    def __init__(self, least: float, most: float, drops: bool) -> None:
        self._least = least
        self._most = most
        self._drops = drops

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        number = item[0].number
        if number is None or self._least <= number <= self._most:
            return [item]
        return [] if self._drops else [_with(item, min(max(number, self._least), self._most))]


class _Kept(Struct, array_like=True):
    """The point kept last, or how many came since."""

    at: int | None = None
    number: float | None = None
    text: str | None = None
    count: int = 0


class _Remembering(_Nothing):
    def fresh(self) -> _Kept:
        return _Kept()

    def read(self, raw: bytes) -> _Kept:
        return _read_kept(raw)


class _Differing(_Remembering):
    def __init__(self, by: float, heartbeat: Duration | None) -> None:
        self._by = by
        self._heartbeat = math.inf if heartbeat is None else microseconds(heartbeat)

    def take(self, memory: _Kept, item: Item, device: str, name: str) -> list[Item]:
        point = item[0]
        if memory.at is not None and not self._differs(memory, point) and point.at - memory.at < self._heartbeat:
            return []
        memory.at, memory.number, memory.text = point.at, point.number, point.text
        return [item]

    def _differs(self, memory: _Kept, point: Point) -> bool:
        if memory.number is None or point.number is None or not self._by:
            return memory.number != point.number or memory.text != point.text
        return abs(point.number - memory.number) >= self._by


class _Every(_Remembering):
    def __init__(self, count: int) -> None:
        self._count = count

    def take(self, memory: _Kept, item: Item, device: str, name: str) -> list[Item]:
        first = memory.count == 0
        memory.count = (memory.count + 1) % self._count
        return [item] if first else []


class _Rate(_Remembering):
    """By the points' own time: one that is older than the last kept goes too."""

    def __init__(self, interval: int) -> None:
        self._interval = interval

    def take(self, memory: _Kept, item: Item, device: str, name: str) -> list[Item]:
        at = item[0].at
        if memory.at is not None and at - memory.at < self._interval:
            return []
        memory.at = at
        return [item]


class _Words(_Nothing):
    """The value as text, changed; the number goes."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def take(self, memory: Any, item: Item, device: str, name: str) -> list[Item]:
        p = item[0]
        text = p.text if p.text is not None else repr(p.number)
        return [(Point(p.series, p.at, p.seq, None, self._change(text)), True)]


class _Pseudonym:
    """The same text gives the same 24 letters here, and others elsewhere; without the key nobody gets it back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, text: str) -> str:
        return blake2b(text.encode(), key=self._key, digest_size=12).hexdigest()


def _with(item: Item, number: float) -> Item:
    p = item[0]
    if number == p.number:
        return item
    return Point(p.series, p.at, p.seq, number, None), True


_read_kept = msgspec.msgpack.Decoder(_Kept).decode
