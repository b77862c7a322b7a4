"""Who a caller is: the bearer token of its metadata, and the device name that it may use."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

from twins.errors import Rejected

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
ANY = "*"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Access:
    """Checks callers against `tokens`: device name (or `*`) to the SHA-256 of its token. Without any, all pass."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = {name: digest.lower() for name, digest in tokens.items()}

    def check(self, metadata: Iterable[tuple[str, str | bytes]], device: str) -> None:
        """Raises `Rejected` (401: no token of ours, 403: another device's) unless the token may speak for `device`."""
        if not self._tokens:
            return
        shown = hashlib.sha256(_bearer(metadata).encode()).hexdigest()
        owners = [name for name, digest in self._tokens.items() if hmac.compare_digest(digest, shown)]
        if not owners:
            reason = "no valid token: send `authorization: Bearer TOKEN`, one whose SHA-256 is in [offload] tokens_file"
            raise Rejected(reason, 401)
        if device not in owners and ANY not in owners:
            reason = f"this token does not belong to {device!r}; use the token of that device"
            raise Rejected(reason, 403)


def tokens(text: str) -> dict[str, str]:
    """The text of a tokens file: lines `device sha256`, `*` for any device, `#` for remarks.

    Raises `Rejected`, with the line, for anything else, for a device named twice, and for a text without any token:
    it would be an open door.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match line.partition("#")[0].split():
            case []:
                continue
            case [device, digest] if (device == ANY or LABEL.fullmatch(device)) and _DIGEST.fullmatch(digest):
                if device in found:
                    raise Rejected(f"line {number}: {device} has a token already; one line a device")
                found[device] = digest.lower()
            case _:
                reason = f"line {number} is not `device sha256`; make the second with: printf %s TOKEN | sha256sum"
                raise Rejected(reason)
    if not found:
        raise Rejected("there is no token in it; write lines `device sha256`")
    return found


def device_name(given: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The device's name, from the message or else from the metadata `device-id`. Raises `Rejected` for a bad one."""
    name = given or _text(metadata, "device-id")
    if not LABEL.fullmatch(name):
        reason = (
            f"device id {name[:80]!r} is not a DNS label: use 1 to 63 of a-z, 0-9 and '-', with no '-' at either end"
        )
        raise Rejected(reason)
    return name


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    scheme, _, token = _text(metadata, "authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _text(metadata: Iterable[tuple[str, str | bytes]], wanted: str) -> str:
    return next((value for name, value in metadata if name == wanted and isinstance(value, str)), "")
