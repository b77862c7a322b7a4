"""Records as senders write them, and the far side of the oracle's questions: points in a real DuckDB, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from simulator.ledger.evidence import Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLES = """
CREATE TABLE points (time TIMESTAMPTZ, namespace VARCHAR, device VARCHAR, property VARCHAR, value DOUBLE, text VARCHAR);
CREATE TABLE results (namespace VARCHAR, device VARCHAR, label VARCHAR, score DOUBLE, x DOUBLE, y DOUBLE, w DOUBLE,
  h DOUBLE, track BIGINT, input BIGINT, cause VARCHAR);
CREATE TABLE events (kind VARCHAR, object VARCHAR, message VARCHAR, cause VARCHAR);
"""


class Shelf:
    """What a gateway would have kept. Serves the two addresses that the oracle asks: the store's and the cloud's."""

    def __init__(self) -> None:
        self.statuses: dict[tuple[str, str], str] = {}
        self.questions = 0
        self.url = ""
        self._base = duckdb.connect()
        self._base.execute(TABLES)
        self._points: list[tuple[Any, ...]] = []

    def point(self, device: str, name: str, ms: int, value: str | float) -> None:
        namespace, _, short = device.partition("/")
        number, text = (None, value) if isinstance(value, str) else (value, None)
        self._points.append((EPOCH + timedelta(milliseconds=ms), namespace, short, name, number, text))

    def result(self, device: str, number: int, cause: str, label: str = "happy") -> None:
        namespace, _, short = device.partition("/")
        row = (namespace, short, label, 0.9, 0.1, 0.1, 0.5, 0.5, None, number, cause)
        self._base.execute(f"INSERT INTO results VALUES ({', '.join('?' * len(row))})", row)

    def event(self, kind: str, about: str, message: str, cause: str) -> None:
        self._base.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (kind, about, message, cause))

    async def sql(self, request: web.Request) -> web.Response:
        self.questions += 1
        self._write()
        asked = await request.json()
        try:
            rows = self._base.execute(asked["query"], asked["parameters"]).fetchall()
        except duckdb.Error as error:
            return web.json_response({"detail": str(error)}, status=400)
        return web.json_response({"rows": rows[: asked["limit"]]})

    async def told(self, _request: web.Request) -> web.Response:
        items: dict[str, dict[str, Any]] = {}
        for (device, name), value in self.statuses.items():
            namespace, _, short = device.partition("/")
            item = items.setdefault(device, {"metadata": {"namespace": namespace, "name": short}, "status": {}})
            item["status"].setdefault("twins", []).append({"propertyName": name, "reported": {"value": value}})
        return web.json_response({"items": list(items.values())})

    def close(self) -> None:
        self._base.close()

    def _write(self) -> None:
        if not self._points:
            return
        columns = zip(*self._points, strict=True)
        names = ("time", "namespace", "device", "property", "value", "text")
        import pyarrow

        kinds = (pyarrow.timestamp("us", tz="UTC"), *[pyarrow.string()] * 3, pyarrow.float64(), pyarrow.string())
        arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        fresh = pyarrow.table(arrays, names=names)
        self._base.register("fresh", fresh)
        self._base.execute("INSERT INTO points SELECT * FROM fresh")
        self._base.unregister("fresh")
        self._points.clear()


Serve = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture
def shelf() -> Any:
    shelf = Shelf()
    yield shelf
    shelf.close()


@pytest.fixture
def serve(shelf: Shelf) -> Serve:
    """`async with serve() as store`: the oracle's own `Store`, asking the shelf; `shelf.url` is its address."""

    @asynccontextmanager
    async def serving() -> AsyncIterator[Store]:
        app = web.Application()
        app.router.add_post("/api/v1/sql", shelf.sql)
        app.router.add_get("/devicestatuses", shelf.told)
        async with TestServer(app) as server, ClientSession() as session:
            shelf.url = str(server.make_url("")).rstrip("/")
            yield Store(shelf.url, session)

    return serving


class Told:
    """A fleet's record, line by line as `simulator.record.Record` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = 0
        path.touch()

    def offer(
        self,
        values: dict[str, str],
        *,
        device: str = "default/pump-1",
        at: int = 0,
        kind: str = "update",
        fate: str = "",
    ) -> str:
        """One message, and what was heard of it; returns its event id."""
        self._number += 1
        event = f"e-{self._number}"
        at = at or 1_760_000_000_000 + self._number
        self.write("offered", device, event, kind=kind, at=at, values=values)
        if fate:
            self.write(fate, device, event, tries=1)
        return event

    def write(self, what: str, device: str, event: str, **fields: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"what": what, "device": device, "event": event, "ms": 0, **fields}) + "\n")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "fleet.jsonl")
