"""How it stands with the cloud, for people and programs. Frozen, but for the counters."""

from __future__ import annotations

from msgspec import Struct

from cloud.identity import Validity
from cloud.past import Older
from cloud.registration import Registered
from cloud.standing import Phase


class Counters(Struct):
    """Since the start of the process, over all links."""

    links: int = 0
    sent: int = 0
    """Reports sent, repetitions included."""
    confirmed: int = 0
    unanswered: int = 0
    received: int = 0
    acknowledged: int = 0
    dropped: int = 0
    """Messages that nobody waits for, dropped because the inbox was full."""
    malformed: int = 0
    uploaded: int = 0
    """Custom messages that the cloud has read."""
    routed: int = 0
    """Messages of its rule router."""


class CloudState(Struct, frozen=True):
    """How it stands with the cloud; times in microseconds UTC."""

    phase: Phase
    reason: str
    since: int
    counters: Counters
    devices: int
    pending: tuple[str, ...]
    """Devices that wait for their model."""
    undeclared: dict[str, tuple[str, ...]]
    """Per device the properties that the cloud would drop, so they stay here."""
    rejected: int
    """Messages from the cloud that could not be read, since the start."""
    renew_at: int | None
    valid: Validity | None = None
    """The certificate in use."""
    rejections: dict[str, str] = {}
    """Objects of the cloud that cannot be read as they are now, and why."""
    ignored: int = 0
    """Objects of a version older than ours, left alone."""
    older: dict[str, Older] = {}
    """Per object the older version that the cloud said last, since ours came."""
    rival: bool = False
    """A second node of our name seems to be there."""
    node: Registered = Registered("off")
    """Our Node in the cluster."""
