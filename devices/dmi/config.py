"""The section `[dmi]` of the configuration."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from twins.errors import Rejected

PATH_BYTES = 107
"""Bytes that the path of a unix socket may have."""


class DmiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How mappers reach the gateway, and how patient it is with them. Durations are seconds.

    `rate` and `burst` bound the calls of one mapper, a second and at once.
    """

    socket: Path
    strict: bool = False
    rate: float = 1000.0
    burst: int = 2000
    max_mappers: int = 64
    call_timeout: float = 10.0
    probe_interval: float = 10.0
    backoff_first: float = 0.5
    backoff_limit: float = 30.0

    def check(self) -> None:
        """Raises `Rejected` for a path that no socket can have."""
        length = len(bytes(self.socket))
        if length > PATH_BYTES:
            reason = f"[dmi] socket = {str(self.socket)!r} has {length} bytes, a socket's path at most {PATH_BYTES}"
            raise Rejected(reason)
