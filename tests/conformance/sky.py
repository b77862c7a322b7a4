"""A whole gateway between a real mosquitto and the stand-in cloud, over real TLS; a client in front of it.

Gateway and stand-in live in one loop in a thread of their own; the test commands both from its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import paho.mqtt.client as paho

from gateway.assemble import Gateway
from gateway.config import parse
from simulator.cloudcore.messages import message
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import CloudCore, serve
from simulator.cloudcore.session import Delivery
from store.state import FILE
from tests.conformance.stage import DEADLINE, NODE, Clock, Heard
from tests.mosquitto import Mosquitto
from twins.values import Twin

Line = dict[str, Any]
T = TypeVar("T")
HEARTBEAT = 0.4
"""Seconds between two signs of life, unless a stage says otherwise."""


class Hasty(Clock):
    """Sleeps a little where others sleep long."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, HEARTBEAT))


class Sky:
    """`cloud` are options of the stand-in that differ, `section` lines of `[cloud]`; `spoilt` is the token's signature.

    Unless `patient`, nobody sleeps longer than `HEARTBEAT`: what is tried again later is tried again soon.
    """

    def __init__(
        self, folder: Path, *, section: str = "", spoilt: bool = False, patient: bool = False, **cloud: Any
    ) -> None:
        self.clock = Clock() if patient else Hasty()
        self.folder = folder
        self.began = 0
        self.cloud: CloudCore
        self.gateway: Gateway
        self.heard: list[Heard] = []
        data = folder / "cloud"
        data.mkdir()
        usual: dict[str, Any] = {"https": 0, "ws": 0, "api": 0, "nodes": (NODE,), "resend": 0.3, "sync": 0.2}
        self._options = Options(data=data, **(usual | cloud))
        self._section = section
        self._spoilt = spoilt
        self._broker = Mosquitto(folder / "broker")
        self._loop: asyncio.AbstractEventLoop
        self._again: asyncio.Event
        self._end: asyncio.Event
        self._threads = ThreadPoolExecutor(1, "gateway")
        self._running: Future[None]
        self._barriers = 0
        self._client: paho.Client

    def __enter__(self) -> Sky:
        self._broker.start()
        self._listen()
        started = threading.Event()
        self._running = self._threads.submit(asyncio.run, self._main(started))
        self._running.add_done_callback(lambda _: started.set())
        assert started.wait(DEADLINE)
        if self._running.done():
            self._running.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._running.result(20)
        self._client.disconnect()
        self._client.loop_stop()
        self._threads.shutdown()
        self._broker.stop()

    # -- what is done ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """From here on `lines` and `heard` count."""
        self.began = len(self._record())
        self.heard.clear()

    def say(self, topic: str, body: object) -> None:
        """Publish; bytes as they are, all else as JSON."""
        self._client.publish(topic, body if isinstance(body, bytes) else json.dumps(body), 1)

    def do(self, what: Callable[[CloudCore], T]) -> T:
        """Do something in the cloud, as `kubectl` would."""

        async def done() -> T:
            return what(self.cloud)

        return self.call(done())

    def deliver(
        self,
        operation: str,
        resource: str,
        content: object,
        *,
        version: str,
        uid: str,
        source: str = "devicecontroller",
    ) -> str:
        """An object comes that has to be acknowledged; the id of its message."""
        told = message(source, "resource", operation, resource, content, version=version)
        item = Delivery(uid, int(version or 0), operation == "delete", told)
        self.do(lambda cloud: cloud.controller.sessions[NODE].deliver(item))
        return str(told["header"]["msg_id"])

    def tell(self, source: str, group: str, operation: str, resource: str, content: object = None) -> str:
        """A message comes that nobody acknowledges; its id."""
        told = message(source, group, operation, resource, content)
        self.do(lambda cloud: cloud.controller.tell(NODE, told))
        return str(told["header"]["msg_id"])

    def cut(self) -> None:
        self.do(lambda cloud: cloud.start("cut", 600.0))
        self.until(lambda: "cannot connect" in self.status()["reason"])

    def mend(self) -> None:
        self.do(lambda cloud: cloud.start("cut", 0.0))
        self.until(lambda: self.online)

    def restart(self) -> None:
        """The gateway ends in order and starts again; cloud and broker stay."""
        old = self.gateway
        self._loop.call_soon_threadsafe(old.stop)
        self.until(lambda: self.gateway is not old and self.gateway.ready.is_set())

    @contextlib.contextmanager
    def disk_away(self) -> Iterator[None]:
        """Somebody else writes to the database: no commit gets through."""
        with contextlib.closing(sqlite3.connect(self.folder / "data" / FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def barrier(self) -> None:
        """What came from the cloud before is dealt with: an object that came after it is acknowledged."""
        self._barriers += 1
        name = f"barrier-{self._barriers}"
        id_ = self.deliver("insert", f"default/configmap/{name}", {}, version="1", uid=name, source="edgecontroller")
        self.until(lambda: any(one["header"].get("parent_msg_id") == id_ for one in self.lines("acknowledged")))
        marker = f"marker/{self._barriers}"
        self.say(marker, b"0")
        self.until(lambda: any(one.topic == marker for one in self.heard))

    # -- what is found ---------------------------------------------------------------------------------------------

    @property
    def online(self) -> bool:
        return self.status()["phase"] == "online"

    def status(self) -> dict[str, Any]:
        """What `gemelo cloud status` shows."""
        return dict(msgspec.to_builtins(self.gateway._cloud.status()))

    def twin(self, device: str) -> Twin | None:
        return self.gateway.kernel.twins.get(device)

    def desired(self, device: str, name: str) -> str | None:
        twin = self.twin(device)
        one = twin.properties.get(name) if twin else None
        return one.desired.value if one and one.desired else None

    def lines(self, *verdicts: str) -> list[Line]:
        """What the cloud received since `begin`."""
        return [line for line in self._record()[self.began :] if not verdicts or line["verdict"] in verdicts]

    def up(self, resource: str) -> list[Line]:
        """Messages about a resource since `begin`."""
        return [line for line in self.lines() if line.get("route", {}).get("resource") == resource]

    def acknowledged(self, resource: str) -> int:
        """How many messages about a resource were acknowledged since `begin`."""
        return len([line for line in self.up(resource) if line["verdict"].startswith("acknowledged")])

    def said(self, topic: str) -> list[Any]:
        """Bodies that were published on a topic since `begin`."""
        return [one.body for one in self.heard if one.topic == topic]

    def until(self, true: Callable[[], object], within: float = DEADLINE) -> None:
        deadline = time.monotonic() + within
        while not true():
            if self._running.done():
                self._running.result()
            assert time.monotonic() < deadline, f"not within {within:g} s; the cloud has {self.lines()[-5:]}"
            time.sleep(0.005)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    # -- how it runs -----------------------------------------------------------------------------------------------

    async def _main(self, started: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._options) as self.cloud, asyncio.TaskGroup() as group:
            if self._spoilt:
                (self._options.data / "token").write_text(self.cloud.new_token()[:-4] + "AAAA")
            parts = group.create_task(self._gateways(started))
            await self._end.wait()
            self.gateway.stop()
            await asyncio.wait({parts}, timeout=10)
            parts.cancel()

    async def _gateways(self, started: threading.Event) -> None:
        """One after the other, until the end."""
        while not self._end.is_set():
            self.gateway = gateway = Gateway(parse(self._toml(), where="gateway.toml", folder=self.folder), self.clock)
            async with asyncio.TaskGroup() as group:
                group.create_task(gateway.run())
                await gateway.ready.wait()
                while not gateway._mqtt.door or not gateway._mqtt.door.link.connected:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.002)
                started.set()

    def _toml(self) -> str:
        return f"""
[node]
name = "{NODE}"
[broker]
url = "mqtt://127.0.0.1:{self._broker.port}"
[cloud]
kind = "cloudcore"
url = "{self.cloud.link_url}"
register_url = "{self.cloud.certificates_url}"
rules_wait = 0.1
token_file = "cloud/token"
{self._section or f"heartbeat = {HEARTBEAT}"}
[web]
enabled = false
[inference]
enabled = false
[offload]
enabled = false
[dmi]
enabled = false
"""

    def _record(self) -> list[Line]:
        path = self._options.data / "received.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def _listen(self) -> None:
        client = self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "listener", protocol=paho.MQTTv5)
        ready = threading.Event()
        client.on_message = lambda _client, _data, m: self.heard.append(
            Heard(m.topic, _body(m.payload), m.qos, m.retain)
        )
        client.on_connect = lambda *_: client.subscribe([("$hw/#", 1), ("#", 1)])
        client.on_subscribe = lambda *_: ready.set()
        client.connect("127.0.0.1", self._broker.port)
        client.loop_start()
        assert ready.wait(DEADLINE)


def _body(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return payload.decode(errors="replace")
