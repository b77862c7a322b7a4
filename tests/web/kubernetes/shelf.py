"""A shelf of objects in memory in the gateway's place, and a client of the edge API over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from aiohttp import ClientResponse, ClientSession

from gateway.manifests.schemas import schema
from twins.errors import Rejected
from web.config import WebConfig

FIRST = 3 << 32
ROOT = "/apis/devices.kubeedge.io/v1beta1"
DEVICES = f"{ROOT}/namespaces/default/devices"
LOOPBACK = WebConfig(listen="127.0.0.1:0", viewers=4)


def device(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": spec,
    }


class Shelf:
    """Objects by kind and name; says to `touch` what changed, as the gateway does."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.reads = 0
        self.touch: Callable[[str, str], None] = lambda kind, name: None

    def put(self, data: dict[str, Any]) -> None:
        name = f"{data['metadata']['namespace']}/{data['metadata']['name']}"
        self.kept[data["kind"], name] = data
        self.touch(data["kind"], name)

    def drop(self, kind: str, name: str) -> None:
        del self.kept[kind, name]
        self.touch(kind, name)

    def names(self, kind: str) -> Iterable[str]:
        return [name for each, name in self.kept if each == kind]

    def read(self, kind: str, name: str) -> dict[str, Any] | None:
        self.reads += 1
        return deepcopy(self.kept.get((kind, name)))

    def schema(self, kind: str) -> dict[str, Any]:
        return schema(kind)

    async def write(self, manifest: dict[str, Any], *, dry: bool = False) -> None:
        if manifest["spec"].get("nodeName") == "bad":
            raise Rejected("spec.nodeName: is bad")
        if manifest["spec"].get("nodeName") == "clouds":
            raise Rejected("is the cloud's", 403)
        if not dry:
            uid = f"uid-{manifest['metadata']['name']}"
            self.put(manifest | {"metadata": manifest["metadata"] | {"uid": uid}})

    async def delete(self, kind: str, name: str) -> None:
        self.drop(kind, name)


class Client:
    """Asks the API, and looks after what comes."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **headers: str
    ) -> tuple[int, Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        said = headers | ({"Content-Type": kind} if data is not None else {})
        async with self.http.request(method, self.url + path, data=data, headers=said) as answer:
            assert answer.content_type == "application/json"
            return answer.status, await answer.json()

    async def get(self, path: str, **headers: str) -> Any:
        status, told = await self.ask("GET", path, **headers)
        assert status == 200, told
        return told

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[ClientResponse]:
        async with self.http.get(self.url + path, headers=headers) as answer:
            yield answer


async def event(answer: ClientResponse) -> tuple[str, Any]:
    """The next event of a watch; ("", None) at its end."""
    async with asyncio.timeout(10):
        line = await answer.content.readline()
    read = json.loads(line) if line else {"type": "", "object": None}
    return read["type"], read["object"]
