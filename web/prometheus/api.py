"""The addresses of Prometheus' HTTP API that Grafana asks, below `/prometheus`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from multidict import MultiDict

from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Scalar
from web.config import WebConfig
from web.ports import Sql
from web.problems import problem_of
from web.prometheus.vector import LABELS, MOST_STEPS, Matcher, Steps, Vector, condition
from web.routes import JSON, Route

BASE = "/prometheus/api/v1"
_SERIES = 10_000
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_ERRORS = {400: "bad_data", 404: "not_found", 408: "timeout", 413: "execution", 503: "unavailable", 504: "timeout"}

Params = MultiDict[str]
"""What was asked, in the address and in a form."""


class PrometheusApi:
    """Answers in Prometheus' own forms, errors too."""

    def __init__(self, config: WebConfig, sql: Sql, clock: Clock) -> None:
        self._config = config
        self._sql = sql
        self._clock = clock

    def routes(self) -> list[Route]:
        answers: dict[str, Callable[[Params, web.Request], Awaitable[Any]]] = {
            "/query": self._query,
            "/query_range": self._query_range,
            "/labels": self._labels,
            "/series": self._series,
        }
        more: dict[str, Callable[[Params, web.Request], Awaitable[Any]]] = {
            "/label/{name}/values": self._values,
            "/metadata": self._metadata,
            "/query_exemplars": self._nothing,
            "/status/buildinfo": self._build,
        }
        found = [("GET", path, answer) for path, answer in (answers | more).items()]
        found += [("POST", path, answer) for path, answer in answers.items()]
        return [
            Route(method, BASE + path, _handler(answer), "As in Prometheus", described=False, patient=True)
            for method, path, answer in found
        ]

    async def _query(self, asked: Params, _request: web.Request) -> Any:
        at = _time(asked.get("time"), self._clock.now())
        return await self._evaluated(asked, Steps(at, 1, 1), instant=True)

    async def _query_range(self, asked: Params, _request: web.Request) -> Any:
        start, end = _time(asked.get("start")), _time(asked.get("end"))
        step = int(_seconds(asked.get("step", "")) * 1e6)
        if step <= 0 or end < start:
            raise Rejected("step has to be greater than zero, and end must not be before start")
        count = (end - start) // step + 1
        if count > MOST_STEPS:
            reason = f"exceeded maximum resolution of {MOST_STEPS} points per timeseries: ask for a greater step"
            raise Rejected(reason)
        return await self._evaluated(asked, Steps(start, step, count), instant=False)

    async def _evaluated(self, asked: Params, steps: Steps, *, instant: bool) -> Any:
        found = _translated(asked.get("query", ""), steps)
        if not isinstance(found, Vector):
            pairs = [[at / 1e6, _number(found)] for at in range(steps.start, steps.end + 1, steps.step)]
            if instant:
                return {"resultType": "scalar", "result": pairs[0]}
            return {"resultType": "matrix", "result": [{"metric": {}, "values": pairs}]}
        rows = await self._rows(_listed(found, steps), found.parameters)
        labels = [label for label in found.labels if label != "__name__" or found.named]
        result = [_sample(dict(zip(found.labels, row, strict=False)), labels, row[-1], instant=instant) for row in rows]
        if len({tuple(sorted(one["metric"].items())) for one in result}) < len(result):
            raise Rejected("several metrics would have the same labels: name one metric, or aggregate by (__name__)")
        return {"resultType": "vector" if instant else "matrix", "result": result}

    async def _labels(self, asked: Params, _request: web.Request) -> Any:
        wanted, parameters = _selected(asked)
        found = await self._rows(f"SELECT count(*) FROM latest WHERE {wanted}", parameters)  # noqa: S608 - ours
        return sorted(LABELS) if found[0][0] else []

    async def _values(self, asked: Params, request: web.Request) -> Any:
        column = LABELS.get(request.match_info["name"])
        if column is None:
            return []
        wanted, parameters = _selected(asked)
        query = f"SELECT DISTINCT {column} FROM latest WHERE value IS NOT NULL AND ({wanted}) ORDER BY 1"  # noqa: S608 - ours
        return [row[0] for row in await self._rows(query, parameters)]

    async def _series(self, asked: Params, _request: web.Request) -> Any:
        if not asked.getall("match[]", []):
            raise Rejected("no match[] parameter provided")
        wanted, parameters = _selected(asked)
        columns = ", ".join(LABELS.values())
        rows = await self._rows(f"SELECT {columns} FROM latest WHERE {wanted} ORDER BY ALL", parameters)  # noqa: S608 - ours
        return [dict(zip(LABELS, row, strict=True)) for row in rows]

    async def _metadata(self, asked: Params, _request: web.Request) -> Any:
        name = asked.get("metric")
        rows = await self._rows("SELECT DISTINCT property FROM latest WHERE value IS NOT NULL ORDER BY 1", ())
        told = [{"type": "gauge", "help": "A property of devices.", "unit": ""}]
        return {row[0]: told for row in rows if name in (None, row[0])}

    async def _nothing(self, _asked: Params, _request: web.Request) -> Any:
        return []

    async def _build(self, _asked: Params, _request: web.Request) -> Any:
        """Grafana asks what is possible by version: 2.45 is that of the grammar that is read."""
        return {"version": "2.45.0", "application": "gemelo"}

    async def _rows(self, query: str, parameters: Sequence[Scalar]) -> list[tuple[Any, ...]]:
        found = await self._sql.sql(query, parameters, deadline=self._config.deadline, limit=_SERIES)
        if found.truncated:
            reason = f"more than {_SERIES} series, or too large an answer: ask for fewer series or a greater step"
            raise Rejected(reason, 413)
        return found.rows


