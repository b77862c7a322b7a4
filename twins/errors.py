"""Errors, split by who must act. Every message says what happened, why, and how to mend it."""

from __future__ import annotations

from typing import Literal

Drop = Literal["newer", "deadline", "busy", "left", "stopping"]
"""Why a frame was not looked at: a newer one of its source came; it would be too late; too many sources wait;
its caller went away; the gateway stops."""


class GemeloError(Exception):
    """Root of all errors this project raises on purpose."""


class Rejected(GemeloError):
    """The input is bad: count it, answer it, go on. `code` is KubeEdge's (400, 404, 409)."""

    def __init__(self, reason: str, code: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Dropped(GemeloError):
    """A frame was given up before any work on it, as agreed: answer it and go on. Nobody did wrong."""

    def __init__(self, kind: Drop, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Unavailable(GemeloError):
    """A peer or a resource is away: back off and try again."""


class Broken(GemeloError):
    """Our own invariant does not hold: stop, and start again from disk."""
