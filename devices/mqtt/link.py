"""What a link to a broker is: the contract that both links keep."""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable

logger = logging.getLogger(__name__)

_SETTLED = 5.0
_TOPIC = 65_535
"""Bytes that MQTT gives a topic at most."""
_OVERHEAD = 16
"""Bytes of a publish beside its topic and payload, at most."""


class Message(Struct, frozen=True, gc=False):
    """A message that came. `epoch` is the connection it came by: it is acknowledged on that one or not at all."""

    topic: str
    payload: bytes
    qos: int
    packet: int
    duplicate: bool
    epoch: int


class Letter(NamedTuple):
    """A message whose sender wants to know what becomes of it: `done(True)` once the broker has it, at QoS 0 once it is
    sent; `done(False)` when it was let go. `ident` goes with it where the protocol has room for that (MQTT 5).
    """

    topic: str
    payload: bytes
    done: Callable[[bool], None]
    qos: int = 1
    retain: bool = False
    ident: str = ""


Sendable = tuple[str, bytes] | Letter
"""Topic and payload, or more."""


class LinkConfig(Struct, frozen=True):
    """How to reach the broker; with `tls`, encrypted.

    `receive_maximum` bounds the QoS-1 messages that came and are not yet acknowledged; MQTT 3.1.1 has no word for it,
    there the broker's own in-flight window is the bound. It bounds our unconfirmed publishes too. `packet_limit` is
    the largest packet in bytes that we send or, where the protocol can say so, take. `presence` is a topic on which
    we say, retained, that we are there; our last will says that we are not. Empty: nowhere.
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
    presence: str = ""


def presence(*, online: bool, at: int) -> bytes:
    """What is said on `LinkConfig.presence`, in Sparkplug's words; `at` (ms) is of the connection, in its will too."""
    return msgspec.json.encode({"online": online, "timestamp": at})


class LinkCounts(Struct):
    """What a link did, for health and metrics.

    Of outgoing messages `dropped` counts those that the bounded queue let go, `unfit` those that no broker would take
    (too large, a wildcard in the topic): sent all the same, each would end the link again and again.
    """

    received: int = 0
    acknowledged: int = 0
    published: int = 0
    confirmed: int = 0
    dropped: int = 0
    unfit: int = 0
    connects: int = 0


Receive = Callable[[Message], None]


class Link(Protocol):
    """A link with a persistent session: QoS-1 messages wait at the broker while it is away."""

    counts: LinkCounts

    async def run(self, receive: Receive) -> None:
        """Connect, subscribe, deliver; again and again with backoff until cancelled. `receive` must not block."""
        ...

    def hear(self, topics: Collection[str]) -> None:
        """Hear these topics too from now on, and no others beside the fixed ones; the connection stays.

        A refused one is told and asked for again at the next connection. Retained messages come with a subscription
        that the session did not have, and not again when a link is back: they would overwrite newer values.
        """
        ...

    def publish(self, messages: Sequence[Sendable]) -> None:
        """Send at QoS 1, in order, never waiting; beyond the outgoing limit the oldest go, counted."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge on the connection the message came by; nothing when that is gone."""
        ...

    @property
    def connected(self) -> bool:
        """True when the broker has taken our subscriptions."""
        ...

    @property
    def waiting(self) -> int:
        """Messages published here that the broker has not confirmed yet."""
        ...


class Outgoing:
    """What waits to be sent, in order; beyond `limit` messages the oldest go, counted."""

    def __init__(self, limit: int, counts: LinkCounts) -> None:
        self._limit = limit
        self._counts = counts
        self._queue: deque[Sendable] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, messages: Sequence[Sendable]) -> None:
        """Put messages behind all others."""
        queue = self._queue
        queue.extend(messages)
        while len(queue) > self._limit:
            settle(queue.popleft(), sent=False)
            self._counts.dropped += 1

    def again(self, messages: Iterable[Sendable]) -> None:
        """Put messages that were sent and not confirmed before all others; none goes for them."""
        self._queue.extendleft(reversed(list(messages)))

    def take(self, packet_limit: int) -> Sendable | None:
        """The next message that a packet of `packet_limit` bytes can carry; what can't be sent is left out, counted."""
        while self._queue:
            message = self._queue.popleft()
            if _fits(message[0], message[1], packet_limit):
                return message
            settle(message, sent=False)
            self._counts.unfit += 1
        return None


