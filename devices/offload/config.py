"""The section `[offload]` of the configuration."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from msgspec import Struct

from twins.errors import Rejected


class OffloadConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How phones reach the gateway. Durations are seconds.

    `tokens` maps a device's name (or `*` for any device) to the SHA-256, in hexadecimal, of the bearer token it must
    show: `printf %s TOKEN | sha256sum`. With `client_ca_file` phones show a certificate of that authority. With
    neither, everybody who reaches the address may be any phone, so that it must be loopback.
    """

    listen: str = "127.0.0.1:50051"
    namespace: str = "default"
    model: str = "face-emotion"
    credit: int = 2
    credit_limit: int = 4
    max_bytes: int = 8 * 1024 * 1024
    max_streams: int = 16
    max_sessions: int = 64
    max_devices: int = 1024
    tokens: dict[str, str] = {}
    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    keepalive: float = 20.0
    keepalive_timeout: float = 5.0
    hello_timeout: float = 10.0
    commit_timeout: float = 10.0
    send_timeout: float = 10.0
    drain_timeout: float = 5.0
    resume_for: float = 60.0

    def check(self) -> None:
        """Raises `Rejected` for keys that do not go together, and for an open door beyond this machine."""
        if (self.cert_file is None) != (self.key_file is None):
            reason = "[offload] cert_file and key_file go together; give both or none"
            raise Rejected(reason)
        if self.client_ca_file is not None and self.cert_file is None:
            reason = "[offload] client_ca_file needs TLS: set cert_file and key_file too"
            raise Rejected(reason)
        if _is_loopback(self.listen.rpartition(":")[0].strip("[]")):
            return
        lacking = [] if self.cert_file is not None else ["cert_file and key_file"]
        if not self.tokens and self.client_ca_file is None:
            lacking.append("tokens_file or client_ca_file")
        if lacking:
            reason = (
                f'[offload] listen = "{self.listen}" can be reached from the network: '
                f"set {', and '.join(lacking)}, or listen on 127.0.0.1"
            )
            raise Rejected(reason)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
