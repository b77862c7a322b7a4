"""Credentials of camera addresses never reach a log, an error or a page."""

from __future__ import annotations

import re

# Greedy up to the last `@`: a password may hold one itself. Hiding a bit of path is harmless.
_USERINFO = re.compile(r"://[^\s'\"]*@")
_SECRET = re.compile(r"([?&][^=&\s]*(?:pass|pwd|token|key|secret|auth|user|login)[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with user, password and secret query values of every address in it replaced by `***`."""
    return _SECRET.sub(r"\1***", _USERINFO.sub("://***@", text))
