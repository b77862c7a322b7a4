"""How it stands with one upload, for people and metrics."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["starting", "idle", "running", "waiting", "failing", "off", "never"]


class Standing(Struct):
    """`starting`: what waits is not read yet; `waiting`: for its hours; `failing`: tried again by itself, for a
    `reason`; `off`: can't be, for a `reason`.

    Times are µs UTC, 0 for none; `lag` is the age of the oldest row that is to go, in seconds. `objects`, `rows`,
    `bytes` and `missed` (rows removed here before they went) are of all times; `blocked` rows, kept here by a `never`,
    and `failures` are of this start.
    """

    id: str
    policy: str
    state: State = "starting"
    reason: str = ""
    since: int = 0
    next: int = 0
    last: int = 0
    waiting: int = 0
    pending_rows: int = 0
    pending_bytes: int = 0
    lag: float = 0.0
    objects: int = 0
    rows: int = 0
    bytes: int = 0
    missed: int = 0
    blocked: int = 0
    failures: int = 0
