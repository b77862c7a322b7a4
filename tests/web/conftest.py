"""A small gateway in memory: enough of one to serve the page from, honest in what it answers."""

from __future__ import annotations

import asyncio
import csv
import io
import math
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import ClientSession, CookieJar
from prometheus_client import CollectorRegistry

from runtime.clock import Clock, SystemClock
from tests.web.browser import browse
from twins.errors import Rejected
from twins.exchange import Encoded, Newest, Rows, Scalar
from web.alarms import AlarmApi
from web.config import WebConfig
from web.revisions import Revisions
from web.server import Web
from web.views import (
    AlarmView,
    CameraView,
    CloudView,
    DeviceView,
    EventView,
    Health,
    HintView,
    InstanceView,
    Members,
    NodeView,
    PartView,
    PointView,
    PropertyView,
    QueryView,
    RuleView,
    Snapshot,
)

__all__ = ["browse"]

LOOPBACK = WebConfig(listen="127.0.0.1:0")
START = 1_760_000_000_000_000


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> int:
        return START + int(self.seconds * 1e6)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        done = asyncio.Event()
        self._sleepers.append((self.seconds + seconds, done))
        await done.wait()

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for due, done in self._sleepers:
            if due <= self.seconds + 1e-9:
                done.set()


class Room:
    """Console and Commands over plain dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.devices: dict[str, DeviceView] = {}
        self.cameras: dict[str, CameraView] = {}
        self.rules: dict[str, RuleView] = {}
        self.alarms: list[AlarmView] = []
        self.commanded: list[tuple[str, ...]] = []
        self.recent: deque[tuple[int, EventView]] = deque(maxlen=200)
        self.ledger = CloudView()
        self.well = Health(live=True, ready=True, parts=(PartView("core", "ok"), PartView("store", "ok")))
        self.hints: tuple[HintView, ...] = ()
        self.queries: tuple[QueryView, ...] = ()
        self.past: dict[tuple[str, str], deque[PointView]] = {}
        self.manifests: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str, str]] = []
        self.snapshots = 0
        self.revisions = Revisions()

    def snapshot(self, since: int = 0) -> Snapshot:
        self.snapshots += 1
        keys = [key.partition(":") for key in self.revisions.since(since)]
        ids = {kind: [name for found, _, name in keys if found == kind] for kind in ("device", "camera", "rule")}
        whole = since == 0
        return Snapshot(
            revision=self.revisions.number,
            whole=whole,
            now=self.clock.now(),
            node=NodeView("edge-1", site="Harbour 7", version="0.1.0", started=self.clock.now() - 4_000_000_000),
            health=self.well,
            cloud=self.ledger,
            devices=tuple(_fresh(self.devices[name], whole) for name in ids["device"]),
            cameras=tuple(self.cameras[name] for name in ids["camera"]),
            rules=tuple(self.rules[name] for name in ids["rule"]),
            events=tuple(event for revision, event in self.recent if revision > since),
            alarms=tuple(self.alarms) if whole or any(kind == "alarms" for kind, _, _ in keys) else None,
            members=self._members() if self.revisions.dropped(since) else None,
            hints=self.hints if whole else (),
            queries=self.queries if whole else (),
        )

    async def changed(self, since: int) -> None:
        await self.revisions.changed(since)

    def device(self, device: str) -> DeviceView | None:
        return self.devices.get(device)

    def health(self) -> Health:
        return self.well

    async def history(self, device: str, name: str, count: int) -> Sequence[PointView]:
        if (device, name) not in self.past:
            message = f'"{device}" has no property "{name}"'
            raise Rejected(message, 404)
        return list(self.past[device, name])[-count:]

    async def set_desired(self, device: str, values: Mapping[str, str], who: str) -> str:
        view = self.devices.get(device)
        for name in values:
            found = [one for one in view.properties if one.name == name] if view else []
            if not found:
                message = f'"{device}" has no property "{name}"'
                raise Rejected(message, 404)
            if not found[0].writable:
                message = f'"{name}" is read-only'
                raise Rejected(message, 409)
        for name, value in values.items():
            reported = next(one.reported for one in self.devices[device].properties if one.name == name)
            self.asked.append((device, name, value, who))
            self.change(device, name, desired=value, desired_at=self.clock.now(), drifts=value != reported)
        return f"web:1:{len(self.asked)}"

    async def apply(self, manifest: bytes) -> Sequence[str]:
        try:
            documents = [one for one in yaml.safe_load_all(manifest) if one]
            names = [(one["kind"], one["metadata"]["name"]) for one in documents]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            message = f"this is no manifest: {error}"
            raise Rejected(message) from error
        self.manifests.update(zip(names, documents, strict=True))
        return [f"{kind} {name} created" for kind, name in names]

    async def objects(self, kind: str, name: str = "") -> Sequence[dict[str, Any]]:
        found = [one for (known, _), one in self.manifests.items() if known == kind]
        chosen = [one for one in found if not name or f"default/{one['metadata']['name']}" == name]
        if name and not chosen:
            message = f'there is no {kind} "{name}"'
            raise Rejected(message, 404)
        return chosen

    def schema(self, kind: str) -> dict[str, Any]:
        if kind != "Device":
            message = f"no kind {kind}"
            raise Rejected(message, 404)
        return {"title": kind, "type": "object"}

    async def delete(self, kind: str, name: str, *, force: bool = False) -> None:
        if self.manifests.pop((kind, name), None) is None:
            message = f'there is no {kind} "{name}"'
            raise Rejected(message, 404)

    def put(self, device: DeviceView) -> None:
        self.devices[device.id] = device
        for one in device.properties:
            past = [PointView(START + index * 1_000_000, str(number)) for index, number in enumerate(one.trend or ())]
            self.past[device.id, one.name] = deque(past, maxlen=500)
        self.revisions.touch(f"device:{device.id}")

    def leave(self, device: str) -> None:
        del self.devices[device]
        self.revisions.drop(f"device:{device}")

    def change(self, device: str, name: str, **changes: Any) -> None:
        view = self.devices[device]
        properties = tuple(
            msgspec.structs.replace(one, **changes) if one.name == name else one for one in view.properties
        )
        self.devices[device] = msgspec.structs.replace(view, properties=properties, seen=self.clock.now())
        self.revisions.touch(f"device:{device}")

    def report(self, device: str, name: str, value: str) -> None:
        at = self.clock.now()
        self.past[device, name].append(PointView(at, value))
        wanted = next(one.desired for one in self.devices[device].properties if one.name == name)
        self.change(device, name, reported=value, reported_at=at, drifts=bool(wanted) and wanted != value)

    def show(self, camera: CameraView) -> None:
        self.cameras[camera.id] = camera
        self.revisions.touch(f"camera:{camera.id}")

    def decide(self, rule: RuleView) -> None:
        self.rules[rule.name] = rule
        self.revisions.touch(f"rule:{rule.name}")

    def views(self, state: str, limit: int) -> Sequence[AlarmView]:
        return [alarm for alarm in self.alarms if state in ("", alarm.state)][:limit]

    async def command(
        self, alarm: str, key: str, command: str, *, who: str, note: str, length: str | float | None
    ) -> str:
        found = [one for one in self.alarms if (one.alarm, one.key) == (alarm, key)]
        if not found or command not in found[0].commands:
            message = f"{alarm}: can't {command}: it is acknowledged already"
            raise Rejected(message, 409 if found else 404)
        self.commanded.append((alarm, key, command, who, note, str(length)))
        return f"alarm:1:{len(self.commanded)}"

    def alarm(self, *alarms: AlarmView) -> None:
        self.alarms = list(alarms)
        self.revisions.touch("alarms")

    def happen(self, event: EventView) -> None:
        self.revisions.touch("events")
        self.recent.append((self.revisions.number, event))

    def sync(self, **changes: Any) -> None:
        self.ledger = msgspec.structs.replace(self.ledger, **changes)
        self.revisions.touch("cloud")

    def _members(self) -> Members:
        return Members(tuple(self.devices), tuple(self.cameras), tuple(self.rules))


def _fresh(device: DeviceView, whole: bool) -> DeviceView:
    if whole:
        return device
    properties = tuple(msgspec.structs.replace(one, trend=None) for one in device.properties)
    return msgspec.structs.replace(device, properties=properties)


class Tables:
    """Sql over SQLite in memory: real SQL, real errors. It knows no Arrow and says CSV for it."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []
        self._base = sqlite3.connect(":memory:")
        self._base.execute("create table points (time text, device text, property text, value double)")

    def add(self, time: str, device: str, name: str, value: float) -> None:
        self._base.execute("insert into points values (?, ?, ?, ?)", (time, device, name, value))

    async def sql(self, text: str, parameters: Sequence[Scalar], *, deadline: float, limit: int) -> Rows:
        self.deadlines.append(deadline)
        try:
            cursor = self._base.execute(text, list(parameters))
        except sqlite3.Error as error:
            message = f"the query was refused: {error}"
            raise Rejected(message) from error
        rows = cursor.fetchmany(limit + 1)
        columns = tuple(column[0] for column in cursor.description or ())
        return Rows(columns, rows[:limit], truncated=len(rows) > limit, elapsed_us=1234)

    async def encoded(
        self, text: str, parameters: Sequence[Scalar], *, form: str, deadline: float, limit: int
    ) -> Encoded:
        found = await self.sql(text, parameters, deadline=deadline, limit=limit)
        notice = f"cut at the limit of {limit} rows" if found.truncated else ""
        sheet = io.StringIO()
        csv.writer(sheet).writerows([found.columns, *found.rows])
        body = msgspec.json.encode(found.rows) if form == "json" else sheet.getvalue().encode()
        return Encoded(found.columns, body, len(found.rows), notice, "points: 1 table", 1234)

    def latest(self, devices: Collection[str] = (), properties: Collection[str] = ()) -> list[Newest]:
        found = self._base.execute("select device, property, max(time), value from points group by 1, 2 order by 1, 2")
        rows = [Newest(f"default/{device}", name, int(time), value, None) for device, name, time, value in found]
        wanted = [row for row in rows if not devices or row.device in devices]
        return [row for row in wanted if not properties or row.property in properties]

    def close(self) -> None:
        self._base.close()


