"""`gemelo rule replay`: what a new version of a rule would have done on the stored history, beside the old one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gateway.commands.rule.files import read, rule_of
from gateway.commands.rule.history import DEADLINE, History
from gateway.config import load
from gateway.terminal import client, show
from gateway.terminal.objects import device_name, device_path
from rules.lint.effects import effects
from rules.manifest.alarm import PREFIX
from rules.manifest.detector import Detector
from rules.rehearsal.decision import Decision, line
from rules.rehearsal.replay import Pair, Replay
from twins.duration import microseconds
from twins.errors import Rejected

HELP = "what a new version of a rule would have done on the stored history, and how that differs from the old one"
SPARE = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("rule", type=Path, help="the file of the new version")
    parser.add_argument(
        "--from",
        dest="since",
        default="-1h",
        metavar="TIME",
        help="2026-11-21T10:00, or -2h: so long ago (default -1h)",
    )
    parser.add_argument("--to", dest="until", default="", metavar="TIME", help="the same (default: now)")
    parser.add_argument("--warm", default="0s", metavar="TIME", help="let both run in on so much more before: 1h")
    parser.add_argument("--against", type=Path, metavar="FILE", help="the old version (default: what is applied)")
    parser.add_argument("--device", default="", help="only what this device said, or those like door-*")
    parser.add_argument("--zone", default="", help="the site's time zone (default: with -c that of the file, else UTC)")
    parser.add_argument("--all", action="store_true", help="show what both decided alike too")
    parser.add_argument("--limit", type=int, default=1000, help="most decisions that are shown (default 1000)")
    parser.add_argument("--json", action="store_const", const="json", dest="output", help="as -o json")


async def run(args: argparse.Namespace) -> int:
    """0 when both versions decide the same, or there is no older one; 1 when they differ."""
    new = rule_of(args.rule)
    now = time.time_ns() // 1000
    since, until = _time(args.since, now, "--from"), _time(args.until or "-0s", now, "--to")
    start = since - _length(args.warm, "--warm")
    if since >= until:
        raise Rejected("--from has to be before --to")
    shown: list[Pair] = []
    async with client.Client(args, DEADLINE + SPARE) as api:
        old = rule_of(args.against) if args.against is not None else await _applied(api, new)
        replay = Replay(old, new, zone=_zone(args), start=start, since=since)
        device = device_name(args.device) if args.device else ""
        places = [read.place for each in (old, new) if each is not None for read in effects(each).reads]
        async for page in History(api, places, device).pages(start, until):
            for fact in page:
                _keep(replay.tell(fact), shown, args)
    _keep(replay.finish(until), shown, args)
    _tell(args, replay, shown, old, (since, until))
    counts = replay.counts
    return 1 if old is not None and counts.same != counts.old + counts.new - counts.same else 0


def _keep(pairs: Iterable[Pair], shown: list[Pair], args: argparse.Namespace) -> None:
    for pair in pairs:
        if (args.all or not pair.same) and len(shown) < args.limit:
            shown.append(pair)


async def _applied(api: client.Client, new: Detector) -> Detector | None:
    namespace, _, name = new.id.partition("/")
    kind = "Alarm" if name.startswith(PREFIX) else "Detector"
    path = device_path(f"{namespace}/{name.removeprefix(PREFIX)}")
    try:
        data = await api.call("GET", f"/manifests/{kind}/{path}")
    except Rejected as error:
        if error.code == 404:
            return None
        raise
    return read(data, f"{new.id} as applied").detector


def _tell(
    args: argparse.Namespace, replay: Replay, shown: list[Pair], old: Detector | None, span: tuple[int, int]
) -> None:
    counts = replay.counts
    if args.output in {"json", "yaml"}:
        said: dict[str, Any] = {"from": _clock(span[0]), "to": _clock(span[1]), "compared": old is not None}
        said |= {"counts": msgspec.to_builtins(counts), "decisions": [_view(pair) for pair in shown]}
        show.show(args, said, (), ())
        return
    if shown:
        columns = ["time", "instance", "trigger"] + (["old"] if old is not None else []) + ["new"]
        show.show(args, [], columns, [_row(pair, compared=old is not None) for pair in shown])
    differ = counts.changed + counts.only_old + counts.only_new
    total = counts.same + differ if args.all or old is None else differ
    if total > len(shown):
        print(f"and {total - len(shown)} more (--limit)")
    print(f"{counts.facts} fact{'s' * (counts.facts != 1)} from {_clock(span[0])} to {_clock(span[1])}")
    if old is None:
        print(f"{counts.new} decisions; nothing of this name is applied to compare them with (--against FILE)")
    else:
        print(
            f"{counts.old} decisions of the old version, {counts.new} of the new: {counts.same} the same, "
            f"{counts.changed} different, {counts.only_old} only of the old, {counts.only_new} only of the new"
        )


def _row(pair: Pair, *, compared: bool) -> list[str]:
    one = pair.one
    sides = [_brief(pair.old), _brief(pair.new)] if compared else [_brief(pair.new)]
    return [_clock(one.at), one.key, one.trigger, *sides]


def _brief(decision: Decision | None) -> str:
    if decision is None:
        return "-"
    moved = f"{decision.before} → {decision.after}" if decision.before != decision.after else decision.after
    return "; ".join([f"{moved} ({', '.join(decision.chosen)})", *map(line, decision.deeds)])


def _view(pair: Pair) -> dict[str, Any]:
    one = pair.one
    told: dict[str, Any] = {"time": _clock(one.at), "instance": one.key, "same": pair.same}
    for side, decision in (("old", pair.old), ("new", pair.new)):
        told[side] = None if decision is None else _decision(decision)
    return told


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "trigger": decision.trigger,
        "before": decision.before,
        "after": decision.after,
        "chosen": list(decision.chosen),
        "actions": list(decision.deeds),
    }


def _zone(args: argparse.Namespace) -> str:
    if args.zone or args.config is None:
        return args.zone or "UTC"
    return load(args.config).node.zone


def _time(text: str, now: int, option: str) -> int:
    """A time, or a duration before `now`, in microseconds UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now - _length(text.removeprefix("-"), option)
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _length(text: str, option: str) -> int:
    try:
        return microseconds(text)
    except ValueError:
        raise Rejected(f"{option} {text}: write 2026-11-21T10:00, with +01:00 or Z, or a length of time: 2h") from None


def _clock(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
