"""`gemelo device`: who may come in at the gateway's own broker."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.terminal import client, show
from gateway.terminal.objects import device_name, device_path
from twins.errors import Rejected

HELP = "give devices what they log in with, and take it away: gemelo device add pump-1"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, text in (("add", "let a device in, and declare it"), ("rotate", "give it another credential")):
        sub = actions.add_parser(action, help=text, description=text)
        _target(sub)
        show.arguments(sub)
        means = sub.add_mutually_exclusive_group()
        means.add_argument("--code", action="store_true", help="a one-time code that the device trades by itself")
        means.add_argument("--certificate", action="store_true", help="a client certificate, in three files")
        means.add_argument("--password-file", type=Path, help="write the password there, and print none")
        sub.add_argument("--model", default="", help="DeviceModel of a device that is new")
        sub.add_argument("--minutes", type=float, default=60.0, help="how long the code is good (default 60)")
        sub.add_argument("--out", type=Path, default=Path(), help="folder for the certificate's files (default: here)")
    gone = actions.add_parser("remove", help="take its credential away, and delete it")
    _target(gone)
    gone.add_argument("--keep", action="store_true", help="take the credential alone; the device stays declared")
    listed = actions.add_parser("list", help="who has a credential")
    client.arguments(listed)
    show.arguments(listed)


async def run(args: argparse.Namespace) -> int:
    async with client.Client(args) as api:
        match args.action:
            case "list":
                await _list(api, args)
            case "remove":
                await _remove(api, args)
            case _:
                await _issue(api, args)
    return 0


def _target(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    parser.add_argument("name", help="namespace/name, or name in the default namespace")


async def _list(api: client.Client, args: argparse.Namespace) -> None:
    found = await api.call("GET", "/credentials")
    rows = [(c["device"], c["means"], _day(c["since"]), _day(c["until"])) for c in found]
    show.show(args, found, ["device", "means", "since", "until"], rows)


async def _remove(api: client.Client, args: argparse.Namespace) -> None:
    """The credential goes first: a device that is deleted must not write meanwhile."""
    try:
        await api.call("DELETE", f"/credentials/{device_path(args.name)}")
    except Rejected as error:
        if args.keep or error.code != 404:
            raise
    if not args.keep:
        await api.call("DELETE", f"/manifests/Device/{device_path(args.name)}")
    print(f"device/{device_name(args.name)} {'may not log in any more' if args.keep else 'removed'}")


async def _issue(api: client.Client, args: argparse.Namespace) -> None:
    wanted = {
        "device": device_name(args.name),
        "means": "code" if args.code else "certificate" if args.certificate else "password",
        "model": args.model,
        "rotate": args.action == "rotate",
        "minutes": args.minutes,
    }
    issued = await api.call("POST", "/credentials", json=wanted)
    if args.output in {"json", "yaml"}:
        show.show(args, issued, (), ())
        return
    print(f"device/{issued['device']}")
    if args.code:
        print(f"code:     {issued['code']}   (until {_day(issued['until'])} UTC, once)")
        print('trade it: curl -d \'{"code": "…"}\' -H "Content-Type: application/json" URL/api/v1/enrol')
        return
    print(f"broker:   {issued['broker']}")
    print(f"user:     {issued['user']}")
    if args.certificate:
        for name, text in _files(args.out, issued).items():
            _write(name, text)
            print(f"file:     {name}")
    elif args.password_file is not None:
        _write(args.password_file, issued["password"] + "\n")
        print(f"file:     {args.password_file}")
    else:
        print(f"password: {issued['password']}   (not shown again)")


def _files(folder: Path, issued: dict[str, Any]) -> dict[Path, str]:
    stem = issued["device"].replace("/", "_")
    return {
        folder / f"{stem}.pem": issued["certificate"],
        folder / f"{stem}.key": issued["key"],
        folder / "ca.pem": issued["authority"],
    }


def _write(path: Path, text: str) -> None:
    """For ourselves alone from the first byte."""
    try:
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(text)
    except OSError as error:
        raise Rejected(f"{path}: cannot be written: {error.strerror}; gemelo device rotate gives another") from None


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M") if at else ""
