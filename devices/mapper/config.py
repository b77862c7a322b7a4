"""How a mapper runs: its own few keys, or the file of KubeEdge's mapper-framework, which is taken as it is."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec import Meta, Struct, structs

from twins.errors import Rejected
from twins.schema import decode

MANAGER = Path("/run/gemelo/dmi.sock")
"""Where the gateway serves mappers; EdgeCore does at /etc/kubeedge/dmi.sock."""
UNIX_PATH = 107
"""Bytes that Linux allows for the path of a socket."""

Positive = Annotated[float, Meta(gt=0)]


class MapperConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One mapper."""

    name: str = ""
    """Name it registers with; empty: `PROTOCOL-mapper`."""
    protocol: str = ""
    """`protocolName` of its devices; empty: the driver's own."""
    manager: Path = MANAGER
    """Socket of the gateway or of EdgeCore."""
    socket: Path | None = None
    """Its own socket; absent: `NAME.sock` beside the manager's."""
    listen: str = ""
    """Loopback address of its REST API, such as `127.0.0.1:7777`; empty: none."""
    strict: bool = False
    """The REST API answers as KubeEdge's framework does: GET writes, an unknown property is empty."""
    version: str = "v1.0.0"
    """Version it registers with."""
    deadline: Positive = 5.0
    """Seconds that one call of a driver may take."""
    rate: Positive = 200.0
    """Reports a second at most. After EdgeCore refused one, its own rate of 1 a second holds."""

    def completed(self, protocol: str) -> MapperConfig:
        """With nothing left empty, for a driver's protocol. Raises `Rejected` for what cannot work."""
        protocol = self.protocol or protocol
        name = self.name or f"{protocol}-mapper"
        socket = (self.socket or self.manager.parent / f"{name}.sock").absolute()
        manager = self.manager.absolute()
        for path in (socket, manager):
            if len(str(path).encode()) > UNIX_PATH:
                reason = f"{path}: the path of a socket has {UNIX_PATH} bytes at most; choose a shorter one"
                raise Rejected(reason)
        if socket == manager:
            reason = f"{socket}: the mapper's own socket cannot be its manager's; choose another"
            raise Rejected(reason)
        if self.listen:
            address(self.listen)
        return structs.replace(self, name=name, protocol=protocol, manager=manager, socket=socket)


class GrpcServer(Struct, frozen=True):
    """The framework's `grpc_server`."""

    socket_path: str = ""


class Common(Struct, frozen=True):
    """The framework's `common`, as far as it means anything here."""

    name: str = ""
    version: str = ""
    protocol: str = ""
    edgecore_sock: str = ""
    http_port: int | str = 0


class Framework(Struct, frozen=True):
    """`config.yaml` of KubeEdge's mapper-framework."""

    common: Common
    grpc_server: GrpcServer = GrpcServer()

    @property
    def config(self) -> MapperConfig:
        """The same in our keys; its REST API goes to loopback, where it had every address and no lock."""
        common, path = self.common, self.grpc_server.socket_path
        return MapperConfig(
            name=common.name,
            protocol=common.protocol,
            manager=Path(common.edgecore_sock) if common.edgecore_sock else MANAGER,
            socket=Path(path) if path else None,
            listen=f"127.0.0.1:{common.http_port}" if int(common.http_port or 0) else "",
            version=common.version or MapperConfig().version,
        )


def load(path: Path) -> MapperConfig:
    """Read a file of either form. Raises `Rejected` with the path of the bad key and the nearest valid name."""
    try:
        found: Any = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = f"{path}: cannot be read: {error}; give an existing YAML file with -c FILE"
        raise Rejected(reason) from error
    if isinstance(found, dict) and "common" in found:
        return decode(found, Framework, str(path)).config
    return decode(found, MapperConfig, str(path), hook=_path)


def address(listen: str) -> tuple[str, int]:
    """Host and port of a loopback address; `Rejected` for any other: whoever reaches the API writes to devices."""
    host, _, port = listen.rpartition(":")
    try:
        inside = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
        number = int(port)
    except ValueError:
        inside, number = False, -1
    if not inside or not 0 <= number < 65536:
        reason = f"listen = {listen!r}: write a loopback address and a port, such as 127.0.0.1:7777"
        raise Rejected(reason)
    return host.strip("[]"), number


def _path(type_: type, value: Any) -> Any:
    return Path(value) if type_ is Path and isinstance(value, str) else value
