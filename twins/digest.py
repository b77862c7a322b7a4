"""The name of a message: what tells a repeat from news."""

from __future__ import annotations

import hashlib


def digest(device: str, payload: bytes, packet: int = 0) -> int:
    """64 bits that name a message: the same message again has the same."""
    key = f"{device}\0{packet}\0".encode()
    return int.from_bytes(hashlib.blake2b(key + payload, digest_size=8).digest(), "big", signed=True)
