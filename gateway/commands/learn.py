"""`gemelo learn`: what the gateway learned from its history, learn it now, go back to the version before."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import time
from datetime import UTC, datetime
from typing import Any

from gateway.manifests.kinds import kind_named
from gateway.terminal import client, show
from gateway.terminal.listing import View, ago
from gateway.terminal.objects import device_path
from twins.errors import Rejected, Unavailable

HELP = "what was learned, and what is tuned: gemelo learn list | show | fit | back | approve | reject | resume"
KINDS = {"Baseline": "baseline", "Forecast": "forecast", "Tuning": "tuning"}
WORDS = ("approve", "reject", "resume")
"""What people say to a search for the best configuration."""
_LOOK = 0.3
_RUN = ("trial", "purpose", "state", "values", "objective", "constraints", "", "reason")


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_ in (
        ("list", "how it stands with each baseline, forecast and tuning"),
        ("show", "what was learned: limits and versions, the way ahead and its back-test, or trials"),
        ("fit", "learn it now, and wait for it"),
        ("back", "score by the version before, until it is fitted by hand"),
        ("approve", "make the trial that a tuning proposes"),
        ("reject", "do not make it: another is proposed"),
        ("resume", "let a tuning that stopped go on, from the values as they are now"),
    ):
        action = actions.add_parser(name, help=help_, description=help_)
        client.arguments(action)
        show.arguments(action)
        if name in {"show", "fit"}:
            action.add_argument(
                "kind", help="baseline, forecast or tuning" if name == "show" else "baseline or forecast"
            )
        if name != "list":
            action.add_argument("name", help="namespace/name, or name in the default namespace")
        if name == "fit":
            action.add_argument("--wait", type=float, default=120.0, metavar="SECONDS", help="(default: 120)")
        if name in WORDS:
            action.add_argument("--who", default="", help="who says it (default: the user of this machine)")
        if name in {"approve", "reject"}:
            action.add_argument("--trial", type=int, help="its number (default: what is proposed now)")
        if name == "back":
            action.add_argument("--series", default="", help="namespace/device/property alone (default: all)")


async def run(args: argparse.Namespace) -> int:
    """0; of `fit` 4 when it goes on still."""
    async with client.Client(args) as api:
        match args.action:
            case "list":
                columns = ("name", "kind", "state", "series", "learned", "next", "reason")
                found, tuned = await api.call("GET", "/learning"), await api.call("GET", "/tunings")
                show.show(args, found + tuned, columns, [*map(_row, found), *map(_tuning, tuned)])
            case "show":
                await _show(args, api, _kind(args.kind))
            case "fit":
                return await _fit(args, api, _kind(args.kind))
            case "approve" | "reject" | "resume":
                await _say(args, api)
            case _:
                path = f"/learning/baseline/{device_path(args.name)}/back"
                found = await api.call("POST", path, json={"series": args.series})
                show.show(args, found, ("series",), [(f"{found['series']} went back, and are held",)])
    return 0


async def _fit(args: argparse.Namespace, api: client.Client, kind: str) -> int:
    if kind == "tuning":
        raise Rejected("a tuning is not fitted: it goes on by itself, or is approved")
    path = f"/learning/{kind}/{device_path(args.name)}"
    began = await api.call("POST", f"{path}/fit")
    deadline = time.monotonic() + args.wait
    while time.monotonic() < deadline:
        await asyncio.sleep(_LOOK)
        views = await api.call("GET", "/learning")
        view = next((v for v in views if (v["kind"], v["id"]) == (began["kind"], began["id"])), None)
        if view is None:
            raise Rejected(f"{began['kind']} {began['id']} was deleted meanwhile", 404)
        if view["next"] and view["state"] != "learning":
            if view["state"] == "failing":
                raise Unavailable(f"{view['id']} can't be learned: {view['reason']}; it is tried again")
            await _show(args, api, kind)
            return 0
    return 4


async def _say(args: argparse.Namespace, api: client.Client) -> None:
    path = f"/tunings/{device_path(args.name)}/{args.action}"
    body = {"who": args.who or getpass.getuser()}
    if getattr(args, "trial", None) is not None:
        body["trial"] = args.trial
    found = await api.call("POST", path, json=body)
    if args.action == "resume":
        show.show(args, found, ("name", "state"), [(found["id"], found["state"])])
        return
    show.show(args, found, _RUN, [_run(found)])


async def _show(args: argparse.Namespace, api: client.Client, kind: str) -> None:
    name = device_path(args.name)
    if kind == "baseline":
        lessons = await api.call("GET", f"/learning/baseline/{name}")
        columns = ("series", "version", "learned", "points", "low", "high", "before", "")
        show.show(args, lessons, columns, list(map(_lesson, lessons)))
        return
    if kind == "tuning":
        runs = await api.call("GET", f"/tunings/{name}")
        show.show(args, runs, _RUN, list(map(_run, runs)))
        return
    made = await api.call("GET", f"/forecasts/{name}")
    if args.output in {"json", "yaml"}:
        show.show(args, made, (), ())
        return
    verdict = "did better than every naive way" if made["beats"] else "is published, as no method did better"
    print(f"{made['id']}  version {made['version']}, {ago(made['at'])}: {made['method']} {verdict}")
    show.table(("method", "mean error", "MASE", "in 80 %", "in 95 %", ""), [_trial(t) for t in made["trials"]])
    print()
    show.table(("time", "expected", "80 %", "95 %"), [_step(s) for s in made["path"]])


def _kind(word: str) -> str:
    kind = KINDS.get(kind_named(word))
    if kind is None:
        raise Rejected(f"{word!r} is nothing that is learned: baseline, forecast or tuning")
    return kind


def _row(v: View) -> tuple[Any, ...]:
    following = "now" if not v["next"] else _time(v["next"])
    return v["id"], v["kind"], v["state"], v["series"], ago(v["last"]), following, v["reason"]


def _tuning(v: View) -> tuple[Any, ...]:
    """Its objective before and after stands where others give a reason."""
    gain = "" if v["after"] is None else f"{_number(v['before'])} at the start, {_number(v['after'])} the best"
    waits = f"trial {v['proposed']} waits for approval" if v["proposed"] is not None else ""
    reason = "; ".join(filter(None, (v["reason"], waits, gain)))
    return v["id"], "Tuning", v["state"], f"{v['used']}/{v['budget']}", "", "", reason


def _run(v: View) -> tuple[Any, ...]:
    values = ", ".join(f"{name.rpartition('/')[2]} {value}" for name, value in v["values"].items())
    means = ", ".join(f"{name.rpartition('/')[2]} {_number(mean)}" for name, mean in v["means"].items())
    said = "; ".join(filter(None, (v["reason"], v["who"] and f"by {v['who']}")))
    return (
        v["number"],
        v["purpose"],
        v["state"],
        values,
        _number(v["objective"]),
        means,
        "best" if v["best"] else "",
        said,
    )


def _lesson(v: View) -> tuple[Any, ...]:
    now, before = v["current"], v["previous"]
    low, high = (_number(now[name]) for name in ("low", "high"))
    hours = f"{len(now['slots'])} hours" if now["slots"] else low
    older = "" if before is None else f"version {before['number']}"
    return v["subject"], now["number"], ago(now["at"]), now["points"], hours, high, older, "held" if v["held"] else ""


def _trial(t: View) -> tuple[Any, ...]:
    parts = ("" if t[name] is None else f"{t[name]:.0%}" for name in ("within_80", "within_95"))
    return t["method"], _number(t["mae"]), _number(t["mase"]), *parts, t["fault"]


def _step(s: View) -> tuple[Any, ...]:
    spans = (f"{s[f'low_{level}']:.4g} … {s[f'high_{level}']:.4g}" for level in (80, 95))
    return _time(s["at"]), f"{s['value']:.4g}", *spans


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
