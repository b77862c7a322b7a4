"""Questions to the store over HTTP: SQL with answers as JSON, CSV or an Arrow IPC stream, and the newest values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from twins.errors import Rejected
from twins.exchange import Encoded, Newest, Scalar
from web.bodies import body_of, json_of
from web.config import WebConfig
from web.nodes.manifest import Series, Within
from web.nodes.question import EVERYTHING, Choice, GroupReport, Groups
from web.ports import Sql
from web.routes import JSON, Route, RowsView

Form = Literal["json", "csv", "arrow"]
_HEAD = 4096
"""Signs that the report of several nodes may take in the head of an answer: clients allow 8 KiB for a line."""
ARROW = "application/vnd.apache.arrow.stream"
TYPES: dict[str, Form] = {JSON: "json", "text/csv": "csv", ARROW: "arrow"}


class QueryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A question. `parameters` fill the `?` of the query in order; `deadline` is in seconds.

    With `group`, `near` or `where` it is for all nodes that these choose together; with `require` all, none may fail.
    `rights` are what whom it is for may read of them, as patterns of series.
    """

    query: str
    parameters: list[Scalar] = []
    limit: int = 1000
    deadline: float | None = None
    group: str = ""
    near: Within | None = None
    where: dict[str, str] = {}
    require: Literal["any", "all"] = "any"
    rights: Annotated[tuple[Series, ...], Meta(max_length=256)] = (EVERYTHING,)

    @property
    def choice(self) -> Choice:
        return Choice(self.group, self.near, self.where, self.require, self.rights)


class _Rows(Struct, frozen=True, omit_defaults=True):
    """`RowsView`, with rows that are JSON already."""

    columns: tuple[str, ...]
    rows: msgspec.Raw
    truncated: bool
    notice: str
    plan: str
    elapsed_us: int
    group: GroupReport | None = None


class SqlApi:
    """The handlers of `/api/v1/sql` and `/api/v1/latest`."""

    def __init__(self, config: WebConfig, sql: Sql, groups: Groups | None = None) -> None:
        self._config = config
        self._sql = sql
        self._groups = groups

    def routes(self) -> list[Route]:
        asked = "Ask in SQL; with format or Accept as json, csv or arrow (an IPC stream)"
        newest = "The newest value of each series, of devices and properties if some are named; both may be named again"
        named = ("device", "property")
        return [
            Route("POST", "/api/v1/sql", self.query, asked, RowsView, QueryBody, query=("format",), patient=True),
            Route("GET", "/api/v1/latest", self.latest, newest, list[Newest], query=named),
        ]

    async def latest(self, request: web.Request) -> web.Response:
        named = request.query.getall("device", [])
        devices = {device if "/" in device else f"default/{device}" for device in named}
        return json_of(list(self._sql.latest(devices, set(request.query.getall("property", [])))))

    async def query(self, request: web.Request) -> web.Response:
        form = _form(request)
        body = await body_of(request, QueryBody)
        deadline = min(body.deadline or self._config.deadline, self._config.sql_deadline)
        limit = max(1, min(body.limit, self._config.rows))
        report = None
        if self._groups is None:
            answer = await self._sql.encoded(body.query, body.parameters, form=form, deadline=deadline, limit=limit)
        else:
            answer, report = await self._groups.encoded(
                body.query, body.parameters, body.choice, form=form, deadline=deadline, limit=limit
            )
        return _json(answer, report) if form == "json" else _bytes(answer, form, report)


def _json(answer: Encoded, report: GroupReport | None) -> web.Response:
    rows, cut = msgspec.Raw(answer.body), bool(answer.notice)
    return json_of(_Rows(answer.columns, rows, cut, answer.notice, answer.plan, answer.elapsed_us, report))


def _bytes(answer: Encoded, form: Form, report: GroupReport | None) -> web.Response:
    told: dict[str, Any] = {
        "X-Truncated": str(bool(answer.notice)).lower(),
        "X-Notice": answer.notice,
        "X-Plan": answer.plan,
        "X-Rows": answer.rows,
        "X-Elapsed-Us": answer.elapsed_us,
        "X-Group": "" if report is None else report.brief(_HEAD),
    }
    headers = {name: str(value) for name, value in told.items() if value != ""}
    kind = next(kind for kind, named in TYPES.items() if named == form)
    return web.Response(body=answer.body, content_type=kind, headers=headers)


def _form(request: web.Request) -> Form:
    """What `format` says; else the first type of `Accept` that we have; else JSON."""
    asked = request.query.get("format")
    if asked is None:
        kinds = (part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(","))
        return next((TYPES[kind] for kind in kinds if kind in TYPES), "json")
    for form in TYPES.values():
        if asked == form:
            return form
    raise Rejected(f'format = "{asked[:20]}" is none of {", ".join(TYPES.values())}')
