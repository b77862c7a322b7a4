"""What the demo runs: ports, the gateway's configuration, rules fitted to now, the camera."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from gateway.manifests.documents import files_of
from twins.errors import Unavailable

NODE = "edge-1"


class Ports(Struct, frozen=True):
    """Where each part listens: its usual port, or the next free one."""

    broker: int
    page: int
    phones: int
    cloud_https: int
    cloud_link: int
    cloud_api: int


class Plan(Struct, frozen=True):
    """The demo's folder and files."""

    folder: Path
    ports: Ports
    devices: int
    video: Path | None
    face: Path | None
    models: Path

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.ports.page}"

    @property
    def cloud_api(self) -> str:
        return f"http://127.0.0.1:{self.ports.cloud_api}"

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def records(self) -> dict[str, Path]:
        """What the senders say they sent."""
        return {"fleet": self.folder / "fleet.jsonl", "phone": self.folder / "phone.jsonl"}


def choose_ports(claims: ExitStack) -> Ports:
    """The usual ports, each moved up to the next free one. No other demo takes them before `claims` is closed."""
    return Ports(*(_free(port, claims) for port in (1883, 8080, 50051, 10002, 10000, 10003)))


def write(plan: Plan) -> str:
    """Write configuration and manifests; returns the night that the intruder rule was given, in words."""
    ports = plan.ports
    manifests = plan.folder / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    zone = local_zone()
    plan.config.write_text(
        f"""# Written by `gemelo demo`.
[node]
name = "{NODE}"
site = "demo"
zone = "{zone}"
[broker]
listen = "127.0.0.1:{ports.broker}"
anonymous = true   # a demo on loopback: anybody may be any device
[store]
path = "data"
[cloud]
kind = "cloudcore"
url = "wss://127.0.0.1:{ports.cloud_link}"
register_url = "https://127.0.0.1:{ports.cloud_https}"
token_file = "cloud/token"
[web]
listen = "127.0.0.1:{ports.page}"
[offload]
listen = "127.0.0.1:{ports.phones}"
[dmi]
enabled = false
[inference]
models = {json.dumps(str(plan.models))}
[twins]
enrol = true   # a sensor of yours joins with its first message
[manifests]
paths = ["manifests"]
""",
        "utf-8",
    )
    night = _rules(manifests)
    if plan.video is not None:
        _dump(manifests / "camera.yaml", camera(plan.video))
    return night


def camera(video: Path) -> dict[str, Any]:
    """The manifest of a camera that plays a street video round and round."""
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Camera",
        "metadata": {"name": "street", "labels": {"description": "street-video"}},
        "spec": {"source": str(video), "loop": True, "fps": 5, "model": "persons", "width": 640},
    }


def examples() -> Path:
    """The example rules: in the installed package, or in the folder of the project."""
    installed = Path(__file__).parent.parent / "examples" / "rules"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "docs" / "examples" / "rules"


def local_zone() -> str:
    """The machine's time zone as an IANA name."""
    name = os.environ.get("TZ", "")
    link = Path("/etc/localtime")
    if not name and link.is_symlink():
        name = str(link.resolve()).partition("zoneinfo/")[2]
    return name if name and "/" in name else "UTC"


def _rules(folder: Path) -> str:
    """The three example rules; the intruder's night is set around now, so that it is night in the demo."""
    now = datetime.now().astimezone()
    start, end = (now - timedelta(hours=1)).strftime("%H:%M"), (now + timedelta(hours=3)).strftime("%H:%M")
    for source in files_of(examples()):
        rule = yaml.safe_load(source.read_text("utf-8"))
        if source.stem == "intruder":
            rule["spec"]["windows"]["night"] = {"from": start, "to": end, "zone": local_zone()}
        _dump(folder / source.name, rule)
    return f"{start} to {end}"


def _dump(path: Path, manifest: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True), "utf-8")


def _free(port: int, claims: ExitStack) -> int:
    for candidate in range(port, port + 200):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0gemelo-demo-{candidate}")  # a name in memory, which goes with its process
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", candidate))
                probe.listen(1)
        except OSError:
            claim.close()
            continue
        claims.enter_context(claim)
        return candidate
    raise Unavailable(f"no free port from {port} to {port + 199}: end some programs that listen there")
