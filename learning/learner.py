"""Learns when it is time, one manifest after the other, and teaches what it found.

Theory of operation. Each manifest has a moment at which it is due: at once where nothing was learned, else by its
schedule after it was learned last, so that what was missed while the gateway was off is made up for. One task takes
them in order of their moments. What was learned passes the sequencer (`Teach`), which keeps it in one commit and scores
by it from the next point on. A fault of one manifest is told, and tried again later and later; the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.util import find_spec

from learning.forecasting import process
from learning.forecasting.task import Answer, Little, Task
from learning.history import Few, History, Past
from learning.knowledge import Knowledge
from learning.lesson import BASELINE, FORECAST, Lesson, Version
from learning.manifest import DAY, SEASONS, Baseline, Forecast, Manifest
from learning.prediction import Prediction
from learning.standing import Counts, Standing
from runtime.clock import Clock
from twins.cron import following
from twins.digest import digest
from twins.errors import Rejected, Unavailable
from twins.exchange import Point, Severity
from twins.schema import nearest

logger = logging.getLogger(__name__)

LOOK = 30.0
"""Seconds after which it looks at the clock on the wall again: it may have been set."""
AGAIN = 600_000_000
"""Microseconds until another look where there was too little."""
FIRST, LONGEST = 30_000_000, 3_600_000_000
"""Microseconds until a failure is tried again, from the first to the longest."""
SERIES = 2000
"""The most series of all baselines together; with hours of a week each keeps some 50 KB in memory."""
NEEDED = ("duckdb", "pyarrow", "sqlglot")

Teach = Callable[[Mapping[str, bytes | None], Sequence[Point]], Awaitable[None]]
"""Keeps lessons by key, and points that were made now. Raises `Rejected`, `Unavailable`."""
Tell = Callable[[str, Severity, str], Awaitable[None]]
"""Object, severity and words of an event."""
Ask = Callable[[Task], Awaitable[Answer]]


class Learner:
    """`apply` manifests at any time; `run` until cancelled."""

    def __init__(
        self,
        knowledge: Knowledge,
        past: Past,
        teach: Teach,
        tell: Tell,
        clock: Clock,
        zone: str = "UTC",
        ask: Ask = process.answer,
    ) -> None:
        self.counts = Counts()
        self._knowledge = knowledge
        self._history = History(past, zone)
        self._teach = teach
        self._tell = tell
        self._clock = clock
        self._zone = zone
        self._ask = ask
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._standings: dict[tuple[str, str], Standing] = {}
        self._asked_for: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    def apply(self, kind: str, name: str, manifest: Manifest | None) -> None:
        """This manifest holds from now on; `None`: none of this name."""
        key = kind, name
        known = self._manifests.get(key)
        if manifest is None:
            self._manifests.pop(key, None)
            self._standings.pop(key, None)
            return
        self._manifests[key] = manifest
        standing = Standing(name, manifest.kind)
        lessons = [lesson for _, lesson in self._knowledge.of(kind, name)]
        if lessons and known is None:  # a start: it was learned before
            standing.state, standing.series = "learned", len(lessons)
            standing.last = max(lesson.current.at for lesson in lessons)
            standing.next = self._following(manifest, standing.last)
        self._standings[key] = standing
        self._changed.set()

    def views(self) -> list[Standing]:
        """How it stands with each."""
        return [self._standings[key] for key in sorted(self._standings)]

    def fit(self, kind: str, name: str) -> Standing:
        """Learn this as soon as what is under way is done. Raises `Rejected` (404)."""
        standing = self._found(kind, name)
        standing.next = 0
        self._asked_for.add((kind, name))
        self._changed.set()
        return standing

    async def back(self, name: str, series: str = "") -> int:
        """Go back to the versions before, of one series or all of a baseline; how many there were. They are held until
        they are learned by hand. Raises `Rejected` (404, 409)."""
        self._found("Baseline", name)
        found = [pair for pair in self._knowledge.of("Baseline", name) if series in {"", pair[0]}]
        older = {f"{BASELINE}{each}": before.body for each, lesson in found if (before := lesson.back()) is not None}
        if not older:
            raise Rejected(f"Baseline {name} has no version before{f' of {series}' if series else ''}", 409)
        await self._teach(older, ())
        return len(older)

    async def run(self) -> None:
        """Learn what is due, until cancelled."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            due = min(((_due(each, now), key) for key, each in self._standings.items()), default=None)
            if due is not None and due[0] <= now:
                await self._learn(due[1], self._manifests[due[1]], self._standings[due[1]])
                continue
            await self._wait(LOOK if due is None else min(LOOK, (due[0] - now) / 1e6))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _learn(self, key: tuple[str, str], manifest: Manifest, standing: Standing) -> None:
        by_hand, before = key in self._asked_for, standing.state
        self._asked_for.discard(key)
        standing.state = "learning"
        now, started = self._clock.now(), self._clock.monotonic()
        try:
            _check_libraries()
            if isinstance(manifest, Baseline):
                await self._norms(manifest, standing, now, by_hand=by_hand)
            else:
                await self._forecast(manifest, standing, now)
        except Few as error:
            standing.state, standing.reason = "too little", str(error)
            standing.next = min(now + AGAIN, self._following(manifest, now))
            self.counts.little += 1
            if before != "too little":
                await self._say(standing, "info", f"there is too little to learn from: {error}")
        except (Rejected, Unavailable) as error:
            await self._failed(standing, str(error), now)
        except Exception as error:  # a fault of ours in one manifest must not stop the gateway
            logger.exception("%s %s can't be learned", *key)
            await self._failed(standing, f"{type(error).__name__}: {error}", now)
        else:
            standing.failures, standing.last = 0, now
            standing.next = self._following(manifest, now)
        standing.took = self._clock.monotonic() - started

    async def _failed(self, standing: Standing, reason: str, now: int) -> None:
        standing.state, standing.reason = "failing", reason
        standing.failures += 1
        standing.next = now + min(FIRST << min(standing.failures - 1, 10), LONGEST)
        self.counts.failures += 1
        if standing.failures == 1:
            await self._say(standing, "warning", f"it can't be learned: {reason}; it is tried again")

    async def _say(self, standing: Standing, severity: Severity, message: str) -> None:
        try:
            await self._tell(standing.id, severity, f"{standing.kind}: {message}")
        except Unavailable as error:
            logger.warning("%s: %s", standing.id, error)

    async def _norms(self, baseline: Baseline, standing: Standing, now: int, *, by_hand: bool) -> None:
        known = dict(self._knowledge.of("Baseline", baseline.id))
        meant = await self._history.series(baseline, now)
        few, taken, over, fitted, faults = [], [], [], 0, []
        for device, name, count in meant:
            series = f"{device}/{name}"
            other = self._knowledge.lessons.get(BASELINE + series)
            if other is not None and other.owner != baseline.id:
                taken.append(f"{series} ({other.owner})")
            elif other is not None and other.held and not by_hand:
                continue
            elif other is None and len(self._knowledge.lessons) >= SERIES:
                over.append(series)
            else:
                try:
                    version = await self._history.norm(baseline, device, name, count, now)
                except Few as error:
                    few.append(f"{series}: {error}")
                except Rejected as error:
                    faults.append(f"{series}: {error}")
                else:
                    lesson = Lesson(baseline.id, version) if other is None else other.next(version)
                    await self._teach({BASELINE + series: lesson.body}, ())
                    fitted += 1
        gone = {BASELINE + series: None for series in known if not _means(baseline, series)}
        if gone:
            await self._teach(gone, ())
        self.counts.lessons += fitted
        standing.series = len(list(self._knowledge.of("Baseline", baseline.id)))
        standing.little = len(few)
        if faults:
            raise Unavailable(_some("could not be read", faults))
        if not standing.series:
            raise Few(_some("have too few points", few) if few else "no series of these has numbers yet")
        standing.state = "learned"
        beyond = _some(f"are beyond the limit of {SERIES} series", over)
        reasons = _some("have too few points", few), _some("are another's", taken), beyond
        standing.reason = "; ".join(filter(None, reasons))
        if fitted:
            await self._say(standing, "info", f"learned what is normal for {fitted} series. {standing.reason}".rstrip())

    async def _forecast(self, forecast: Forecast, standing: Standing, now: int) -> None:
        first, values = await self._history.grid(forecast, now)
        day = DAY // forecast.step
        season = SEASONS[forecast.spec.season] // forecast.step
        spec = forecast.spec
        task = Task(
            first * forecast.step,
            forecast.step,
            tuple(values),
            day,
            season,
            forecast.horizon + 1,  # the step under way is the first
            spec.methods,
            spec.least,
            spec.most,
        )
        answer = await self._ask(task)
        if isinstance(answer, Little):
            raise Few(answer.reason)
        key = FORECAST + forecast.id
        known = self._knowledge.lessons.get(key)
        before = known.current.learned if known is not None else None
        until = (first + len(values)) * forecast.step
        points = sum(value is not None for value in values)
        version = Version(1, now, task.begin, until, points, answer)
        lesson = Lesson(forecast.id, version) if known is None else known.next(version)
        await self._teach({key: lesson.body}, _points(forecast, answer, now))
        self.counts.lessons += 1
        standing.series, standing.state, standing.reason = 1, "learned", ""
        if not answer.beats:
            standing.reason = f"no method did better on the past than {answer.method}, which is published"
        if not isinstance(before, Prediction) or before.method != answer.method:
            severity: Severity = "info" if answer.beats else "warning"
            await self._say(standing, severity, standing.reason or f"{answer.method} did better than every naive way")

    def _following(self, manifest: Manifest, after: int) -> int:
        return following(manifest.schedule, after, self._zone)

    def _found(self, kind: str, name: str) -> Standing:
        standing = self._standings.get((kind, name))
        if standing is None:
            names = [each for of, each in self._standings if of == kind]
            raise Rejected(f"there is no {kind} {name[:200]}: {nearest(name, names)}", 404)
        return standing


def _check_libraries() -> None:
    """Raises Unavailable."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        message = f"{missing[0]} is not installed: pip install 'gemelo[learning]'"
        raise Unavailable(message)


def _due(standing: Standing, now: int) -> int:
    """When it is to be learned; now, where the clock on the wall was set back to before it was learned last."""
    return now if standing.last > now else standing.next


def _means(baseline: Baseline, series: str) -> bool:
    namespace, _, rest = series.partition("/")
    device, _, name = rest.partition("/")
    return baseline.means(f"{namespace}/{device}", name)


def _some(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} {what}: {', '.join(names[:3])}{more}"


def _points(forecast: Forecast, prediction: Prediction, now: int) -> list[Point]:
    """What is expected at each lead, as series of now: nothing in the store is of the future."""
    found = []
    for steps, word in forecast.leads.items():
        step = prediction.path[steps]
        name = f"{forecast.device}/{forecast.spec.property}.forecast.{word}"
        for series, value in ((name, step.value), (f"{name}.low", step.low_80), (f"{name}.high", step.high_80)):
            found.append(Point(series, now, digest(series, str(now).encode()), value, None))
    return found
