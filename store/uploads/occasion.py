"""Which events want what was around them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from store.uploads.ledger import Want
from store.uploads.manifest import SEVERITIES, OnEvent
from twins.duration import microseconds


def reading(policy: OnEvent) -> Callable[[Sequence[Any]], Want | None]:
    """What an event `(rowid, at, kind, object, severity)` wants by this policy. Those of uploads want nothing."""
    before, after = microseconds(policy.before), microseconds(policy.after)
    least = SEVERITIES.index(policy.severity)

    def wanted(row: Sequence[Any]) -> Want | None:
        number, at, kind, subject, severity = row
        if kind == "upload" or severity not in SEVERITIES[least:]:
            return None
        if not _fits(kind, policy.kinds) or not _fits(subject, policy.objects):
            return None
        return Want(0, (at - before, at + after), at + after, f"event {number}")

    return wanted


def _fits(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, each) for each in globs)
