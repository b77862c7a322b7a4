"""Who may do what at the managed broker: mosquitto's password and ACL files. Pure.

A device's user name is its id, `namespace/name`, or `name` in the default namespace. It may write plain telemetry and
what KubeEdge's twin protocol has a device write, on its own topics alone, and read what is said about it.

Rights on twin topics are patterns over the user name (`%u`): ten thousand devices cost no line. They name every verb,
for `#` would be a right on the topics of others: `$hw/events/device/a/#` holds all of the namespace `a`, and the
device `a/twin` has under its root what the older form says of device `a`. Telemetry has a line for each user, as no
pattern tells the user `a` from the namespace `a`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable

from devices.telemetry.grants import Topics
from twins.instructions import CLOUD_TOPIC

Granted = Callable[[str], Topics]
"""What `namespace/name` may do beside its own topics."""
GATEWAY = "gemelo"
CONTROL = "$CONTROL/dynamic-security/v1"
"""Where mosquitto's plugin takes commands: the gateway's alone."""
WRITES = ("twin/update", "twin/get", "state/update")
READS = (
    "twin/update/result",
    "twin/update/delta",
    "twin/update/document",
    "twin/get/result",
    "state/update/result",
    "updated",
)
_ITERATIONS = 101  # mosquitto's own figure; what we hash are random secrets, people's passwords come hashed already
_ROOTS = ("$hw/events/device/%u", "$hw/events/device/default/%u")


def password_line(user: str, password: str, salt: bytes) -> str:
    """A line of the password file, as `mosquitto_passwd` writes it."""
    return f"{user}:{hashed(password, salt)}"


def hashed(password: str, salt: bytes) -> str:
    """A password as mosquitto keeps it: PBKDF2 with SHA-512."""
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def users(passwords: str) -> list[str]:
    """The user names in a password file's text."""
    lines = (line.strip() for line in passwords.splitlines())
    return [line.split(":", 1)[0] for line in lines if ":" in line and not line.startswith("#")]


def nothing(device: str) -> Topics:
    """What a device may do beside its own topics where nothing gives it more."""
    return Topics()


def acl(devices: Iterable[str], extra: str = "", granted: Granted = nothing, *, strict: bool = False) -> str:
    """The ACL file: everything for the gateway, its own topics for each device and what it is `granted`, then `extra`.

    Its own `twin/cloud_updated` passes: the gateway refuses it aloud, and records who tried. Not where it is `strict`:
    there it obeys whoever speaks as the cloud.
    """
    lines = [f"user {GATEWAY}", "topic readwrite #", "topic readwrite $hw/#", "topic read $SYS/#"]
    lines += [f"topic write {CONTROL}", ""]
    writes = WRITES if strict else (*WRITES, CLOUD_TOPIC)
    lines += [f"pattern write {root}/{verb}" for root in _ROOTS for verb in writes]
    lines += [f"pattern read {root}/{verb}" for root in _ROOTS for verb in READS]
    for device in devices:
        if topic := _telemetry(device):
            more = granted(device if "/" in device else f"default/{device}")
            lines += ["", f"user {device}", f"topic write {topic}/#"]
            lines += [f"topic write {each}" for each in more.writes]
            lines += [f"topic read {each}" for each in more.reads]
    return "\n".join([*lines, "", extra.rstrip()]).rstrip() + "\n"


def topics(device: str, granted: Granted = nothing) -> Topics:
    """What the user `namespace/name` may publish and what it may read, to tell the device."""
    root = f"$hw/events/device/{device}"
    writes = (*(f"{root}/{verb}" for verb in WRITES), f"{_telemetry(device)}/#")
    return Topics(writes, tuple(f"{root}/{verb}" for verb in READS)) + granted(device)


def _telemetry(user: str) -> str:
    """Where a user's plain telemetry goes; empty for a name that would be a right on the topics of others."""
    words = user.split("/") if "/" in user else ["default", user]
    if len(words) != 2 or not all(words) or any(sign in user for sign in "+#\0\n"):
        return ""
    return f"gemelo/telemetry/{words[0]}/{words[1]}"
