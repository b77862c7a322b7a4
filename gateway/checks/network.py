"""Checks of ports and peers: doors, cloud, cameras."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from gateway import wiring
from gateway.checks.files import documents
from gateway.checks.finding import Finding, Subject, edit, failure, ok, warning
from gateway.config import address, doors, is_loopback
from twins.errors import Rejected

_TIMEOUT = 1.0
_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443, "http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_LISTENING = "0A"


def ports(subject: Subject) -> Iterable[Finding]:
    """Each door can be opened, or is held by a named process."""
    for key, listen in doors(subject.config).items():
        host, port = address(listen) or ("", 0)
        yield _port(subject, key, host, port)


def exposure(subject: Subject) -> Iterable[Finding]:
    """Doors beyond this machine are locked, and so is the broker's on it."""
    if subject.config.broker.anonymous and not subject.config.broker.url:
        message = "broker.anonymous = true: any program on this machine may command every device; for tries only"
        yield warning("exposure", message, edit(subject))
    if all(is_loopback((address(listen) or ("", 0))[0]) for listen in doors(subject.config).values()):
        yield ok("exposure", "all doors are on loopback")
    for key, listen in doors(subject.config).items():
        host, _ = address(listen) or ("", 0)
        if is_loopback(host):
            continue
        if key == "broker.tls_listen":
            yield ok("exposure", f"{key} = {listen} lets in devices with a certificate alone")
        elif key == "broker.listen":
            message = f"{key} = {listen} is open to the network without TLS: passwords can be overheard; see tls_listen"
            yield warning("exposure", message, edit(subject))
        elif fault := _unlocked(subject, key):
            yield failure("exposure", fault, edit(subject))


def cloud(subject: Subject) -> Iterable[Finding]:
    """The cloud's addresses take connections; without them the gateway works and waits."""
    section = subject.config.cloud
    for url in filter(None, (section.url, section.register_url) if section.kind != "none" else ()):
        try:
            with reached(url):
                yield ok("cloud", url)
        except OSError as error:
            yield warning("cloud", f"{url}: {reason(error)}; twins are synchronised once it answers", way(url))


def cameras(subject: Subject) -> Iterable[Finding]:
    """The sources of the cameras among the manifests."""
    for path in filter(Path.exists, subject.config.manifests.paths):
        for file, document in documents(path):
            if isinstance(document, dict) and document.get("kind") == "Camera":
                yield _camera(file, document)


def holder(port: int) -> str:
    """Who listens on a TCP port: `name (process 123)`, as far as we may see; empty if nobody does."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(each.readlink()) in inodes for each in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "a process of another user"


def _unlocked(subject: Subject, key: str) -> str:
    """Why the gateway itself would not open a door beyond this machine; empty if it would."""
    try:
        if key == "web.listen":
            wiring.web(subject.config).endpoint()
        elif key == "edge_api.listen":
            wiring.edge_api(subject.config)
        elif key == "flight.listen":
            wiring.flight(subject.config)
        else:
            wiring.offload(subject.config)
    except Rejected as error:
        return error.reason
    return ""


def _port(subject: Subject, key: str, host: str, port: int) -> Finding:
    name = f"port {port}"
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
            sock.listen(1)
    except OSError as error:
        return _refused(subject, key, name, f"{host}:{port}", port, error)
    return ok(name, f"free for {key}")


def _refused(subject: Subject, key: str, name: str, where: str, port: int, error: OSError) -> Finding:
    match error.errno:
        case errno.EADDRINUSE:
            who = holder(port) or "another process"
            if key in {"broker.listen", "broker.tls_listen"}:
                return warning(
                    name, f"{key}: taken by {who}; the broker takes the next free one", f"ss -ltnp 'sport = :{port}'"
                )
            pid = who.rpartition(" ")[2].rstrip(")") if "(process" in who else ""
            return failure(name, f"{key}: taken by {who}", f"kill {pid}" if pid else f"sudo ss -ltnp 'sport = :{port}'")
        case errno.EACCES:
            fix = f"sudo sysctl net.ipv4.ip_unprivileged_port_start={port}"
            return failure(name, f"{key}: ports below 1024 are for root", fix)
    return failure(name, f"{key}: {where} is no address of this machine ({reason(error)})", edit(subject))


def _camera(file: Path, document: dict[str, Any]) -> Finding:
    from devices.camera.manifest import Camera

    try:
        camera = Camera.from_manifest(document)
    except Rejected as error:
        return failure("camera", f"{file}: {error.reason}", f"${{EDITOR:-vi}} {quote(str(file))}")
    name, spec = f"camera {camera.metadata.name}", camera.spec
    if spec.path is not None:
        if not os.access(spec.path, os.R_OK):
            what = "cannot be read" if spec.path.exists() else "is not there"
            return failure(name, f"{spec.path} {what}", f"ls -l {quote(str(spec.path))}")
        return ok(name, f"{spec.path}")
    try:
        with reached(spec.source):
            return ok(name, f"{spec.shown} answers")
    except (OSError, ValueError) as error:
        return warning(name, f"{spec.shown}: {reason(error)}; it is tried again and again", way(spec.source))


def reached(url: str) -> socket.socket:
    """A connection to the host and port of a URL. Raises `OSError`."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)), _TIMEOUT)


def way(url: str) -> str:
    """A command that shows the way to a peer."""
    parts = urlsplit(url)
    return f"nc -vz {parts.hostname} {parts.port or _PORTS.get(parts.scheme, 0)}"


def reason(error: Exception) -> str:
    """What went wrong with a peer, in words."""
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
