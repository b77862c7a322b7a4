"""Errors, split by who must act. Every message says what happened, why, and how to mend it."""

from __future__ import annotations

from typing import Literal


class GemeloError(Exception):
    """Root of all errors this project raises on purpose."""


class Rejected(GemeloError):
    """The input is bad: count it, answer it, go on. `code` is KubeEdge's (400, 404, 409)."""

    def __init__(self, reason: str, code: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Unavailable(GemeloError):
    """A peer or a resource is away: back off and try again."""


class Dropped(Unavailable):
    """Work given up undone: `newer` work took its place, its `deadline` could not be met, or all is `busy`."""

    def __init__(self, why: Literal["newer", "deadline", "busy"], reason: str = "") -> None:
        super().__init__(reason or why)
        self.why = why


class Broken(GemeloError):
    """Our own invariant does not hold: stop, and start again from disk."""
