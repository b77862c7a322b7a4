"""How it stands with what is learned by one manifest."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["waiting", "learning", "learned", "too little", "failing"]


class Standing(Struct):
    """`last` and `next` are microseconds UTC, 0 for none; `series` have lessons, `little` have too few points."""

    id: str
    kind: Literal["Baseline", "Forecast"]
    state: State = "waiting"
    reason: str = ""
    last: int = 0
    next: int = 0
    took: float = 0.0
    series: int = 0
    little: int = 0
    failures: int = 0


class Counts(Struct):
    """Of this start, for metrics."""

    lessons: int = 0
    little: int = 0
    failures: int = 0
