"""The search for the best configuration: how it stands, its trials, and what people say to them. Times: µs UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from aiohttp import web
from msgspec import Struct

from twins.values import device_id
from web.bodies import body_of, json_of
from web.routes import Route

TuningState = Literal["waiting", "thinking", "proposed", "measuring", "done", "stopped", "failing"]


class TuningView(Struct, frozen=True):
    """`before` is the objective as it was found, `after` that of the best, measured once more where that was done.

    `values` are the best by `namespace/device/property`; `proposed` is the number of a trial that waits for approval.
    """

    id: str
    mode: Literal["advise", "auto"]
    state: TuningState
    reason: str
    used: int
    budget: int
    before: float | None
    after: float | None
    values: dict[str, str]
    proposed: int | None


class RunView(Struct, frozen=True):
    """A trial, proposed or set `at`; `means` of the constraints, all of which were `kept`; `who` said yes or no."""

    number: int
    purpose: Literal["start", "trial", "check"]
    state: Literal["proposed", "measuring", "measured", "broken", "void", "rejected"]
    at: int
    values: dict[str, str]
    objective: float | None
    means: dict[str, float]
    kept: bool
    best: bool
    reason: str
    who: str


class WordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who says it, and to which trial; absent: to that which is proposed now."""

    who: str = ""
    trial: int | None = None


class Campaigns(Protocol):
    """All searches on this node. Raises `Rejected` (404, 409), `Unavailable`."""

    def views(self) -> Sequence[TuningView]: ...

    def trials(self, name: str) -> Sequence[RunView]: ...

    async def approve(self, name: str, trial: int | None, who: str) -> RunView: ...

    async def reject(self, name: str, trial: int | None, who: str) -> RunView: ...

    async def resume(self, name: str, who: str) -> TuningView: ...


class TuningApi:
    """Handlers of `/api/v1/tunings`."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def routes(self) -> list[Route]:
        one = "/api/v1/tunings/{namespace}/{name}"
        return [
            Route("GET", "/api/v1/tunings", self.all, "How each search stands", list[TuningView]),
            Route("GET", one, self.one, "Its trials", list[RunView]),
            Route("POST", f"{one}/approve", self.approve, "Make the proposed trial", RunView, WordBody),
            Route("POST", f"{one}/reject", self.reject, "Propose another", RunView, WordBody),
            Route("POST", f"{one}/resume", self.resume, "Go on after a stop", TuningView, WordBody),
        ]

    async def all(self, request: web.Request) -> web.Response:
        return json_of(list(self._campaigns.views()))

    async def one(self, request: web.Request) -> web.Response:
        return json_of(list(self._campaigns.trials(_id(request))))

    async def approve(self, request: web.Request) -> web.Response:
        body, who = await _word(request)
        return json_of(await self._campaigns.approve(_id(request), body.trial, who))

    async def reject(self, request: web.Request) -> web.Response:
        body, who = await _word(request)
        return json_of(await self._campaigns.reject(_id(request), body.trial, who))

    async def resume(self, request: web.Request) -> web.Response:
        _, who = await _word(request)
        return json_of(await self._campaigns.resume(_id(request), who))


async def _word(request: web.Request) -> tuple[WordBody, str]:
    body = await body_of(request, WordBody) if request.body_exists else WordBody()
    return body, body.who[:100] or ("page" if "Origin" in request.headers else "api")


def _id(request: web.Request) -> str:
    return device_id(request.match_info["namespace"], request.match_info["name"])
