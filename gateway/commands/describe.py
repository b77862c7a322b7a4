"""`gemelo describe`: one object with all there is to know; of a device what was asked, what it says, and its past."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gateway.manifests.kinds import kind_named
from gateway.terminal import client, show
from gateway.terminal.listing import View, ago
from gateway.terminal.objects import device_name, device_path

HELP = "show one object: of a device desired, reported, versions, drift, last seen, history"
EVENTS = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("-n", "--namespace", default="", help="namespace of a name without one (default: default)")
    parser.add_argument("kind", help="device, devicemodel, camera, rule, mapper, upload")
    parser.add_argument("name", help="namespace/name, or name in the default namespace")
    parser.add_argument(
        "--history", type=_count, metavar="N", default=0,
        help="the last N values of each property, from the store (default: 5, from memory)",
    )  # fmt: skip


async def run(args: argparse.Namespace) -> int:
    kind, path = kind_named(args.kind), device_path(args.name, args.namespace)
    name = device_name(args.name, args.namespace)
    async with client.Client(args) as api:
        if kind != "Device":
            whole = await api.call("GET", f"/manifests/{quote(kind, safe='')}/{path}")
            if kind == "Upload":
                whole["status"] = await api.call("GET", f"/uploads/{path}")
            if kind in {"Baseline", "Forecast"}:
                views = await api.call("GET", f"/learning?kind={kind.lower()}")
                whole["status"] = next((view for view in views if view["id"] == name), None)
            if kind == "Tuning":
                views = await api.call("GET", "/tunings")
                whole["status"] = next((view for view in views if view["id"] == name), None)
        else:
            whole = await api.call("GET", f"/devices/{path}")
            whole["history"] = await _history(api, whole, path, args.history)
        told = [e for e in await api.call("GET", "/events") if e["object"] == name]
        joined = (await api.call("GET", "/cloud"))["kind"] != "none"
    events = sorted(told, key=lambda e: e["at"])[-EVENTS:]
    if args.output in {"json", "yaml"}:
        show.show(args, whole | {"events": events} if kind == "Device" else whole, (), ())
        return 0
    if kind == "Device":
        _device(whole, joined=joined)
    else:
        print(show.text_of(whole, "yaml"), end="")
    _section("events", ("time", "severity", "message", "cause"), [_event(e) for e in events])
    return 0


async def _history(api: client.Client, device: View, path: str, count: int) -> dict[str, list[View]]:
    if not count:
        found: dict[str, list[View]] = await api.call("GET", f"/devices/{path}/history")
        return found
    said = [p["name"] for p in device["properties"] if p["reported"] is not None]
    query = f"?count={count}&source=store"
    return {n: await api.call("GET", f"/devices/{path}/history/{quote(n, safe='')}{query}") for n in said}


def _device(d: View, *, joined: bool) -> None:
    state = show.plain(d["state"])
    why = f" ({show.plain(d['reason'])})" if d["reason"] else ""
    pace = f", expected every {d['interval']:g} s" if d["interval"] else ""
    print(f"{d['id']}  {show.plain(d['model'])}  {state}{why}  seen {ago(d['seen'])}{pace}")
    if d["description"]:
        print(show.plain(d["description"]))
    for condition in d["conditions"]:
        print(f"{condition['reason']}: {show.plain(condition['message'])}")
    columns = ("property", "type", "reported", "desired", "", "versions", "cloud", "seen", "bounds", "unit")
    show.table(columns, [_property(p, joined=joined, modelled=bool(d["model"])) for p in d["properties"]])
    past = [(name, _time(point["at"]), point["value"]) for name, points in d["history"].items() for point in points]
    _section("history", ("property", "time", "value"), past)


def _property(p: View, *, joined: bool, modelled: bool) -> tuple[Any, ...]:
    versions = f"{_version(p['reported_version'])} {_version(p['desired_version'])}"
    there = joined and (p["reported"] is not None or p["desired"] is not None)
    synced = "" if not there else "synced" if p["synced"] else "waits"
    return (
        p["name"], p["kind"], p["reported"], p["desired"], "drifts" if p["drifts"] else "", versions, synced,
        ago(p["reported_at"]), _bounds(p, modelled=modelled), p["unit"],
    )  # fmt: skip


def _bounds(p: View, *, modelled: bool) -> str:
    """`0…100`, with what is open left out; `read only` of what can't be asked."""
    least, most = (("" if each is None else f"{each:g}") for each in (p["minimum"], p["maximum"]))
    span = f"{least}…{most}" if least or most else ""
    return " ".join(filter(None, [span, "read only" if modelled and not p["writable"] else ""]))


def _version(pair: tuple[int, int]) -> str:
    """Counters of edge and cloud."""
    return f"{pair[0]}/{pair[1]}"


def _event(e: View) -> tuple[Any, ...]:
    return _time(e["at"]), e["severity"], e["message"], e["cause"]


def _time(at: int) -> str:
    """A time in microseconds as people and programs read it, to the millisecond."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        print(f"\n{title.capitalize()}")
        show.table(columns, rows)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 1 to 1000")
    return int(text)