def _handler(
    answer: Callable[[Params, web.Request], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            asked: Params = MultiDict(request.query)
            if request.method == "POST":
                form = await request.post()
                asked.extend((name, value) for name, value in form.items() if isinstance(value, str))
            data = await answer(asked, request)
        except (Rejected, Unavailable, TimeoutError) as error:
            view = problem_of(request, error).view
            told = {"status": "error", "errorType": _ERRORS.get(view.status, "bad_data"), "error": view.detail}
            return web.Response(body=msgspec.json.encode(told), status=view.status, content_type=JSON)
        return web.Response(body=msgspec.json.encode({"status": "success", "data": data}), content_type=JSON)

    return handle


def _translated(text: str, steps: Steps) -> Vector | float:
    try:
        from web.prometheus.expression import translated
    except ImportError as error:
        message = "PromQL is not installed: pip install 'gemelo[sql]'"
        raise Unavailable(message) from error
    return translated(text, steps)


def _selected(asked: Params) -> tuple[str, tuple[Scalar, ...]]:
    """The condition of the series that some `match[]` selects; of all where there is none."""
    wanted: list[str] = []
    parameters: tuple[Scalar, ...] = ()
    for text in asked.getall("match[]", [])[:20]:
        from web.prometheus.expression import matchers

        found: Sequence[Matcher] = matchers(text)
        sql, values = condition(found)
        wanted.append(f"({sql})")
        parameters += values
    return " OR ".join(wanted) or "true", parameters


def _listed(vector: Vector, steps: Steps) -> str:
    """One row a series: its labels, and its values as the text that JSON has for them."""
    columns = "".join(f"{LABELS[label]}, " for label in vector.labels)
    at = f"(({steps.start} + k * {steps.step}) / 1e6)::VARCHAR"
    said = "CASE WHEN isnan(v) THEN 'NaN' WHEN isinf(v) THEN if(v > 0, '+Inf', '-Inf') ELSE v::VARCHAR END"
    pair = f"concat('[', {at}, ',\"', {said}, '\"]')"
    group = "GROUP BY ALL ORDER BY ALL" if columns else "HAVING count(*) > 0"
    values = f"(SELECT {columns}k, v::DOUBLE AS v FROM ({vector.sql}) WHERE v IS NOT NULL)"  # noqa: S608 - ours
    return f"SELECT {columns}string_agg({pair}, ',' ORDER BY k) FROM {values} {group}"  # noqa: S608 - ours


def _sample(row: dict[str, str], labels: Sequence[str], values: str, *, instant: bool) -> dict[str, Any]:
    metric = {label: row[label] for label in labels}
    if instant:
        return {"metric": metric, "value": msgspec.Raw(values.encode())}
    return {"metric": metric, "values": msgspec.Raw(f"[{values}]".encode())}


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:.15g}"


def _time(text: str | None, default: int | None = None) -> int:
    """Microseconds of a time as seconds since 1970 or as RFC 3339 has it."""
    if text is None and default is not None:
        return default
    try:
        seconds = float(text or "")
    except ValueError:
        try:
            moment = datetime.fromisoformat(text or "")
            seconds = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            reason = f'"{(text or "")[:40]}" is no time: seconds since 1970, or 2026-11-21T10:00:00Z'
            raise Rejected(reason) from None
    if not -6.2e10 < seconds < 2.5e11:
        raise Rejected("the time is out of range")
    return round(seconds * 1e6)


def _seconds(text: str) -> float:
    """Of `15`, `15s` or `1m`."""
    number = text.rstrip("mshdwy")
    try:
        seconds = float(number) * _UNITS.get(text[len(number) :] or "s", math.nan)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e9:
        reason = f'step = "{text[:20]}" is no duration: seconds, or such as 15s or 1m'
        raise Rejected(reason)
    return seconds
