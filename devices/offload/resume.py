"""A session that outlives its stream: a token that proves whose it was, and the Results that may not have arrived.

gRPC never restores a stream by itself (grpc-java #8177). The phone opens a new one, shows the token, lists the frames
it has no Result for; each gets exactly one: the Result it missed, the one that waits for the disk, or DROPPED_NEWER.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from devices.offload.wire.offload_pb2 import Result

KEPT = 16
"""Results kept for a phone that comes back; its credit never allows more frames without a Result."""


class Lineage:
    """What the streams of one session share. `sink` is where Results go now; `None` while no stream is open."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.sink: Callable[[Result], None] | None = None
        self._recent: OrderedDict[int, Result] = OrderedDict()
        self._committing: set[int] = set()

    def committing(self, seq: int) -> None:
        """The frame's stimulus has been offered: its Result comes through `answered`, even after the stream's end."""
        self._committing.add(seq)

    def forget(self, seq: int) -> None:
        """The offer did not come about."""
        self._committing.discard(seq)

    def answered(self, result: Result) -> None:
        """Keep a Result for a phone that comes back, and send it if a stream is open."""
        self._committing.discard(result.seq)
        self._recent[result.seq] = result
        self._recent.move_to_end(result.seq)
        if len(self._recent) > KEPT:
            self._recent.popitem(last=False)
        if self.sink is not None:
            self.sink(result)

    def missed(self, seq: int) -> Result | None:
        """The Result to send again for a frame; `None` when it is still to come."""
        if seq in self._committing:
            return None
        kept = self._recent.get(seq)
        if kept is None:
            return Result(seq=seq, status=Result.DROPPED_NEWER, reason="its session broke before it was inferred")
        again = Result()
        again.CopyFrom(kept)
        again.credit = 0  # the Welcome of the new stream has granted anew
        return again


class Lineages:
    """Sessions that may be resumed: each device's last, for `seconds` after its stream ended. `now` is monotonic."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._ended: OrderedDict[str, tuple[Lineage, float]] = OrderedDict()

    def open(self, device: str, token: bytes, now: float) -> tuple[Lineage, bool]:
        """The lineage of a new stream, and whether it is the one that the token proves."""
        while self._ended and next(iter(self._ended.values()))[1] + self._seconds < now:
            self._ended.popitem(last=False)
        ended = self._ended.pop(device, None)
        if ended is not None and hmac.compare_digest(token, self.token(device, ended[0])):
            return ended[0], True
        return Lineage(secrets.token_hex(8)), False

    def end(self, device: str, lineage: Lineage, now: float) -> None:
        """The stream ended: keep the lineage for a while."""
        lineage.sink = None
        self._ended[device] = (lineage, now)
        self._ended.move_to_end(device)

    def token(self, device: str, lineage: Lineage) -> bytes:
        """HMAC-SHA256 of session and device: nobody else can continue it. The key lives as long as the process."""
        return hmac.digest(self._key, f"{lineage.session}|{device}".encode(), "sha256")
