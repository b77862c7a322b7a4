"""What a link to a broker is: the contract that both links keep."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct


class Message(Struct, frozen=True, gc=False):
    """A message that came. `epoch` is the connection it came by: it is acknowledged on that one or not at all."""

    topic: str
    payload: bytes
    qos: int
    packet: int
    duplicate: bool
    epoch: int


class LinkConfig(Struct, frozen=True):
    """How to reach the broker; with `tls`, encrypted.

    `receive_maximum` bounds QoS-1 messages that came and are not yet acknowledged.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "gemelo"
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    keepalive: int = 20
    session_expiry: int = 86_400
    receive_maximum: int = 512
    outgoing_limit: int = 20_000
    packet_limit: int = 1_048_576
    connect_timeout: float = 5.0


class LinkCounts(Struct):
    """What a link did, for health and metrics. `dropped` counts outgoing messages that its bounded queue let go."""

    received: int = 0
    acknowledged: int = 0
    published: int = 0
    confirmed: int = 0
    dropped: int = 0
    connects: int = 0


Receive = Callable[[Message], None]


class Link(Protocol):
    """A link with a persistent session: QoS-1 messages wait at the broker while it is away."""

    counts: LinkCounts

    async def run(self, receive: Receive) -> None:
        """Connect, subscribe, deliver; again and again with backoff until cancelled. `receive` must not block."""
        ...

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send at QoS 1, in order, never waiting; beyond the outgoing limit the oldest go, counted."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge on the connection the message came by; nothing when that is gone."""
        ...

    @property
    def connected(self) -> bool: ...
