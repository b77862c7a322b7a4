"""`gateway.toml` as frozen structs, read whole at start and checked before anything starts.

    config = load(Path("gateway.toml"))        # raises Rejected: file, path of the key, reason, nearest valid name
    changed(config, load(path))                # after SIGHUP: {"web", "log"}

An absent section or key means its default. Relative paths count from the file's folder.
"""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
from msgspec import Struct, structs

from gateway.sections import (
    Actions,
    Broker,
    Cloud,
    Dmi,
    EdgeApi,
    Flight,
    Inference,
    Log,
    Manifests,
    Node,
    Nodes,
    Offload,
    Section,
    Store,
    Tap,
    Twins,
    Web,
)
from twins.errors import Rejected
from twins.schema import decode, nearest


class Config(Section, frozen=True):
    """The whole file."""

    node: Node = Node()
    broker: Broker = Broker()
    store: Store = Store()
    cloud: Cloud = Cloud()
    web: Web = Web()
    edge_api: EdgeApi = EdgeApi()
    flight: Flight = Flight()
    nodes: Nodes = Nodes()
    inference: Inference = Inference()
    tap: Tap = Tap()
    offload: Offload = Offload()
    dmi: Dmi = Dmi()
    twins: Twins = Twins()
    actions: Actions = Actions()
    manifests: Manifests = Manifests()
    log: Log = Log()


def load(path: Path) -> Config:
    """Read a file; raises `Rejected` when it cannot be read, is not TOML, or has a wrong key or value."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        msg = f"{path}: cannot be read: {reason}; give an existing file with -c FILE"
        raise Rejected(msg) from None
    return parse(text, where=str(path), folder=path.absolute().parent)


def parse(text: str, *, where: str, folder: Path) -> Config:
    """`load` for text: `where` names it in errors, relative paths count from `folder`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{where}: not TOML: {error}"
        raise Rejected(msg) from None
    config = _rooted(decode(data, Config, where, hook=_path), folder)
    for fault in _faults(config):
        msg = f"{where}: {fault}"
        raise Rejected(msg)
    return config


def changed(old: Config, new: Config) -> set[str]:
    """Names of the sections that differ: the parts to start again."""
    return {name for name in Config.__struct_fields__ if getattr(old, name) != getattr(new, name)}


def address(listen: str) -> tuple[str, int] | None:
    """Host and port of a `listen` value; `None` when it is turned off."""
    if not listen:
        return None
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def doors(config: Config) -> dict[str, str]:
    """Every address this configuration listens on: `section.key` → `host:port`."""
    found = {}
    if not config.broker.url:
        found = {"broker.listen": config.broker.listen, "broker.tls_listen": config.broker.tls_listen}
    if config.web.enabled:
        found["web.listen"] = config.web.listen
    if config.edge_api.enabled:
        found["edge_api.listen"] = config.edge_api.listen
    found["tap.listen"] = config.tap.listen
    found["flight.listen"] = config.flight.listen
    found["nodes.listen"] = config.nodes.listen
    if config.offload.enabled:
        found["offload.listen"] = config.offload.listen
    return {key: listen for key, listen in found.items() if listen}


def is_loopback(host: str) -> bool:
    """True for names and addresses that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path(type_: type, value: Any) -> Any:
    """msgspec asks this for types it does not know."""
    if type_ is Path and isinstance(value, str) and value:
        return Path(value)
    msg = "Expected a path, and not an empty one"
    raise ValueError(msg)


def _rooted(config: Config, folder: Path) -> Config:
    """The same with every relative path, defaults too, counted from `folder`."""

    def rooted(value: Any) -> Any:
        match value:
            case Path():
                return folder / value.expanduser()
            case tuple():
                return tuple(map(rooted, value))
            case Struct():
                return structs.replace(value, **{name: rooted(each) for name, each in structs.asdict(value).items()})
        return value

    return msgspec.convert(rooted(config), Config)


def _faults(config: Config) -> list[str]:
    """What is wrong between keys."""
    faults = []
    taken: dict[str, str] = {}
    for key, listen in doors(config).items():
        _, port = address(listen) or ("", 0)
        if port > 65535:
            faults.append(f"{key}: no such port: {port}; ports end at 65535")
        if port and listen in taken:
            faults.append(f"{key}: {listen} is already {taken[listen]}; choose another port")
        taken[listen] = key
    for name in ("web", "offload", "broker", "cloud"):
        section = getattr(config, name)
        if (section.cert_file is None) != (section.key_file is None):
            faults.append(f"{name}: cert_file and key_file go together; give both or none")
    faults += _anonymous(config)
    if config.tap.listen and not is_loopback((address(config.tap.listen) or ("127.0.0.1", 0))[0]):
        faults.append(f"tap.listen: whoever reaches {config.tap.listen} could read all values; listen on 127.0.0.1")
    if not _is_zone(config.node.zone):
        hint = nearest(config.node.zone, available_timezones())
        faults.append(f"node.zone: {config.node.zone!r} is no time zone: {hint}; write an IANA name")
    if config.cloud.kind != "none" and not config.cloud.url:
        faults.append(f'cloud.url: missing; kind = "{config.cloud.kind}" needs an address')
    if config.cloud.kind == "mqtt" and not config.cloud.url.startswith(("mqtt://", "mqtts://")):
        faults.append(f"cloud.url: {config.cloud.url!r} is no broker; write mqtts://host:8883 or mqtt://host:1883")
    return faults


def _anonymous(config: Config) -> list[str]:
    """Why nobody may come in without a name; empty where it is for a try on this machine."""
    section = config.broker
    if not section.anonymous or section.url:
        return []
    faults = []
    if not is_loopback((address(section.listen) or ("127.0.0.1", 0))[0]):
        faults.append(
            f"broker.anonymous: anybody who reaches {section.listen} could command every device; "
            "set it false and give each device a credential (gemelo device add), or listen on 127.0.0.1"
        )
    if section.tls_listen:
        faults.append("broker.tls_listen: means nothing while broker.anonymous = true; set one or the other")
    return faults


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
