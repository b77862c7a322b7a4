"""Points of the past, brought by people and programs: each a point of its series, for no twin and no rule."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from devices.telemetry.formats import line
from devices.telemetry.formats.tagged import NAMING, samples
from devices.telemetry.leaves import NAMES, is_property
from gateway.core import Core
from runtime.clock import Clock
from twins.digest import digest
from twins.errors import Rejected
from twins.exchange import EARLIEST, LATEST, Point, Sample
from twins.kinds import EXACT, VALUE_LIMIT
from twins.stimuli import Recorded
from twins.values import NAME_RULE, is_name

MOST = 10_000
"""Points of one call: it is one turn of the sequencer, and everybody else waits for it."""
_GREATEST = sys.float_info.max


class Recording:
    """Implements `web.points.Recorder`. The same points again are the same points: their numbers are made of them."""

    def __init__(self, core: Core, clock: Clock, next_cause: Callable[[], str]) -> None:
        self._core = core
        self._clock = clock
        self._next_cause = next_cause

    async def record(self, samples: Sequence[Sample]) -> str:
        """Keep all of them or none; returns their cause after the commit. `Rejected` names the bad one."""
        if len(samples) > MOST:
            raise Rejected(f"{len(samples)} points in one call: at most {MOST}, send them in parts", 413)
        known: set[str] = set()
        points = tuple(_point(place, sample, known) for place, sample in enumerate(samples))
        cause = self._next_cause()
        outcome = await self._core.ask(Recorded("", cause, self._clock.now(), points))
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)
        return cause

    async def write(self, lines: bytes, namespace: str, unit: int, naming: Sequence[str]) -> None:
        """Keep the values of InfluxDB's lines, times in `unit` nanoseconds; one bad line refuses all."""
        now = self._clock.now()
        frames = line.decode(lines, unit=unit, most=MOST)
        found = [one for frame in frames for one in samples(frame, namespace, now, naming or NAMING)]
        if found:
            await self.record(found)


def _point(place: int, sample: Sample, known: set[str]) -> Point:
    device, name, at, value = sample
    series = f"{device}/{name}"
    if series not in known:
        if len(parts := device.split("/")) != 2 or not all(map(is_name, parts)):
            raise Rejected(f"points[{place}]: {device[:200]!r} is no device: namespace/name, each {NAME_RULE}")
        if not is_property(name):
            raise Rejected(f"points[{place}]: {name[:128]!r} is no name of a property: {NAMES}")
        known.add(series)
    if not EARLIEST <= at <= LATEST:
        raise Rejected(f"points[{place}]: {at} is no time: microseconds since 1970 within the years 1 to 9999 are")
    said = str(value)
    seq = digest(series, f"{at}\0{said}".encode())
    if isinstance(value, bool):
        return Point(series, at, seq, float(value), None)
    if isinstance(value, str):
        if len(value) > VALUE_LIMIT:
            raise Rejected(f"points[{place}]: a text of {len(value)} characters, at most {VALUE_LIMIT} are kept")
        return Point(series, at, seq, None, value)
    if not -_GREATEST <= value <= _GREATEST:  # NaN is neither
        raise Rejected(f"points[{place}]: {said[:40]} is no value: a number is finite, and a double can tell it")
    return Point(series, at, seq, float(value), said if isinstance(value, int) and abs(value) >= EXACT else None)
