"""The files that mosquitto reads: its configuration, and who may come in and do what."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from devices.mqtt.credentials import Credentials
from devices.mqtt.mosquitto import CONFIGURATION, Settings, configuration, encrypted, find_plugin
from devices.mqtt.rights import GATEWAY, Granted, acl, nothing, password_line, users
from twins.errors import Unavailable

if TYPE_CHECKING:
    from devices.mqtt.authority import Authority


class Files:
    """Writes them in `folder`, each whole, for us alone. `authority` is needed for `settings.tls` alone."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        credentials: Credentials | None,
        authority: Authority | None,
        granted: Granted = nothing,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._credentials = credentials
        self._granted = granted
        self._rights = ""
        self._authority = authority if settings.tls is not None else None

    def configure(self, port: int, tls_port: int) -> None:
        """Write what mosquitto reads once. Raises `Unavailable` where certificates are wanted and can't be had."""
        text = configuration(self._settings, self._folder, port)
        if self._authority is not None and self._settings.tls is not None:
            plugin = find_plugin()
            if plugin is None:
                raise Unavailable(
                    "mosquitto's plugin mosquitto_dynamic_security.so is absent: without it no connection of a "
                    'certificate that was taken back could be cut; install it, or set [broker] tls_listen = ""'
                )
            self._authority.serve(self._settings.names)
            _write(self._folder / "security.json", "{}")
            text += encrypted(self._settings.tls[0], tls_port, self._folder, self._authority.folder, plugin)
        _write(self._folder / CONFIGURATION, text)

    def allow(self, user: str, password: str) -> None:
        """Write users and rights, the gateway's own first. Raises `Unavailable`, changing nothing, for unfit files."""
        if self._settings.anonymous:
            return
        passwords = _text(self._settings.users_file)
        named = users(passwords)
        if GATEWAY in named:
            msg = f"{self._settings.users_file}: the user {GATEWAY!r} is the gateway itself; give this one another name"
            raise Unavailable(msg)
        rights = self._told(named)
        given = self._credentials.logins() if self._credentials is not None else {}
        lines = [password_line(user, password, secrets.token_bytes(12))]
        lines += [f"{login}:{hash_}" for login, hash_ in given.items() if hash_ and login not in named]
        _write(self._folder / "passwords", "\n".join([*lines, passwords]))
        _write(self._folder / "rights", rights)
        self._rights = rights
        if self._authority is not None and self._credentials is not None:
            _write(self._folder / "revoked.pem", self._authority.revocations(self._credentials.revoked()))

    @property
    def outdated(self) -> bool:
        """True when rights are others than those that were written. Raises `Unavailable` for unfit files."""
        return not self._settings.anonymous and self._rights != self._told(users(_text(self._settings.users_file)))

    def _told(self, named: Iterable[str]) -> str:
        logins = self._credentials.logins() if self._credentials is not None else {}
        extra = _text(self._settings.rights_file)
        return acl(dict.fromkeys([*named, *logins]), extra, self._granted, strict=self._settings.strict)


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}; the broker needs it for its users and rights"
        raise Unavailable(msg) from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all; they are made anew at each start, so nobody waits for the disk."""
    part = path.with_suffix(".part")
    part.touch(0o600)
    part.write_text(text, "utf-8")
    part.rename(path)
