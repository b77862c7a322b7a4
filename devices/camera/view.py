"""What a camera shows of itself: its state and its rates."""

from __future__ import annotations

from collections import deque
from typing import Literal

from msgspec import Struct

from twins.exchange import Detection

State = Literal["connecting", "online", "offline"]


class CameraView(Struct, frozen=True):
    """A camera as pages and commands show it. Rates are pictures a second over the last seconds.

    `offered` counts the source's pictures since start: processed + skipped + at most one that waits and one at work.
    """

    id: str
    source: str
    model: str
    state: State
    reason: str
    fps_in: float
    fps_processed: float
    fps_skipped: float
    offered: int
    processed: int
    skipped: int
    infer_ms: float
    width: int
    height: int
    detections: tuple[Detection, ...]


class Rates:
    """Rates of three counters over the last five seconds or so, from snapshots at least half a second apart."""

    def __init__(self) -> None:
        self._snapshots: deque[tuple[float, tuple[int, int, int]]] = deque(maxlen=10)

    def at(self, now: float, counts: tuple[int, int, int]) -> tuple[float, float, float]:
        if not self._snapshots or now - self._snapshots[-1][0] >= 0.5:
            self._snapshots.append((now, counts))
        then, before = self._snapshots[0]
        elapsed = max(now - then, 0.5)
        first, second, third = ((new - old) / elapsed for new, old in zip(counts, before, strict=True))
        return first, second, third
