"""The demo as a whole: starts the parts, says how they are, breaks them when asked, ends them in order."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from msgspec import Struct

from gateway.demo.plan import NODE, Plan, write
from gateway.demo.process import Child, kill_broker
from runtime.clock import Clock
from twins.errors import Unavailable

WAIT = 30.0
SETTLE = 40.0
LASTS = 3.0
"""Seconds after which a trouble is told: a model that is being loaded is none."""


class Fault(Struct, frozen=True):
    """Something to break: `target` at `at` seconds after the start, for `seconds` where it lasts."""

    target: str
    at: float
    seconds: float = 0.0


class Show:
    """One run of the demo. `say` prints a line."""

    def __init__(self, plan: Plan, clock: Clock, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._clock = clock
        self._say = say
        folder, ports = plan.folder, plan.ports
        self.cloud = Child(
            "cloud",
            "simulator",
            f"cloudcore --data {folder / 'cloud'} --node {NODE} --https {ports.cloud_https} --ws {ports.cloud_link}"
            f" --api {ports.cloud_api}",
            folder,
        )
        self.gateway = Child("gateway", "gateway", f"run -c {plan.config}", folder)
        self.fleet = Child(
            "fleet",
            "simulator",
            f"fleet --port {ports.broker} --devices {plan.devices} --node {NODE} --record {plan.records['fleet']}",
            folder,
        )
        self.phone: Child | None = None
        if plan.face is not None:
            self.phone = Child(
                "phone",
                "simulator",
                f"phone --address 127.0.0.1:{ports.phones} --device phone-1 --fps 5 --record {plan.records['phone']}"
                f" --pictures {shlex.quote(str(plan.face))}",
                folder,
            )
        self.running = False
        self.broker_killed = False
        self._session: aiohttp.ClientSession | None = None

    @property
    def children(self) -> list[Child]:
        """All parts that are processes, in the order of ending: senders first."""
        return [child for child in (self.phone, self.fleet, self.gateway, self.cloud) if child is not None]

    async def start(self) -> float:
        """Start everything; the seconds until the first live value."""
        started = time.monotonic()
        night = write(self._plan)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        await self.cloud.start()
        manifests = await self._manifests()
        await self._until(self.cloud, f"{self._plan.cloud_api}/")
        await self._declare(manifests)
        self._told("cloud", f"a stand-in CloudCore (a test double), control {self._plan.cloud_api}")
        await self.gateway.start()
        await self.fleet.start()
        if self.phone is not None:
            await self.phone.start()
        await self._until(self.gateway, f"{self._plan.page}/readyz")
        self._told("broker", f"127.0.0.1:{self._plan.ports.broker}")
        self._told("gateway", f"ready after {time.monotonic() - started:.1f} s, data in {self._plan.folder / 'data'}")
        first = await self._first_value(started)
        self._told("devices", f"{self._plan.devices} of five kinds over KubeEdge's twin topics, declared in the cloud")
        self._told("rules", f"overheat, door-open, intruder (its night is {night}: set around now for this demo)")
        return first

    async def describe(self) -> None:
        """Say how camera and phone are, once they had a moment."""
        if self._plan.video is None:
            self._say("  - camera    no video: a `gemelo demo` with a network fetches it, once")
        else:
            await self._awaited("camera", self._camera)
        if self.phone is None:
            self._say("  - phone     no picture: a `gemelo demo` with a network fetches it, once")
        else:
            await self._awaited("phone", self._phone)

    async def run(self, seconds: float | None, faults: list[Fault], ended: asyncio.Event) -> None:
        """Let it run until the time is over or `ended` is set. Raises `Unavailable` when a part ends by itself."""
        self.running = True
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._break(fault), name=f"fault {fault.target}") for fault in faults]
            started = time.monotonic()
            while not ended.is_set() and (seconds is None or time.monotonic() - started < seconds):
                if any(child.ended for child in self.children):
                    break
                try:
                    async with asyncio.timeout(0.5):
                        await ended.wait()
                except TimeoutError:
                    pass
            for task in tasks:
                task.cancel()
        self.running = False
        for child in self.children:
            child.check()

    async def settle(self) -> bool:
        """End the senders, then wait until the cloud has confirmed what is pending; `False` when it has not in time."""
        senders = [child for child in (self.fleet, self.phone) if child is not None]
        await asyncio.gather(*(child.stop(SETTLE) for child in senders))
        until = time.monotonic() + SETTLE
        while time.monotonic() < until:
            cloud = await self._json(f"{self._plan.page}/api/v1/cloud")
            if isinstance(cloud, dict) and cloud.get("state") == "connected" and cloud.get("pending") == 0:
                return True
            await self._clock.sleep(0.2)
        return False

    async def stop(self) -> None:
        """End all parts, senders first."""
        for child in self.children:
            await child.stop()
        if self._session is not None:
            await self._session.close()

    async def _manifests(self) -> str:
        """The fleet's manifests as YAML documents."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulator", "fleet", "--manifests", "--devices", str(self._plan.devices)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(WAIT):
                made, said = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise Unavailable(f"the fleet's manifests could not be made: {said.decode('utf-8', 'replace')[-300:]}")
        return "\n---\n".join(json.dumps(manifest) for manifest in json.loads(made)["items"])

    async def _declare(self, manifests: str) -> None:
        """Put the fleet's manifests into the cloud: the gateway gets its devices from there."""
        assert self._session is not None
        try:
            async with self._session.post(f"{self._plan.cloud_api}/apply", data=manifests) as answer:
                if answer.status != 200:
                    raise Unavailable(f"the stand-in cloud refuses the fleet: {await answer.text()}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the stand-in cloud does not take the fleet: {error}") from error

    async def _first_value(self, started: float) -> float:
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            devices = await self._json(f"{self._plan.page}/api/v1/devices") or []
            if any(p["reported"] is not None for d in devices for p in d["properties"]):
                return time.monotonic() - started
            self.gateway.check()
            await self._clock.sleep(0.05)
        raise Unavailable(f"no value came within {WAIT:.0f} s; see {self.gateway.log} and {self.fleet.log}")

    async def _camera(self) -> str:
        cameras = await self._json(f"{self._plan.page}/api/v1/cameras") or []
        for camera in cameras:
            if camera["reason"]:
                raise Unavailable(str(camera["reason"]))
            if camera["infer_ms"]:
                seen = f"{len(camera['boxes'])} persons now, {camera['infer_ms']:.0f} ms a picture"
                return f"street video, {seen}"
        return ""

    async def _phone(self) -> str:
        device = await self._json(f"{self._plan.page}/api/v1/devices/default/phone-1") or {}
        values = {p["name"]: p["reported"] for p in device.get("properties", ())}
        if values.get("emotion"):
            return f"phone-1 offloads faces over gRPC: {values['emotion']} in {values.get('latency.server_ms')} ms"
        return ""

    async def _awaited(self, name: str, look: Callable[[], Awaitable[str]]) -> None:
        """Say what `look` tells, or the trouble that it raises and that does not pass."""
        trouble, since = f"nothing yet; see {self._plan.folder}", time.monotonic() + 15.0 - LASTS
        while time.monotonic() - since < LASTS:
            try:
                told = await look()
            except Unavailable as error:
                if trouble != str(error):
                    trouble, since = str(error), time.monotonic()
                told = ""
            if told:
                self._told(name, told)
                return
            await self._clock.sleep(0.2)
        self._say(f"  ! {name:<9} {trouble}")

    async def _break(self, fault: Fault) -> None:
        await self._clock.sleep(fault.at)
        if fault.target == "cloud":
            assert self._session is not None
            asked = {"kind": "cut", "for": fault.seconds}
            try:
                async with self._session.post(f"{self._plan.cloud_api}/fault", json=asked):
                    self._say(f"  ✂ the cloud is cut for {fault.seconds:.0f} s")
            except (aiohttp.ClientError, TimeoutError) as error:
                self._say(f"  ! the cloud could not be cut: {error}")
        elif kill_broker(self._plan.folder / "data" / "broker"):
            self.broker_killed = True
            self._say("  ✂ the broker was killed (SIGKILL)")
        else:
            self._say("  ! there is no broker process to kill")

    async def _until(self, child: Child, url: str) -> None:
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            child.check()
            if await self._json(url) is not None:
                return
            await self._clock.sleep(0.05)
        raise Unavailable(f"{child.name} does not answer within {WAIT:.0f} s: {child.last_line()}")

    async def _json(self, url: str) -> Any:
        """The answer, or `None` while there is none."""
        assert self._session is not None
        try:
            async with self._session.get(url) as answer:
                return await answer.json(content_type=None) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    def _told(self, name: str, text: str) -> None:
        self._say(f"  ✓ {name:<9} {text}")
