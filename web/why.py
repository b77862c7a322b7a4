"""Why something was decided: the chain from an input over conditions and actions to what these led to in turn."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web
from msgspec import Struct

from twins.exchange import Scalar
from web.bodies import json_of
from web.routes import Route

LONGEST = 512


class ConditionView(Struct, frozen=True):
    """A condition as it came out. `values` are those that its names had then; `text` says it in a line."""

    source: str
    holds: bool
    fault: str
    values: dict[str, Scalar]
    text: str


class EffectView(Struct, frozen=True):
    """What was wanted of the world, and what `became` of it as far as is known now.

    `kind` is `set` of `target`, `device/property`; `alert`, `id` being the event's; `wake` and `clear` of the timer
    `target`, `at` its deadline; or what else rules do.
    """

    kind: str
    target: str
    value: str
    id: str
    at: int
    became: str
    text: str


class StepView(Struct, frozen=True):
    """One evaluation of one instance of a rule. `led_by` is the place in `steps` of what led to it, -1 for an input.

    `source` is the `device/property` whose `value` came, on `topic` if by a message; of a timer empty: `came` says in
    words what it was. `chosen` is empty where nothing was decided. `asked` marks what the question was about.
    """

    led_by: int
    asked: bool
    at: int
    cause: str
    rule: str
    instance: str
    trigger: str
    source: str
    value: Scalar
    topic: str
    came: str
    before: str
    after: str
    chosen: str
    conditions: tuple[ConditionView, ...]
    effects: tuple[EffectView, ...]


class WhyView(Struct, frozen=True):
    """The answer: `about` says what the question was understood to be, `steps` are in the order of their decisions."""

    about: str
    cause: str
    steps: tuple[StepView, ...]


class Reasons(Protocol):
    """What is kept of decisions."""

    async def why(self, event: str) -> WhyView:
        """`event` is an event's id, a cause, or `device/property`. Raises `Rejected` (404)."""
        ...


class WhyApi:
    """Handler of `/api/v1/why/{event}`."""

    def __init__(self, reasons: Reasons) -> None:
        self._reasons = reasons

    def routes(self) -> list[Route]:
        what = "Why it happened: the id of an event, a cause, or device/property for what was asked of it last"
        return [Route("GET", "/api/v1/why/{event:.+}", self.why, what, WhyView)]

    async def why(self, request: web.Request) -> web.Response:
        return json_of(await self._reasons.why(request.match_info["event"][:LONGEST]))
