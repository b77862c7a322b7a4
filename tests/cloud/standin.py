"""The far side of a scene: the stand-in for CloudCore, and the two wires to it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from simulator.cloudcore.options import Options
from simulator.cloudcore.server import CloudCore as Server
from simulator.cloudcore.server import serve
from tests.cloud.ledger import Stored
from tests.cloud.scene import MODEL, manifest
from tests.cloud.wire import Wire


class StandIn:
    """Implements `Far`."""

    def __init__(self, options: Options, *, heartbeat: float = 0.3) -> None:
        self.options = options
        self.cloud: Server
        self.link: Wire
        self.certificates: Wire
        self._heartbeat = heartbeat
        self._server = AsyncExitStack()
        self._wires = AsyncExitStack()

    async def __aenter__(self) -> StandIn:
        await self.start()
        self.cloud.cluster.apply(MODEL)
        ports = [int(url.rpartition(":")[2]) for url in (self.cloud.certificates_url, self.cloud.link_url)]
        self.options = msgspec.structs.replace(self.options, https=ports[0], ws=ports[1])
        self.certificates, self.link = [await self._wires.enter_async_context(Wire(port)) for port in ports]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._wires.aclose()
        await self.stop()

    @property
    def section(self) -> str:
        return (
            f'kind = "cloudcore"\nurl = "wss://127.0.0.1:{self.link.port}"\n'
            f'register_url = "https://127.0.0.1:{self.certificates.port}"\n'
            f'token_file = "{self.options.data}/token"\nheartbeat = {self._heartbeat}\n'
        )

    async def start(self) -> None:
        self.cloud = await self._server.enter_async_context(serve(self.options))

    async def stop(self) -> None:
        await self._server.aclose()

    async def linked(self, within: float) -> None:
        seen = self.cloud.record.counts["keepalive"]
        async with asyncio.timeout(within):
            while self.cloud.record.counts["keepalive"] == seen:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)

    def add(self, device: str) -> None:
        self.cloud.cluster.apply(manifest(device))

    def remove(self, device: str) -> None:
        self.cloud.cluster.delete("Device", *device.split("/"))

    def ask(self, device: str, number: int) -> None:
        self.cloud.cluster.desire("default", device.partition("/")[2], {"target": str(number)})

    def statuses(self) -> dict[str, dict[str, str]]:
        return {
            f"{one['metadata']['namespace']}/{one['metadata']['name']}": {
                twin["propertyName"]: twin["reported"]["value"] for twin in one["status"].get("twins", [])
            }
            for one in self.cloud.cluster.all("DeviceStatus")
        }

    def wishes(self) -> dict[str, int]:
        return {f"default/{one['metadata']['name']}": _wish(one) for one in self.cloud.cluster.all("Device")}

    def stored(self) -> Stored:
        for line in (self.options.data / "received.jsonl").read_text().splitlines():
            said = json.loads(line)
            if said["verdict"] in ("confirmed", "unanswered"):
                _, namespace, name, *_ = said["route"]["resource"].split("/")
                yield f"{namespace}/{name}", said["stored"]


def _wish(device: dict[str, Any]) -> int:
    target = next(one for one in device["spec"]["properties"] if one["name"] == "target")
    return int(target.get("desired", {}).get("value", 0))
