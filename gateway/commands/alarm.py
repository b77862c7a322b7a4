"""`gemelo alarm`: how alarms stand, and commands to them."""

from __future__ import annotations

import argparse
import getpass
from typing import Any
from urllib.parse import quote

from gateway.terminal import client, show
from gateway.terminal.listing import ago
from gateway.terminal.objects import device_name, device_path
from twins.errors import Rejected

HELP = "how alarms stand, and commands: gemelo alarm list; gemelo alarm ack hot-boiler boiler-1"
_VERBS = {"ack": "acknowledge", "snooze": "snooze", "reset": "reset", "disable": "disable", "enable": "enable"}


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("verb", choices=("list", *_VERBS), help="list, or what is commanded")
    parser.add_argument("alarm", nargs="?", default="", help="namespace/name of an Alarm, or name in `default`")
    parser.add_argument("key", nargs="?", default="", help="whose: a device, or the key as `list` shows it")
    parser.add_argument("--state", default="", help="list: those in this state alone, as Active")
    parser.add_argument("--all", action="store_true", help="list: those too that are normal, and to which nothing was")
    parser.add_argument("--who", default="", help="who commands it (default: the user of this machine)")
    parser.add_argument("--note", default="", help="why")
    parser.add_argument("--for", dest="length", default="", metavar="TIME", help="snooze: how long, as 30m")


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        if args.verb == "list":
            await _list(args, api)
        else:
            await _command(args, api)
    return 0


async def _list(args: argparse.Namespace, api: client.Client) -> None:
    state = f"?state={quote(args.state)}" if args.state else ""
    found = [each for each in await api.call("GET", f"/alarms{state}") if _wanted(args, each)]
    columns = ["alarm", "key", "state", "severity", "raised", "count", "message", "who"]
    wide = [*columns, "note", "until", "commands"]
    rows = [_row(each) + (_more(each) if args.output == "wide" else ()) for each in found]
    show.show(args, found, wide if args.output == "wide" else columns, rows)


async def _command(args: argparse.Namespace, api: client.Client) -> None:
    if not args.alarm or not args.key:
        raise Rejected(f"gemelo alarm {args.verb} needs an alarm and a key: gemelo alarm list shows them")
    body = {"who": args.who or getpass.getuser(), "note": args.note} | ({"for": args.length} if args.length else {})
    where = f"/alarms/{device_path(args.alarm)}"
    command, key = _VERBS[args.verb], args.key
    try:
        answer = await api.call("POST", f"{where}/{quote(key)}/{command}", json=body)
    except Rejected as error:
        if error.code != 404 or "/" in key:
            raise
        key = device_name(key)  # a device by its name alone
        answer = await api.call("POST", f"{where}/{quote(key)}/{command}", json=body)
    print(f"{device_name(args.alarm)} of {key}: {command} done ({answer['cause']})")


def _wanted(args: argparse.Namespace, each: dict[str, Any]) -> bool:
    if args.alarm and each["alarm"] != device_name(args.alarm):
        return False
    well = each["state"] == "Normal" or (each["state"] == "Disabled" and not each["who"])
    return bool(args.all or args.state or not well)


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    raised = ago(each["raised"])
    return (
        each["alarm"],
        each["key"],
        each["state"],
        each["severity"],
        raised,
        each["count"],
        each["message"],
        each["who"],
    )


def _more(each: dict[str, Any]) -> tuple[Any, ...]:
    return each["note"], each["until"] or "", " ".join(each["commands"])
