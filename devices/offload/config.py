"""The section `[offload]` of the configuration."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class OffloadConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How phones reach the gateway. Durations are seconds.

    `tokens` maps a device's name (or `*` for any device) to the SHA-256, in hexadecimal, of the bearer token it must
    show: `printf %s TOKEN | sha256sum`. Without tokens everybody who reaches the address may be any phone.
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
