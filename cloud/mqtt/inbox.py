"""What the cloud sent, one after the other: read, handed over, and answered after its commit.

A message is acknowledged to the broker when its answer is confirmed, so what a crash or a cut interrupts comes again:
it is known by its version or by being what holds already, and is answered again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec import Struct

from cloud.mqtt.client import UNDER_WAY
from cloud.mqtt.events import Said, decode
from cloud.mqtt.session import Inbound
from cloud.mqtt.topics import Place, Topics
from cloud.mqtt.wishes import Get, manifest, requested, wanted
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from twins.errors import Rejected
from twins.exchange import Outcome, Verdict
from twins.stimuli import Requested

logger = logging.getLogger(__name__)

_NO_NEWS = frozenset({"known", "stale"})


class Manifests(Protocol):
    """Where manifests go: both say what was done after the commit, and raise `Rejected`."""

    async def apply(self, data: object, where: str) -> str: ...

    async def delete(self, kind: str, name: str) -> str: ...


class Answer(Struct, frozen=True, omit_defaults=True):
    """What became of a message, refused with a `reason` and a `code` of HTTP's; `id` is that of the event answered."""

    id: str = ""
    version: int = 0
    properties: dict[str, Verdict] = {}
    done: str = ""
    reason: str = ""
    code: int = 0


class Reply(Struct, frozen=True):
    """An answer on its way; `None` when the message was no news and nobody waits: the broker retains it."""

    message: Inbound
    answer: Answer | None


class Change:
    """Desired values: commit the stimuli, then call `done`."""

    def __init__(self, request: Requested) -> None:
        self.stimuli = (request,)
        self.manifests: dict[tuple[str, str], bytes | None] = {}
        self.outcome = Outcome("it was not stored in time: send it again", 503)

    def done(self, committed: bool = True, outcome: Outcome | None = None) -> None:
        """It is on disk, with this outcome; or it is not, and may come again."""
        if committed and outcome is not None:
            self.outcome = outcome


class Inbox:
    """Outlives connections. Holds so many messages as may be under way; whoever brings the next waits."""

    def __init__(
        self, topics: Topics, node: str, manifests: Manifests, get: Callable[[Get], str], clock: Clock, boot: int
    ) -> None:
        self.rejected = 0
        self.replies: Mailbox[Reply] = Mailbox("cloud.replies", UNDER_WAY)
        self._offered: Mailbox[Inbound] = Mailbox("cloud.inbox", UNDER_WAY)
        self._topics = topics
        self._node = node
        self._manifests = manifests
        self._get = get
        self._clock = clock
        self._boot = boot
        self._count = 0

    async def take(self, message: Inbound) -> None:
        """Have it read in its turn."""
        await self._offered.put(message)

    async def changes(self) -> AsyncIterator[Change]:
        """Every desired change, in order; the next comes after `done` of this one. Carries out all else by itself."""
        while True:
            (message,) = await self._offered.take(1)
            id_ = ""
            try:
                place = self._topics.place(message.topic)
                said = decode(message.payload, message.attributes) if message.payload else None
                id_ = "" if said is None else said.id
                if place.what == "desired":
                    change = Change(self._requested(place, said))
                    yield change
                    answer = _verdict(change, id_)
                elif place.what == "manifest":
                    answer = Answer(id_, done=await self._manifest(place, said))
                else:
                    answer = Answer(id_, done=self._get(wanted(said)))
            except Rejected as rejected:
                self.rejected += 1
                logger.warning("refused from the cloud on %.200s: %s", message.topic, rejected)
                answer = Answer(id_, reason=rejected.reason, code=rejected.code)
            await self.replies.put(Reply(message, None if message.retained and _is_old(answer) else answer))

    def _requested(self, place: Place, said: Said | None) -> Requested:
        if said is None:
            raise Rejected("an empty message desires nothing: say which properties, with null for each")
        self._count += 1
        return requested(place, said, f"cloud:{self._boot}:{self._count}", self._clock.now())

    async def _manifest(self, place: Place, said: Said | None) -> str:
        try:
            if said is None:
                return await self._manifests.delete(place.kind, place.name)
            return await self._manifests.apply(manifest(place, said, self._node), f"{place.kind} {place.name}")
        except TimeoutError:
            raise Rejected("it was not stored in time: send it again", 503) from None


def _verdict(change: Change, id_: str) -> Answer:
    outcome, version = change.outcome, change.stimuli[0].version
    if outcome.refused is not None:
        return Answer(id_, version, reason=outcome.refused, code=outcome.code)
    return Answer(id_, version, outcome.verdicts)


def _is_old(answer: Answer) -> bool:
    """True when what the broker retains has changed nothing."""
    if answer.properties:
        return all(verdict.outcome in _NO_NEWS for verdict in answer.properties.values())
    return " unchanged" in answer.done
