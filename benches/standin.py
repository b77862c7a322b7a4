"""The stand-in CloudCore as a process of its own, and objects for it."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benches.stage import free_port, running, waited
from cloud.config import CloudCoreConfig

PROPERTIES = tuple(f"p{n}" for n in range(10))
Json = dict[str, Any]


class Stand:
    """The stand-in in a folder. `objects` are there before it starts."""

    def __init__(self, folder: Path, objects: Sequence[Json] = ()) -> None:
        self.folder = folder
        self.https, self.ws, self.api = free_port(), free_port(), free_port()
        for version, one in enumerate(objects, 101):
            meta = {"namespace": "default", "uid": f"uid-{version}", "resourceVersion": str(version), "generation": 1}
            meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
            path = folder / "objects" / one["kind"] / "default" / f"{one['metadata']['name']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(one | {"metadata": one["metadata"] | meta}), "utf-8")

    @contextmanager
    def running(self) -> Iterator[Stand]:
        ports = ("--https", str(self.https), "--ws", str(self.ws), "--api", str(self.api))
        with running("simulator", "cloudcore", "--data", str(self.folder), *ports, "--sync", "0.5"):
            if not waited(lambda: (self.folder / "token").exists() and bool(self._there()), 30.0):
                sys.exit("the stand-in cloud does not start")
            yield self

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def fault(self, kind: str, seconds: float) -> None:
        self.ask("POST", "/fault", {"kind": kind, "for": seconds})

    def config(self, **more: Any) -> CloudCoreConfig:
        return CloudCoreConfig(
            url=f"wss://127.0.0.1:{self.ws}",
            register_url=f"https://127.0.0.1:{self.https}",
            token_file=str(self.folder / "token"),
            **more,
        )

    def section(self, rate: float) -> str:
        config = self.config()
        return (
            f'[cloud]\nkind = "cloudcore"\nurl = "{config.url}"\nregister_url = "{config.register_url}"\n'
            f'token_file = "{config.token_file}"\nrate = {rate}\n'
        )

    def record(self) -> list[Json]:
        text = (self.folder / "received.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _there(self) -> bool:
        try:
            return bool(self.ask("GET", "/"))
        except OSError:
            return False


def device(name: str, properties: Sequence[str], node: str = "edge-1", model: str = "bench") -> Json:
    spec = {"deviceModelRef": {"name": model}, "nodeName": node, "properties": [{"name": one} for one in properties]}
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {"name": name}, "spec": spec}


def model(properties: Mapping[str, str], name: str = "bench") -> Json:
    said = [{"name": one, "type": kind, "accessMode": "ReadWrite"} for one, kind in properties.items()]
    kind = {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "DeviceModel"}
    return kind | {"metadata": {"name": name}, "spec": {"protocol": "bench", "properties": said}}


def twins_of(status: Json) -> list[Json]:
    return list(status["status"].get("twins", []))
