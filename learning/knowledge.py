"""What the gateway knows of its series, and what that makes of each new point. Pure: owned by the sequencer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from learning.lesson import BASELINE, FORECAST, TRAIL, Lesson, read
from learning.norm import Ewma, Judgement, Norm, Trail
from learning.tuning.campaign import TUNING, Bound, Campaign
from learning.tuning.campaign import read as read_campaign
from twins.exchange import Point

SHARE = 0.01
"""Limits are told again when one of them moved by this part of their distance."""
QUARTER = 900_000_000
"""All time zones are whole quarters of an hour from UTC."""


class Counts(Struct):
    """What became of points of series that are known."""

    scored: int = 0
    beyond: int = 0
    unscored: int = 0


class Judge:
    """One series: its norm, and the limits that were told last."""

    __slots__ = ("high", "low", "norm", "series", "threshold", "trail")

    def __init__(self, series: str, version: int, norm: Norm) -> None:
        self.series = series
        self.norm = norm
        self.threshold = norm.threshold
        self.trail = Trail(version, norm.mean, norm.variance) if isinstance(norm, Ewma) else None
        self.low = self.high = math.nan

    def take(self, number: float, hour: int) -> Judgement | None:
        norm = self.norm
        if isinstance(norm, Ewma):
            assert self.trail is not None  # made with it
            return norm.judge(number, self.trail)
        return norm.judge(number, hour)

    def moved(self, found: Judgement) -> bool:
        """Whether these limits are news; if so they are remembered."""
        width = found.high - found.low
        if not math.isfinite(width):
            return False
        least = SHARE * width
        if abs(found.low - self.low) <= least and abs(found.high - self.high) <= least:
            return False
        self.low, self.high = found.low, found.high
        return True


class Knowledge:
    """`lessons` by the key of their row. Hours of seasons are those of the time zone."""

    def __init__(self, zone: str = "UTC") -> None:
        self.lessons: dict[str, Lesson] = {}
        self.campaigns: dict[str, Campaign] = {}
        """By the name of their `Tuning`."""
        self.broken: dict[str, str] = {}
        """Those of which a limit is broken, by the same name, and how."""
        self.counts = Counts()
        self._zone = ZoneInfo(zone)
        self._owners: set[str] = set()
        self._judges: dict[str, Judge] = {}
        self._guards: dict[str, list[tuple[str, Bound, int]]] = {}
        self._moved: set[str] = set()
        self._rows: dict[str, bytes | None] = {}
        self._hour = (-1, 0)

    def __len__(self) -> int:
        return len(self._owners)

    def of(self, kind: str, name: str) -> Iterator[tuple[str, Lesson]]:
        """The lessons of a `Baseline` or `Forecast`, by the series or the name they are of."""
        prefix = BASELINE if kind == "Baseline" else FORECAST
        for key, lesson in self.lessons.items():
            if lesson.owner == name and key.startswith(prefix):
                yield key.removeprefix(prefix), lesson

    def take(self, point: Point) -> tuple[Point, ...]:
        """What a new point leads to: its score, and limits that moved. They have its time and its number."""
        if point.series in self._guards:
            self._watch(point)
        judge = self._judges.get(point.series)
        number = point.number
        if judge is None or number is None or not math.isfinite(number):
            return ()
        found = judge.take(number, self._week_hour(point.at))
        if found is None:
            self.counts.unscored += 1
            return ()
        self.counts.scored += 1
        self.counts.beyond += abs(found.score) > judge.threshold
        series, at, seq = point.series, point.at, point.seq
        if judge.trail is not None:
            self._moved.add(series)
        score = Point(f"{series}.anomaly", at, seq, found.score, None)
        if not judge.moved(found):
            return (score,)
        low, high = Point(f"{series}.low", at, seq, found.low, None), Point(f"{series}.high", at, seq, found.high, None)
        return score, low, high

    def apply(self, kind: str, name: str, *, holds: bool) -> None:
        """A manifest holds from now on, or is deleted with all that was learned for it."""
        owner = f"{kind}/{name}"
        if holds:
            self._owners.add(owner)
            return
        self._owners.discard(owner)
        if kind == "Tuning":
            self._set_campaign(name, None)
            return
        for subject, _ in list(self.of(kind, name)):
            self._drop(subject, kind)

    def learn(self, lessons: Mapping[str, bytes | None]) -> None:
        """Take up lessons by key, `None` for none any more. For what has no manifest any more nothing is learned."""
        for key, body in lessons.items():
            if key.startswith(TUNING):
                self._set_campaign(key.removeprefix(TUNING), None if body is None else read_campaign(body))
            elif body is None:
                self._drop(key.partition(":")[2], "Baseline" if key.startswith(BASELINE) else "Forecast")
            elif self._take_up(key, read(body)):
                self._rows[key] = body

    def forget(self, device: str) -> None:
        """A device left."""
        for key in [key for key in self.lessons if key.startswith(f"{BASELINE}{device}/")]:
            self._drop(key.removeprefix(BASELINE), "Baseline")

    def changes(self) -> dict[str, bytes | None]:
        """Rows to write with the batch."""
        rows, self._rows = self._rows, {}
        for series in self._moved:
            if (judge := self._judges.get(series)) is not None:
                rows[f"{TRAIL}{series}"] = msgspec.msgpack.encode(judge.trail)
        self._moved.clear()
        return rows

    def restore(self, manifests: Iterable[tuple[str, str]], rows: Mapping[str, bytes]) -> list[str]:
        """Take up manifests (kind and name) that hold, and rows; in words, what can't be read: it is learned anew."""
        self._owners |= {f"{kind}/{name}" for kind, name in manifests}
        faults = []
        for key, body in rows.items():
            if not key.startswith((BASELINE, FORECAST, TUNING)):
                continue
            try:
                kept = self._restore_one(key, body)
            except msgspec.MsgspecError as error:
                faults.append(f"what was learned for {key.partition(':')[2]} can't be read: {error}")
                kept = False
            if not kept:
                self._rows[key] = None
        for key, body in rows.items():
            if key.startswith(TRAIL):
                self._follow(key, body)
        return faults

    def _restore_one(self, key: str, body: bytes) -> bool:
        if not key.startswith(TUNING):
            return self._take_up(key, read(body))
        name = key.removeprefix(TUNING)
        self._set_campaign(name, read_campaign(body))
        self._rows.pop(key, None)  # it is there
        return name in self.campaigns

    def _set_campaign(self, name: str, campaign: Campaign | None) -> None:
        """And watch the limits of a trial that is under way."""
        if campaign is not None and f"Tuning/{name}" not in self._owners:
            return
        if campaign is not None:
            self.campaigns[name] = campaign
            self._rows[TUNING + name] = campaign.body
        elif self.campaigns.pop(name, None) is not None:
            self._rows[TUNING + name] = None
        self.broken.pop(name, None)
        self._guards = {}
        for each, other in self.campaigns.items():
            if (since := other.watched) is not None:
                for bound in other.limits:
                    self._guards.setdefault(bound.series, []).append((each, bound, since))

    def _watch(self, point: Point) -> None:
        number = point.number
        for name, bound, since in self._guards[point.series]:
            if number is not None and point.at >= since and (fault := bound.fault(number)):
                self.broken.setdefault(name, fault)

    def _follow(self, key: str, body: bytes) -> None:
        judge = self._judges.get(key.removeprefix(TRAIL))
        try:
            trail = msgspec.msgpack.decode(body, type=Trail)
        except msgspec.MsgspecError:
            trail = None
        if judge is not None and judge.trail is not None and trail and trail.version == judge.trail.version:
            judge.trail = trail
        else:
            self._rows[key] = None

    def _take_up(self, key: str, lesson: Lesson) -> bool:
        baseline = key.startswith(BASELINE)
        if f"{'Baseline' if baseline else 'Forecast'}/{lesson.owner}" not in self._owners:
            return False
        known, version = self.lessons.get(key), lesson.current
        self.lessons[key] = lesson
        same = known is not None and known.current.number == version.number
        if baseline and not (same and known.current.learned == version.learned):  # type: ignore[union-attr]
            series = key.removeprefix(BASELINE)
            self._judges[series] = Judge(series, version.number, version.learned)  # type: ignore[arg-type]
        return True

    def _drop(self, subject: str, kind: str) -> None:
        key = f"{BASELINE if kind == 'Baseline' else FORECAST}{subject}"
        if self.lessons.pop(key, None) is None:
            return
        self._rows[key] = None
        judge = self._judges.pop(subject, None) if kind == "Baseline" else None
        if judge is not None and judge.trail is not None:
            self._moved.discard(subject)
            self._rows[f"{TRAIL}{subject}"] = None

    def _week_hour(self, at: int) -> int:
        """The hour of the week in local time, Monday's first being 0."""
        quarter = at // QUARTER
        if quarter != self._hour[0]:
            try:
                local = datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(self._zone)
                self._hour = quarter, local.weekday() * 24 + local.hour
            except (OverflowError, ValueError, OSError):  # the ends of the calendar
                self._hour = quarter, 0
        return self._hour[1]
