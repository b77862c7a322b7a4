"""What is learned, in the gateway: it passes the sequencer, its events too; people and metrics see how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from msgspec import structs

from gateway.core import Core
from learning.history import Past
from learning.knowledge import Counts as Scores
from learning.learner import Learner
from learning.lesson import Lesson, Version
from learning.manifest import Manifest
from learning.norm import Ewma, Robust, Seasonal
from learning.prediction import Prediction
from learning.standing import Counts, Standing
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Event, Point, Severity
from twins.schema import nearest
from twins.stimuli import Learned, Noted
from web.learning import ForecastView, LearningView, LessonView, SlotView, StepView, TrialView, VersionView


class Lessons:
    """Implements `web.learning.Learning`. The door `learning`: opened after all manifests."""

    def __init__(self, core: Core, past: Past, zone: str, clock: Clock, next_cause: Callable[[], str]) -> None:
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._learner = Learner(core.knowledge, past, self._teach, self._tell, clock, zone)

    def baseline(self, name: str, manifest: Manifest | None) -> None:
        """Watcher of the kind `Baseline`."""
        self._learner.apply("Baseline", name, manifest)

    def forecast(self, name: str, manifest: Manifest | None) -> None:
        """Watcher of the kind `Forecast`."""
        self._learner.apply("Forecast", name, manifest)

    async def run(self) -> None:
        await self._learner.run()

    def views(self) -> Sequence[LearningView]:
        return [_view(each) for each in self._learner.views()]

    def lessons(self, kind: str, name: str) -> Sequence[LessonView]:
        return [_lesson(subject, lesson) for subject, lesson in sorted(self._core.knowledge.of(kind, name))]

    def path(self, name: str) -> ForecastView:
        found = next((lesson for _, lesson in self._core.knowledge.of("Forecast", name)), None)
        if found is None:
            names = [view.id for view in self._learner.views() if view.kind == "Forecast"]
            if name in names:
                raise Rejected(f"Forecast {name} was not made yet: `gemelo learn list` says why", 409)
            raise Rejected(f"there is no Forecast {name[:200]}: {nearest(name, names)}", 404)
        return _forecast(name, found.current)

    def fit(self, kind: str, name: str) -> LearningView:
        return _view(self._learner.fit(kind, name))

    async def back(self, name: str, series: str) -> int:
        return await self._learner.back(name, series)

    def counts(self) -> Iterator[tuple[str, Counts | Scores]]:
        yield "learning", self._learner.counts
        yield "scores", self._core.knowledge.counts

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of now."""
        views = self._learner.views()
        yield (
            "learning_lessons",
            "Series and forecasts of which something was learned",
            len(self._core.knowledge.lessons),
        )
        yield "learning_failing", "Baselines and forecasts that can't be learned now", sum(map(_fails, views))
        yield (
            "learning_seconds",
            "What learning one manifest took, the longest",
            max((v.took for v in views), default=0),
        )

    @property
    def troubles(self) -> Iterator[str]:
        """Why something can't be learned now."""
        for view in self._learner.views():
            if _fails(view):
                yield f"{view.kind} {view.id}: {view.reason}"

    async def _teach(self, lessons: Mapping[str, bytes | None], points: Sequence[Point]) -> None:
        try:
            said = Learned("", self._next_cause(), self._clock.now(), dict(lessons), tuple(points))
            outcome = await self._core.ask(said)
        except TimeoutError:
            raise Unavailable("the store is behind: what was learned could not be kept yet") from None
        if outcome.refused is not None:
            raise Unavailable(outcome.refused)

    async def _tell(self, subject: str, severity: Severity, message: str) -> None:
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:learning", now, "learning", subject, severity, message, cause)
        try:
            await self._core.ask(Noted("", cause, now, event))
        except TimeoutError:
            raise Unavailable("the store is behind: an event could not be kept yet") from None


def _fails(view: Standing) -> bool:
    return view.state == "failing"


def _view(standing: Standing) -> LearningView:
    return LearningView(**structs.asdict(standing))


def _lesson(subject: str, lesson: Lesson) -> LessonView:
    previous = None if lesson.previous is None else _version(lesson.previous)
    return LessonView(subject, lesson.held, _version(lesson.current), previous)


def _version(v: Version) -> VersionView:
    low = high = None
    slots: list[SlotView] = []
    learned = v.learned
    match learned:
        case Robust(middle, scale, threshold):
            low, high = middle - threshold * scale, middle + threshold * scale
        case Ewma():
            reach = learned.threshold * max(learned.variance**0.5, learned.least)
            low, high = learned.mean - reach, learned.mean + reach
        case Seasonal():
            slots = [SlotView(hour, *structs.astuple(s)) for hour, s in enumerate(learned.slots) if s is not None]
    method = learned.method if isinstance(learned, Prediction) else str(learned.__struct_config__.tag)
    return VersionView(v.number, v.at, v.since, v.until, v.points, v.digest, method, low, high, slots)


def _forecast(name: str, version: Version) -> ForecastView:
    made = cast("Prediction", version.learned)  # of a Forecast nothing else is
    return ForecastView(
        name,
        version.number,
        version.at,
        made.method,
        made.beats,
        made.folds,
        [TrialView(**structs.asdict(each)) for each in made.trials],
        [StepView(*structs.astuple(each)) for each in made.path],
    )
