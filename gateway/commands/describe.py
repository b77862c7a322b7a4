"""`gemelo describe`: one device, side by side: what was asked and what it says."""

from __future__ import annotations

import argparse

from gateway import client, show
from gateway.commands.get import ago
from gateway.objects import device_path

HELP = "show one device: desired, reported, versions, drift, last seen"


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("kind", choices=("device",))
    parser.add_argument("name", help="namespace/name, or name in the default namespace")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        device = await api.call("GET", f"/devices/{device_path(args.name)}")
    if args.output in {"table", "wide"}:
        reason = f" ({show.plain(device['reason'])})" if device["reason"] else ""
        pace = f", expected every {device['interval']:g} s" if device["interval"] else ""
        state = show.plain(device["state"]) + reason
        print(f"{device['id']}  {device['model']}  {state}  seen {ago(device['seen'])}{pace}")
    rows = [
        (
            p["name"],
            p["kind"],
            p["reported"],
            p["desired"],
            "drifts" if p["drifts"] else "",
            f"{p['edge_version']}/{p['cloud_version']}",
            ago(p["reported_at"]),
            p["unit"],
        )
        for p in device["properties"]
    ]
    show.show(args, device, ["property", "type", "reported", "desired", "", "version", "reported", "unit"], rows)
    return 0
