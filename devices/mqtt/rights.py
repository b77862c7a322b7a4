"""Who may do what at the managed broker: mosquitto's password and ACL files. Pure.

A device's user name is its id, `namespace/name`, or `name` in the default namespace. It may write plain telemetry and
what KubeEdge's twin protocol has a device write, on its own topics alone, and read what is said about it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

GATEWAY = "gemelo"
_ITERATIONS = 101  # mosquitto's own figure; the gateway's password has 192 random bits, people's come hashed already
_WRITES = ("twin/update", "twin/get", "state/update")


def password_line(user: str, password: str, salt: bytes) -> str:
    """A line of the password file, as `mosquitto_passwd` writes it: PBKDF2 with SHA-512."""
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"{user}:$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def users(passwords: str) -> list[str]:
    """The user names in a password file's text."""
    lines = (line.strip() for line in passwords.splitlines())
    return [line.split(":", 1)[0] for line in lines if ":" in line and not line.startswith("#")]


def acl(devices: Iterable[str], extra: str = "") -> str:
    """The ACL file: everything for the gateway, its own topics for each device, then `extra` lines."""
    lines = [f"user {GATEWAY}", "topic readwrite #", "topic readwrite $hw/#", "topic read $SYS/#"]
    for device in devices:
        lines += ["", f"user {device}"]
        for root in _roots(device):
            lines += [f"topic write {root}/{suffix}" for suffix in _WRITES]
            lines.append(f"topic read {root}/#")
        lines += [f"topic write {root}/#" for root in _plain(device)]
    return "\n".join([*lines, "", extra.rstrip()]).rstrip() + "\n"


def _roots(device: str) -> list[str]:
    """Topics of a device; one segment, as before KubeEdge 1.16, for the default namespace only."""
    namespace, slash, name = device.rpartition("/")
    if not _safe(device):
        return []
    roots = [f"$hw/events/device/{namespace if slash else 'default'}/{name}"]
    return [*roots, f"$hw/events/device/{name}"] if not slash or namespace == "default" else roots


def _plain(device: str) -> list[str]:
    """Where the device's plain telemetry goes."""
    namespace, _, name = device.rpartition("/")
    return [f"gemelo/telemetry/{namespace or 'default'}/{name}"] if _safe(device) else []


def _safe(device: str) -> bool:
    """False for a name with a wildcard: it would be a right on the topics of others."""
    return bool(device) and not any(sign in device for sign in "+#\0\n")
