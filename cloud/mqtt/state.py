"""How it stands with the broker, for people and programs. Frozen, but for the counters."""

from __future__ import annotations

from msgspec import Struct

from cloud.standing import Phase


class Counters(Struct):
    """Since the start of the process, over all links."""

    links: int = 0
    sent: int = 0
    """Messages sent, repetitions included."""
    confirmed: int = 0
    received: int = 0
    answered: int = 0


class MqttState(Struct, frozen=True):
    """How it stands with the broker; `since` in microseconds UTC."""

    phase: Phase
    reason: str
    since: int
    counters: Counters
    rejected: int
    """Messages from the cloud that were refused as a whole."""
    refused: int
    """Messages beside the news of twins that the broker refused: events, lists of devices."""
    rival: bool = False
    """A second node of our name was seen within a minute."""
