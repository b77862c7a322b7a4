"""Devices that the cloud does not confirm, for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.dispatch import Silence
from runtime.clock import Clock
from twins.exchange import Condition
from web.cloud import UnansweredView

Reason = Callable[[Silence], str]
"""Why it does not, likely, and what to do."""


def unanswered(silences: Sequence[Silence], clock: Clock, reason: Reason) -> tuple[UnansweredView, ...]:
    """For the status of the cloud."""
    wall, now = clock.now(), clock.monotonic()
    return tuple(
        UnansweredView(each.device, each.since, each.attempts, wall + int((each.again - now) * 1e6), reason(each))
        for each in silences
    )


def unconfirmed(silences: Sequence[Silence], device: str, reason: Reason) -> tuple[Condition, ...]:
    """For the device."""
    return tuple(
        Condition("Unconfirmed", f"not confirmed by the cloud {each.attempts} times: {reason(each)}")
        for each in silences
        if each.device == device
    )
