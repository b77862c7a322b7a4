"""What devices prove themselves by: passwords, one-time codes and certificates, in one file that holds no secret.

Of a password mosquitto's hash is kept, of a code its SHA-256, of a certificate its number. The file is written whole
or not at all. It stands apart from `state.db`, so that a damaged database locks no device out.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from devices.mqtt.rights import GATEWAY, hashed
from devices.mqtt.secret import write
from runtime.clock import Clock
from twins.errors import Rejected

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE = 12
"""Signs of a code: 60 random bits, in groups of four for whoever types them."""


class Credential(Struct, frozen=True, omit_defaults=True):
    """What a device has. `password` is a hash; `serial` and `until` (µs) are of its certificate."""

    since: int
    password: str = ""
    serial: str = ""
    until: int = 0


class Code(Struct, frozen=True):
    """A code that is not used yet: for which device, and until when (µs)."""

    device: str
    until: int


class _Kept(Struct):
    credentials: dict[str, Credential] = {}
    codes: dict[str, Code] = {}
    revoked: dict[str, int] = {}


class Credentials:
    """All credentials of one gateway. What changes here holds when `save` returned."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._saving = asyncio.Lock()
        self._kept = _Kept()

    def load(self) -> str:
        """Take up what was kept; says so, in words, when it cannot be read and was set aside."""
        try:
            self._kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return ""
        except (OSError, msgspec.DecodeError) as error:
            aside = self._path.with_suffix(".damaged")
            self._path.rename(aside)
            return (
                f"the credentials of devices can't be read ({error}); they are in {aside}: give each device a new one"
            )
        return ""

    async def save(self) -> None:
        """Write everything down."""
        async with self._saving:
            await asyncio.to_thread(write, self._path, msgspec.json.encode(self._kept).decode())

    def of(self, device: str) -> Credential | None:
        return self._kept.credentials.get(device)

    def all(self) -> Iterable[tuple[str, Credential]]:
        return self._kept.credentials.items()

    def codes(self) -> Iterable[Code]:
        """Codes that can still be used."""
        now = self._clock.now()
        return [code for code in self._kept.codes.values() if code.until > now]

    def revoked(self) -> dict[str, int]:
        """Numbers of certificates that hold no more, with their end; what has ended anyway is left out."""
        now = self._clock.now()
        return {serial: until for serial, until in self._kept.revoked.items() if until > now}

    def logins(self) -> dict[str, str]:
        """Who may come in: user name to mosquitto's hash, which is empty for those who show a certificate.

        A device of the default namespace has a second user name, its name alone.
        """
        found: dict[str, str] = {}
        for device, credential in self._kept.credentials.items():
            found[device] = credential.password
            namespace, _, name = device.partition("/")
            if namespace == "default" and credential.password and name != GATEWAY:
                found[name] = credential.password
        return found

    def give_password(self, device: str) -> str:
        """A new password, told this once; what the device had before holds no more."""
        password = secrets.token_urlsafe(24)
        self._replace(device, Credential(self._clock.now(), password=hashed(password, secrets.token_bytes(12))))
        return password

    def give_certificate(self, device: str, serial: str, until: int) -> None:
        """The device's certificate from now on; what it had before holds no more."""
        self._replace(device, Credential(self._clock.now(), serial=serial, until=until))

    def give_code(self, device: str, seconds: float) -> tuple[str, int]:
        """A code to enrol with, told this once, and its end. An earlier code of the device holds no more."""
        self._drop_codes(device)
        signs = [secrets.choice(_ALPHABET) for _ in range(_CODE)]
        code = "-".join("".join(signs[i : i + 4]) for i in range(0, _CODE, 4))
        until = self._clock.now() + int(seconds * 1e6)
        self._kept.codes[_digest(code)] = Code(device, until)
        return code, until

    def use_code(self, code: str) -> str:
        """The device a code is for; it is good no more. Raises `Rejected` (403)."""
        found = self._kept.codes.pop(_digest(code), None)
        if found is None or found.until <= self._clock.now():
            raise Rejected(
                "no such code, or it was used, or its time is over: gemelo device rotate NAME --code gives another", 403
            )
        return found.device

    def remove(self, device: str) -> Credential | None:
        """Take away what a device has; `None` when it had nothing."""
        self._drop_codes(device)
        held = self._kept.credentials.pop(device, None)
        if held is not None and held.serial:
            self._kept.revoked = self.revoked() | {held.serial: held.until}
        return held

    def _replace(self, device: str, credential: Credential) -> None:
        self.remove(device)
        self._kept.credentials[device] = credential

    def _drop_codes(self, device: str) -> None:
        now = self._clock.now()
        self._kept.codes = {d: c for d, c in self._kept.codes.items() if c.device != device and c.until > now}


def _digest(code: str) -> str:
    """People type small letters and leave hyphens out."""
    return hashlib.sha256("".join(code.upper().replace("-", "").split()).encode(errors="replace")).hexdigest()
