"""`gemelo why`: the chain of causes of what was decided, with the values that each condition saw then."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gateway.terminal import client
from gateway.terminal.show import plain, text_of

HELP = "why it happened: gemelo why mqtt:1:14, an event's id, or pump-1/speed for what was asked of it last"
Step = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("event", metavar="EVENT", help="the id of an event, a cause, or [namespace/]device/property")
    parser.add_argument("--json", action="store_true", help="all of it, for programs")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        told = await api.call("GET", f"/why/{quote(args.event, safe='/:')}")
    if args.json:
        print(text_of(told, "json"), end="")
        return 0
    print(plain(told["about"]))
    steps = told["steps"]
    for place, step in enumerate(steps):
        if step["led_by"] < 0:
            print(*(plain(line) for line in _tree(steps, place)), sep="\n")
    return 0


def _tree(steps: Sequence[Step], place: int, before: Step | None = None) -> Iterator[str]:
    """A step, and indented under it those that it led to."""
    step = steps[place]
    if before is None or before["cause"] != step["cause"]:
        where = f"  on {step['topic']}" if step["topic"] else ""
        yield f"{step['cause']}  {_time(step['at'])}{where}"
    later = "" if before is None else f"{(step['at'] - before['at']) / 1e6:.3f} s later: "
    yield f"  {later}{step['came']}"
    yield f"    rule {step['rule']}, {step['instance']} in {step['before']}"
    for condition in step["conditions"]:
        yield f"      {condition['text']} → {str(condition['holds']).lower()}"
    moved = f": {step['before']} → {step['after']}" if step["before"] != step["after"] else ""
    if step["chosen"] or not step["effects"]:
        yield f"      decided {step['chosen'] or 'nothing'}{moved}"
    for effect in step["effects"]:
        became = f" ({effect['became']})" if effect["became"] else ""
        became += f" (event {effect['id']})" if effect["kind"] == "alert" else ""
        yield f"      → {effect['text']}{became}"
    for led, other in enumerate(steps):
        if other["led_by"] == place:
            yield from (f"    {line}" for line in _tree(steps, led, step))


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")
