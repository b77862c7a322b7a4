"""Who may use the API when a token is configured: bearers of the token, and browsers that came by a one-time link."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from runtime.clock import Clock

INVITE_SECONDS = 600.0
SESSION_SECONDS = 12 * 3600.0
KEPT = 64


class Sessions:
    """Invitations are good once and for ten minutes, sessions for twelve hours; of each the newest 64 are kept.

    Only digests are held. Without a token everything is allowed: then the server listens on loopback alone.
    """

    def __init__(self, token: str, clock: Clock) -> None:
        self._token = _digest(token) if token else b""
        self._clock = clock
        self._invites: dict[bytes, float] = {}
        self._sessions: dict[bytes, float] = {}

    @property
    def needed(self) -> bool:
        return bool(self._token)

    def invite(self) -> str:
        """A key for `/#k=…`, good for one login."""
        return self._issue(self._invites, INVITE_SECONDS)

    def login(self, key: str) -> str | None:
        """Trade an invitation, or the token itself, for a session; `None` if it is neither."""
        due = self._invites.pop(_digest(key), 0.0)
        if due > self._clock.monotonic() or self._is_token(key):
            return self._issue(self._sessions, SESSION_SECONDS)
        return None

    def allows(self, bearer: str, cookie: str) -> bool:
        """True without a token, for the token as bearer, and for a cookie whose session still runs."""
        if not self._token or self._is_token(bearer):
            return True
        return self._sessions.get(_digest(cookie), 0.0) > self._clock.monotonic()

    def _is_token(self, text: str) -> bool:
        return bool(self._token) and hmac.compare_digest(_digest(text), self._token)

    def _issue(self, kept: dict[bytes, float], seconds: float) -> str:
        key = secrets.token_urlsafe(24)
        kept[_digest(key)] = self._clock.monotonic() + seconds
        while len(kept) > KEPT:
            del kept[next(iter(kept))]
        return key


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