class Album:
    """Pictures in memory."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, bytes]] = {}
        self.kept: dict[str, bytes] = {}
        self.asked: list[int] = []

    def latest(self, camera: str, version: int = 0) -> tuple[int, bytes] | None:
        self.asked.append(version)
        return self.newest.get(camera)

    async def by_key(self, key: str) -> bytes | None:
        return self.kept.get(key)


Serve = Callable[..., AbstractAsyncContextManager[tuple[Web, ClientSession]]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def room() -> Room:
    """Three devices, as a fleet in small."""
    room = Room(SystemClock())
    now = room.clock.now()
    trend = tuple(round(20 + math.sin(index / 4), 2) for index in range(40))
    heat = PropertyView("temperature", "float", "21.4", now, unit="°C", trend=trend, edge_version=40)
    room.put(DeviceView("default/thermo-1", "thermometer", "online", now, properties=(heat,)))
    power = PropertyView("power", "boolean", "false", now, writable=True, edge_version=2)
    level = PropertyView("level", "int", "40", now, writable=True, minimum=0, maximum=100, unit="%")
    room.put(DeviceView("default/pump-1", "pump", "online", now, properties=(power, level)))
    room.put(
        DeviceView("plant-2/door-1", "door", "offline", now, properties=(PropertyView("open", "boolean", "true"),))
    )
    room.decide(RuleView("overheat", "Cools what is hot", instances=(InstanceView("thermo-1", "normal", now),)))
    room.happen(EventView("e1", now, "RuleFired", "default/thermo-1", "warning", "thermo-1 is hot", cause="mqtt:1:7"))
    room.sync(kind="cloudcore", state="connected", since=now, sent=12, confirmed=12)
    return room


@pytest.fixture
def tables() -> Any:
    tables = Tables()
    yield tables
    tables.close()


@pytest.fixture
def album() -> Album:
    return Album()


@pytest.fixture
def picture() -> bytes:
    """A JPEG of 320 x 180."""
    image = pytest.importorskip("PIL.Image")
    data = io.BytesIO()
    image.new("RGB", (320, 180), "teal").save(data, "JPEG")
    return data.getvalue()


@pytest.fixture
def serve(room: Room, tables: Tables, album: Album) -> Serve:
    """`async with serve(config, clock) as (web, client)`: a real server and a client of it."""

    @asynccontextmanager
    async def serving(
        config: WebConfig = LOOPBACK, clock: Clock | None = None
    ) -> AsyncIterator[tuple[Web, ClientSession]]:
        more = AlarmApi(room).routes()
        web = Web(config, room, room, tables, album, clock or SystemClock(), CollectorRegistry(), more)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(web.run(), name="web")
            try:
                async with asyncio.timeout(5):
                    await web.listening()
                jar = CookieJar(unsafe=True)
                async with ClientSession(f"http://{web.address}", cookie_jar=jar) as client:
                    yield web, client
            finally:
                running.cancel()

    return serving
