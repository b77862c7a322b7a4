"""`gemelo get`: objects, and devices with their values."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from gateway import client, show

HELP = "list objects: devices, models, cameras, rules, mappings, discoveries, mappers"

KINDS = {
    "device": "Device",
    "devices": "Device",
    "devicemodel": "DeviceModel",
    "devicemodels": "DeviceModel",
    "models": "DeviceModel",
    "camera": "Camera",
    "cameras": "Camera",
    "discovery": "Discovery",
    "discoveries": "Discovery",
    "mapping": "Mapping",
    "mappings": "Mapping",
    "detector": "Detector",
    "detectors": "Detector",
    "rule": "Detector",
    "rules": "Detector",
    "mapper": "Mapper",
    "mappers": "Mapper",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("kind", help="devices, devicemodels, cameras, rules, mappings, discoveries, mappers")


async def run(args: argparse.Namespace) -> int:
    kind = KINDS.get(args.kind.lower(), args.kind)
    async with client.Client(args) as api:
        if kind == "Device":
            devices = sorted(await api.call("GET", "/devices"), key=lambda d: d["id"])
            columns = ["name", "model", "state", "last seen", "values"]
            show.show(args, devices, columns, [_device(d, wide=args.output == "wide") for d in devices])
        else:
            objects = await api.call("GET", f"/manifests/{kind}")
            rows = [
                (f"{o['metadata'].get('namespace', 'default')}/{o['metadata']['name']}", o["kind"]) for o in objects
            ]
            show.show(args, objects, ["name", "kind"], rows)
    return 0


def _device(device: dict[str, Any], *, wide: bool) -> tuple[str, ...]:
    values = [_value(p) for p in device["properties"] if p["reported"] is not None or p["desired"] is not None]
    shown = values if wide else values[:4] + (["…"] if len(values) > 4 else [])
    state = f"{device['state']}: {device['reason']}" if wide and device["reason"] else device["state"]
    return device["id"], device["model"], state, ago(device["seen"]), "  ".join(shown)


def _value(p: dict[str, Any]) -> str:
    wanted = f" (want {p['desired']})" if p["drifts"] else ""
    unit = f" {p['unit']}" if p["unit"] else ""
    return f"{p['name']}={p['reported'] if p['reported'] is not None else '?'}{unit}{wanted}"


def ago(at: int) -> str:
    """A time in microseconds as `12 s ago`."""
    if not at:
        return "never"
    seconds = max(0, int((datetime.now(UTC).timestamp() * 1e6 - at) / 1e6))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
