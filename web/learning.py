"""What is learned: limits of series and their versions, forecasts and their back-test. Times: µs UTC, 0 for none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from aiohttp import web
from msgspec import Struct

from twins.errors import Rejected
from twins.values import device_id
from web.bodies import body_of, json_of
from web.routes import Route

KINDS = {"baseline": "Baseline", "forecast": "Forecast"}


class LearningView(Struct, frozen=True):
    """How it stands with a manifest: `series` have lessons, `little` have too few points; `took` seconds at the last.

    `failing` is tried again by itself; `too little` is looked at again when there may be more.
    """

    id: str
    kind: Literal["Baseline", "Forecast"]
    state: Literal["waiting", "learning", "learned", "too little", "failing"]
    reason: str
    last: int
    next: int
    took: float
    series: int
    little: int
    failures: int


class SlotView(Struct, frozen=True):
    """Limits and median of an hour of the season."""

    hour: int
    low: float
    middle: float
    high: float
    points: int


class VersionView(Struct, frozen=True):
    """What was learned `at` this time from so many `points` from `since` to `until`."""

    number: int
    at: int
    since: int
    until: int
    points: int
    digest: str
    method: str
    low: float | None
    high: float | None
    slots: list[SlotView]


class LessonView(Struct, frozen=True):
    """Of a series or a forecast; `held`: somebody went back to this version, which stays until it is fitted by hand."""

    subject: str
    held: bool
    current: VersionView
    previous: VersionView | None


class TrialView(Struct, frozen=True):
    """How a method did on the past: mean absolute error, the same in units of the season's naive error, and the parts
    that lay within its intervals."""

    method: str
    naive: bool
    mae: float | None
    mase: float | None
    within_80: float | None
    within_95: float | None
    fault: str


class StepView(Struct, frozen=True):
    """What is expected of the step that begins at `at`."""

    at: int
    value: float
    low_80: float
    high_80: float
    low_95: float
    high_95: float


class ForecastView(Struct, frozen=True):
    """Made `at` this time by `method`; `beats`: it did better on the past than every naive way."""

    id: str
    version: int
    at: int
    method: str
    beats: bool
    folds: int
    trials: list[TrialView]
    path: list[StepView]


class BackBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which series (`namespace/device/property`); empty: of all."""

    series: str = ""


class WentBack(Struct, frozen=True):
    """So many series have their version before."""

    series: int


class Learning(Protocol):
    """All that is learned on this node. Raises `Rejected` (404, 409)."""

    def views(self) -> Sequence[LearningView]: ...

    def lessons(self, kind: str, name: str) -> Sequence[LessonView]: ...

    def path(self, name: str) -> ForecastView: ...

    def fit(self, kind: str, name: str) -> LearningView: ...

    async def back(self, name: str, series: str) -> int: ...


class LearningApi:
    """Handlers of `/api/v1/learning` and `/api/v1/forecasts`."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    def routes(self) -> list[Route]:
        one = "/api/v1/learning/{kind:baseline|forecast}/{namespace}/{name}"
        back = "/api/v1/learning/baseline/{namespace}/{name}/back"
        path = "/api/v1/forecasts/{namespace}/{name}"
        return [
            Route("GET", "/api/v1/learning", self.all, "How it stands with each", list[LearningView], query=("kind",)),
            Route("GET", one, self.one, "What was learned, and the version before", list[LessonView]),
            Route("POST", f"{one}/fit", self.fit, "Learn it now", LearningView),
            Route("POST", back, self.back, "Go back to the version before", WentBack, BackBody),
            Route("GET", path, self.path, "A forecast: the way ahead, and its back-test", ForecastView),
        ]

    async def all(self, request: web.Request) -> web.Response:
        kind = KINDS.get(request.query.get("kind", ""))
        return json_of([view for view in self._learning.views() if kind in {None, view.kind}])

    async def one(self, request: web.Request) -> web.Response:
        kind, name = KINDS[request.match_info["kind"]], _id(request)
        if not any((view.kind, view.id) == (kind, name) for view in self._learning.views()):
            raise Rejected(f"there is no {kind} {name[:200]}", 404)
        return json_of(self._learning.lessons(kind, name))

    async def fit(self, request: web.Request) -> web.Response:
        return json_of(self._learning.fit(KINDS[request.match_info["kind"]], _id(request)), 202)

    async def back(self, request: web.Request) -> web.Response:
        body = await body_of(request, BackBody)
        return json_of(WentBack(await self._learning.back(_id(request), body.series)))

    async def path(self, request: web.Request) -> web.Response:
        return json_of(self._learning.path(_id(request)))


def _id(request: web.Request) -> str:
    return device_id(request.match_info["namespace"], request.match_info["name"])
