"""Checks of this computer: Python, packages, memory, descriptors, clock, disk."""

from __future__ import annotations

import ctypes
import datetime
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from gateway.checks.finding import Finding, Subject, edit, existing, failure, ok, warning
from gateway.config import address, is_loopback

_MIB = 1 << 20
_RELEASED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
_DESCRIPTORS = 4096
_MEMORY_MIB = 256
_TIME_ERROR = 5
_TIMEX_BYTES = 256
_LOSING = {"tmpfs", "ramfs"}
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"}


def python(_: Subject) -> Iterable[Finding]:
    """For the record: an older Python cannot install the package."""
    yield ok("python", f"Python {'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def sqlite(_: Subject) -> Iterable[Finding]:
    if sqlite3.sqlite_version_info >= (3, 35):
        yield ok("sqlite", f"SQLite {sqlite3.sqlite_version}")
    else:
        yield failure("sqlite", f"SQLite {sqlite3.sqlite_version}; 3.35 or newer is needed", "sudo apt-get upgrade")


def packages(subject: Subject) -> Iterable[Finding]:
    """The optional packages of the parts that are turned on."""
    wanted: dict[str, tuple[str, ...]] = {"sql": ("duckdb", "pyarrow", "sqlglot")}
    if subject.config.offload.enabled or subject.config.inference.enabled:
        wanted["offload"] = ("grpc", "google.protobuf")
    if subject.config.dmi.enabled:
        wanted["dmi"] = ("grpc", "google.protobuf")
    if subject.config.inference.enabled:
        wanted["vision"] = ("openvino", "PIL", "numpy")
    for extra, modules in wanted.items():
        if absent := [module for module in modules if not _has(subject, module)]:
            yield failure(f"packages {extra}", f"{', '.join(absent)} not installed", f"pip install 'gemelo[{extra}]'")
        else:
            yield ok(f"packages {extra}", ", ".join(modules))


def memory(_: Subject) -> Iterable[Finding]:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) // 1024
    if available >= _MEMORY_MIB:
        yield ok("memory", f"{available:,} MiB available")
    else:
        yield warning(
            "memory", f"only {available} MiB available; {_MEMORY_MIB} are wanted", "ps aux --sort=-rss | head"
        )


def descriptors(subject: Subject) -> Iterable[Finding]:
    limit = subject.machine.open_files()
    if limit >= _DESCRIPTORS:
        yield ok("open files", f"{limit:,} allowed")
    else:
        message = f"only {limit:,} allowed; each device, phone and camera takes one"
        yield warning("open files", message, "ulimit -n 65536")


def clock(subject: Subject) -> Iterable[Finding]:
    now = subject.machine.now()
    shown = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(sep=" ", timespec="seconds")
    if now < _RELEASED:
        yield failure("clock", f"it says {shown}, before this version was made", "sudo timedatectl set-ntp true")
    elif _synchronised() is False:
        message = f"{shown}, and the kernel says that nothing keeps it right"
        yield warning("clock", message, "sudo timedatectl set-ntp true")
    else:
        yield ok("clock", f"{shown}")


def disk(subject: Subject) -> Iterable[Finding]:
    store = subject.config.store
    path = store.path
    place = existing(path)
    free = subject.machine.free_bytes(place) // _MIB
    fix = f"du -xh {quote(str(place))} | sort -h | tail"
    if free < 16:
        yield failure("disk", f"{free} MiB free at {path}: nothing can be stored", fix)
    elif free < (wanted := store.total_mb or store.points_mb + store.pictures_mb):
        message = f"{free:,} MiB free at {path}, less than points and pictures may take ({wanted:,} MiB)"
        yield warning("disk", message, fix)
    else:
        yield ok("disk", f"{free:,} MiB free at {path}")


def filesystem(subject: Subject) -> Iterable[Finding]:
    """Where a restart, or a network, takes the data away."""
    path = subject.config.store.path
    kind = _filesystem(existing(path).resolve())
    if kind in _LOSING:
        message = f"{path} lies in memory ({kind}): all data is gone after a reboot; set store.path"
    elif kind in _REMOTE:
        message = f"{path} lies on a network ({kind}): SQLite's locks and fsync cannot be trusted there; set store.path"
    else:
        yield ok("file system", kind or "unknown")
        return
    yield warning("file system", message, edit(subject))


def mosquitto(subject: Subject) -> Iterable[Finding]:
    if subject.config.broker.url:
        return
    if found := subject.machine.which("mosquitto"):
        yield ok("mosquitto", found)
    elif _has(subject, "amqtt") and _is_a_try(subject):
        message = "not installed: the embedded broker is used, without rights or persistence"
        yield warning("mosquitto", message, "sudo apt-get install mosquitto")
    else:
        yield failure("mosquitto", "not installed, and no broker.url is set", "sudo apt-get install mosquitto")


def _is_a_try(subject: Subject) -> bool:
    """True where the embedded broker may serve: it knows no users."""
    section = subject.config.broker
    host, _ = address(section.listen) or ("127.0.0.1", 0)
    return section.anonymous and is_loopback(host)


def _has(subject: Subject, module: str) -> bool:
    try:
        return subject.machine.has_module(module)
    except ModuleNotFoundError:  # of a parent package
        return False


def _synchronised() -> bool | None:
    """What adjtimex(2) says; `None` when it cannot be asked."""
    try:
        libc = ctypes.CDLL(None)
        state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # modes = 0: only ask
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def _filesystem(path: Path) -> str:
    """The type of the mount the path is on: the one with the longest mount point."""
    best, kind = "", ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind
