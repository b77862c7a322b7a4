"""`gemelo cloud`: join KubeEdge's CloudCore, and see how it stands with it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.config import Config, load
from gateway.terminal import client, show
from gateway.terminal.listing import View, ago
from runtime.clock import SystemClock
from twins.errors import Rejected

HELP = "join KubeEdge's cloud, and see how it stands: gemelo cloud join HOST --token-file FILE"
_NODE = {
    "off": "not registered, as cloud.register_node says",
    "waiting": "not registered yet",
    "registered": "registered",
    "foreign": "there already",
    "refused": "not registered",
}
LINK, CERTIFICATES = 10000, 10002
"""Ports of CloudCore's websocket, and of where it issues certificates."""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    join = actions.add_parser("join", help="get this node's certificate with a token of keadm gettoken")
    join.add_argument("where", metavar="URL", help="CloudCore: HOST, wss://HOST:10000 or https://HOST:10002")
    join.add_argument("-c", "--config", type=Path, help="gateway.toml of the node (without: all defaults)")
    secret = join.add_mutually_exclusive_group()
    secret.add_argument("--token", help="the token; others on this machine can see it while the command runs")
    secret.add_argument("--token-file", type=Path, help="file that holds the token; - for standard input")
    join.add_argument("--register-url", default="", help="where it issues certificates, if that is not port 10002")
    show.arguments(join)
    status = actions.add_parser("status", help="link, certificate, what waits, what the cloud does not take")
    client.arguments(status)
    show.arguments(status)


async def run(args: argparse.Namespace) -> int:
    if args.action == "join":
        return await _join(args)
    async with client.Client(args) as api:
        found = await api.call("GET", "/cloud/status")
    if args.output in {"json", "yaml"}:
        show.show(args, found, (), ())
    else:
        _status(found)
    return 0


async def _join(args: argparse.Namespace) -> int:
    from cloud.identity import Identity

    config = Config() if args.config is None else load(args.config)
    url, register = addresses(args.where, args.register_url)
    folder = Path(config.store.path) / "cloud"
    identity = Identity(folder, config.node.name, SystemClock())
    await identity.join(register, _token(args, config))
    _hand_over(folder)
    valid = identity.valid
    section = {"kind": "cloudcore", "url": url, "register_url": register}
    told: dict[str, Any] = {
        "node": config.node.name,
        "files": [str(folder / name) for name in ("ca.pem", "node.pem")],
        "not_after": valid.not_after if valid else 0,
        "cloud": section,
    }
    if args.output in {"json", "yaml"}:
        show.show(args, told, (), ())
        return 0
    print(f"node {config.node.name} has a certificate, good until {_day(told['not_after'])}; it is renewed in time")
    for file in told["files"]:
        print(f"file: {file}")
    same = (config.cloud.kind, config.cloud.url) == ("cloudcore", url)
    print("gateway.toml names this cloud already" if same else "put this into gateway.toml, then start the gateway:")
    if not same:
        print("\n[cloud]")
        for key, value in section.items():
            print(f'{key} = "{value}"')
    return 0


def addresses(where: str, register: str = "") -> tuple[str, str]:
    """CloudCore's websocket and its place of certificates, from whichever is given. Raises `Rejected`."""
    parts = urlsplit(where if "://" in where else f"wss://{where}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in {"wss", "https"} or parts.path not in {"", "/"}:
        raise Rejected(f"{where}: is no CloudCore: give HOST, wss://HOST:{LINK} or https://HOST:{CERTIFICATES}")
    host = f"[{host}]" if ":" in host else host
    link, certificates = (LINK, port) if parts.scheme == "https" else (port, CERTIFICATES)
    return f"wss://{host}:{link or LINK}", register.rstrip("/") or f"https://{host}:{certificates or CERTIFICATES}"


def _token(args: argparse.Namespace, config: Config) -> str:
    """From the command, a file, or the file that the configuration names. Raises `Rejected`."""
    if args.token:
        return str(args.token)
    file = args.token_file or config.cloud.token_file
    if file is None:
        raise Rejected("a token is needed: --token-file FILE, with what `keadm gettoken` says in the cloud")
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise Rejected(f"--token-file: {file} cannot be read: {reason}") from None


def _hand_over(folder: Path) -> None:
    """What root makes belongs to whoever has the data folder: the gateway has to read it, and to renew it."""
    if os.geteuid() != 0:
        return
    owner = folder.parent.stat()
    for path in (folder, *folder.glob("*.pem")):
        shutil.chown(path, owner.st_uid, owner.st_gid)


def _status(s: View) -> None:
    if s["kind"] == "none":
        print("no cloud is configured: gemelo cloud join URL --token-file FILE")
        return
    print(f"{s['phase']}  {show.plain(s['reason'])}  since {_time(s['since'])} ({ago(s['since'])})")
    known = ""
    if s["kind"] == "cloudcore":
        _membership(s)
        known = f"{s['devices']} of the cloud, "
    else:
        print(f"events: {_carried(s['messages'])}")
    if s["rival"]:
        print("rival: a second node of this name seems to be there: give one of them another [node] name")
    print(f"devices: {known}{s['pending']} with news that it has not confirmed")
    print(f"conflicts: {s['conflicts']}")
    print("counters: " + "  ".join(f"{name} {count}" for name, count in s["counters"].items()))
    rows: list[tuple[Any, ...]] = [(name, "waits for its model") for name in s["waiting"]]
    rows += [(each["device"], _unanswered(each)) for each in s["unanswered"]]
    rows += [(name, f"not declared in the cloud: {', '.join(names)}") for name, names in s["undeclared"].items()]
    rows += [(name, f"rejected: {why}") for name, why in s["rejected"].items()]
    rows += [(name, _older(each)) for name, each in s["older"].items()]
    if rows:
        print()
        show.table(("object", "what keeps it from the cloud"), rows)


def _membership(s: View) -> None:
    """What a node of KubeEdge has, and an MQTT client has not."""
    if (certificate := s["certificate"]) is None:
        print("certificate: none yet")
    else:
        until, renewal = _day(certificate["not_after"]), _day(certificate["renew_at"])
        print(f"certificate: good from {_day(certificate['not_before'])} until {until}, renewed {renewal}")
    print(f"node: {_NODE[s['node']]}{s['node_reason'] and ': ' + show.plain(s['node_reason'])}")
    _messages(s["messages"])


def _unanswered(u: View) -> str:
    return f"told {u['attempts']} times since {_time(u['since'])}, not confirmed: {show.plain(u['reason'])}"


def _older(o: View) -> str:
    return (
        f"older in the cloud since {_time(o['since'])}: {show.plain(o['said'])}, here {show.plain(o['ours'])}; if the "
        "cluster was restored from a backup, change the object there once more: kubectl annotate"
    )


def _messages(m: View) -> None:
    print(f"custom messages: {_carried(m)}, {m['published']} published here, {m['refused']} refused")
    if m["topics"]:
        print(f"topics that rules of the cloud hear: {', '.join(map(show.plain, m['topics']))}")


def _carried(m: View) -> str:
    return f"{m['waiting']} wait ({m['bytes']} bytes), {m['forwarded']} sent, {m['dropped']} dropped by the quota"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M") + " UTC" if at else "never"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
