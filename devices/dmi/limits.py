"""How often each mapper may call: a token bucket each, so that one which floods holds up no other. Pure."""

from __future__ import annotations

from msgspec import Struct

KEPT = 4096
"""Buckets that are remembered; one that is full again says nothing and may go."""


class _Bucket(Struct):
    tokens: float
    at: float


class Limits:
    """`rate` tokens a second and `burst` at once, for each key."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, now: float) -> bool:
        """Spend a token of `key` at `now` (seconds, monotonic); false when it has none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= KEPT:
                self._forget(now)
            bucket = self._buckets[key] = _Bucket(self._burst, now)
        self._refill(bucket, now)
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _refill(self, bucket: _Bucket, now: float) -> None:
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now

    def _forget(self, now: float) -> None:
        """Drop the full ones; when all are in use, the one that was used least lately."""
        for bucket in self._buckets.values():
            self._refill(bucket, now)
        kept = {key: bucket for key, bucket in self._buckets.items() if bucket.tokens < self._burst}
        if len(kept) >= KEPT:
            del kept[next(iter(kept))]
        self._buckets = kept