def settle(message: Sendable, *, sent: bool) -> None:
    """Tell the sender what became of it, if it wants to know."""
    if type(message) is Letter:
        message.done(sent)


class Hearing:
    """What a link hears beside its fixed subscriptions, and what of it the broker knows."""

    def __init__(self) -> None:
        self.fresh: set[str] = set()
        """What the session did not have before this connection."""
        self._wanted: frozenset[str] = frozenset()
        self._told: set[str] = set()
        self._held: set[str] = set()
        self._begun = False

    def want(self, topics: Collection[str]) -> None:
        """From now on these, and no others."""
        self._wanted = frozenset(topics)

    def connected(self, *, resumed: bool) -> None:
        """A connection is made; its session is the last one `resumed`, or a new one."""
        self._told.clear()
        self.fresh.clear()
        if not resumed:
            self._held.clear()
        elif not self._begun:  # an earlier process left the session: what it heard we hear
            self._held.update(self._wanted)
        self._begun = True

    def news(self) -> tuple[list[str], list[str]]:
        """What to subscribe to now and, after that, what to unsubscribe from."""
        new = sorted(self._wanted - self._told)
        self.fresh.update(set(new) - self._held)
        self._told.update(new)
        self._held.update(new)
        gone = sorted(self._held - self._wanted)
        self._told.difference_update(gone)
        return new, gone

    def freed(self, topics: Iterable[str]) -> None:
        """The broker has taken an unsubscription."""
        self._held.difference_update(set(topics) - self._wanted)

    def granted(self, topics: Sequence[str], codes: Sequence[int]) -> None:
        """The broker has answered a subscription."""
        for topic, code in zip(topics, codes, strict=False):
            if code >= 128:
                logger.warning("the broker refuses our subscription to %s: give this user the right to read it", topic)


class Patience:
    """The time between two connections: at most two seconds, so that a broker that is back is found at once.

    An absence is told when it begins and when it lasts. A connection that ends soon after it was made does not count
    as success, so that a broker which takes us and throws us out again is not asked twenty times a second.
    """

    def __init__(self, peer: str, clock: Clock) -> None:
        self._peer = peer
        self._clock = clock
        self._backoff = Backoff(first=0.1, limit=2.0)
        self._since: float | None = None

    def begun(self) -> None:
        """The connection is made."""
        self._since = self._clock.monotonic()
        if self._backoff.tries:
            logger.info("%s: connected", self._peer)

    async def wait(self, reason: str) -> None:
        """The connection is gone, or could not be made."""
        if self._since is not None and self._clock.monotonic() - self._since >= _SETTLED:
            self._backoff.reset()
        self._since = None
        if self._backoff.tries in {0, 5}:
            logger.warning("%s is away: %s", self._peer, reason)
        await self._clock.sleep(self._backoff.next())


def check_granted(subscriptions: Sequence[str], codes: Sequence[int]) -> None:
    """Raise `Unavailable` unless every subscription was granted; codes from 128 are refusals in all versions."""
    if len(codes) != len(subscriptions):
        msg = f"the broker answers {len(subscriptions)} subscriptions with {len(codes)} codes: that is no MQTT"
        raise Unavailable(msg)
    for subscription, code in zip(subscriptions, codes, strict=True):
        if code >= 128:
            msg = f"the broker refuses our subscription to {subscription}: give this user the right to read it"
            raise Unavailable(msg)


def _fits(topic: str, payload: bytes, limit: int) -> bool:
    """True when a broker that takes packets of `limit` bytes would take this one."""
    if not topic or 4 * len(topic) > _TOPIC or len(payload) + 4 * len(topic) + _OVERHEAD > limit:
        return False  # a character has four bytes at most
    return not ("+" in topic or "#" in topic or "\0" in topic)
