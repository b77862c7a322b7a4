"""Errors, split by who must act. Every message says what happened, why, and how to mend it."""

from __future__ import annotations


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


class Broken(GemeloError):
    """Our own invariant does not hold: stop, and start again from disk."""
