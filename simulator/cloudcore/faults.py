"""How the stand-in misbehaves, each fault for a time."""

from __future__ import annotations

import time
from typing import Literal, get_args

Fault = Literal["cut", "refuse", "noack", "duplicate", "reorder", "slow", "half-open", "deny", "both"]

MEANING: dict[Fault, str] = {
    "cut": "links are aborted, new ones refused",
    "refuse": "links stay, new ones are refused",
    "noack": "reports are stored and not answered",
    "duplicate": "every object and answer is sent twice",
    "reorder": "what is said together goes out in reverse, and the newest object goes first",
    "slow": "every received message waits a second",
    "deny": "what a node asks about itself is refused, as by RBAC",
    "both": "a second link of a node ends the first, and itself",
    "half-open": "links stay open and nothing passes; then they are aborted",
}


class Faults:
    """Which faults are on."""

    def __init__(self) -> None:
        self._until: dict[Fault, float] = {}

    def start(self, kind: Fault, seconds: float) -> None:
        """The fault is on from now for `seconds`; 0 ends it."""
        self._until[kind] = time.monotonic() + seconds

    def on(self, kind: Fault) -> bool:
        return self.left(kind) > 0

    def left(self, kind: Fault) -> float:
        """Seconds until it ends."""
        return max(0.0, self._until.get(kind, 0.0) - time.monotonic())

    def active(self) -> dict[str, float]:
        return {kind: round(self.left(kind), 3) for kind in get_args(Fault) if self.on(kind)}
