"""The cloud, as the gateway sees it: a broker of any make, connected and reconnected for ever."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from cloud.budget import Budget
from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import Presence, encode, other
from cloud.mqtt.herald import Herald, Twins
from cloud.mqtt.inbox import Change, Inbox, Manifests, Reply
from cloud.mqtt.notes import Note, notes
from cloud.mqtt.reports import Report, Reporter, Unconfirmed
from cloud.mqtt.rival import Rival
from cloud.mqtt.session import Inbound, Session, Untaken, connected
from cloud.mqtt.sources import Sources
from cloud.mqtt.state import Counters, MqttState
from cloud.mqtt.topics import Topics
from cloud.patience import Patience
from cloud.standing import Standing
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Event
from twins.instructions import Instruction
from twins.values import Twin

logger = logging.getLogger(__name__)

_STEADY = 10.0
"""A link that held this many seconds was good: the next failure starts with short delays again."""
_TOPIC = 1024
"""Characters of a topic on which we answer."""


def _nobody(_: str) -> None:
    """Nobody wants to hear of it."""


class MqttCloud:
    """Implements the ports `Cloud` and `Post`. Tell `note` what was committed, and keep what `notes` makes of it.

    `warn` is told, in words, what a person has to mend.
    """

    def __init__(
        self,
        config: MqttConfig,
        twins: Twins,
        manifests: Manifests,
        clock: Clock,
        *,
        warn: Callable[[str], None] = _nobody,
        boot: int = 0,
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = Topics(config.topic, config.node)
        self._budget = Budget(config.rate, config.burst or round(2 * config.rate) or 1, clock)
        self._sources = Sources(twins.get)
        self._reporter = Reporter(self._topics, self._sources.at)
        self._herald = Herald(config, self._topics, twins, self, self._reporter, clock)
        self._inbox = Inbox(self._topics, config.node, manifests, self._herald.tell_whole, clock, boot)
        self._counters = Counters()
        self._session: Session | None = None
        self._patience = Patience(config.answer)
        self._standing = Standing(clock)
        self._run = secrets.token_hex(4)
        self._warn = warn
        self._rival = Rival(config.node, clock)
        self._accused = False
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """Stay in touch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay(), name="cloud.connection")
            tasks.create_task(self._reply(), name="cloud.replies")
            tasks.create_task(self._herald.run(), name="cloud.herald")

    async def push(self, rows: Sequence[Report]) -> None:
        """Return when the broker has confirmed all of them; raises `Unavailable`, or `Unconfirmed` when the link lives.

        After an error any of them may or may not have arrived: sending again is harmless, the last value wins.
        """
        session = self._session
        if session is None:
            raise Unavailable(f"no link to the cloud: {self._standing.reason}")
        sent: list[asyncio.Task[Unavailable | None]] = []
        async with asyncio.TaskGroup() as group:
            for row in rows:
                await self._budget.take()
                sent.append(group.create_task(self._send(session, row)))
        failed = [(row, error) for row, task in zip(rows, sent, strict=True) if (error := task.result())]
        for _, error in failed:
            if not isinstance(error, Untaken):
                raise error  # the link broke
        if failed:
            raise Unconfirmed([row for row, _ in failed], str(failed[0][1]))

    async def upload(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Return when the broker has confirmed these (topic, payload), sent in order; raises `Unavailable`.

        What it refuses, as it is too large or ours no right, would be refused again: it goes, and is counted.
        """
        try:
            await self.push([Report("", topic, (payload,)) for topic, payload in messages])
        except Unconfirmed as refused:
            self._herald.give_up(refused)

    def changes(self) -> AsyncIterator[Change]:
        """What the cloud desires, in order; one reader. Call `done` of each after its commit."""
        return self._inbox.changes()

    def report(self, twin: Twin, cause: str = "") -> Report | None:
        """What the cloud must hear of this twin; `None` when it has all."""
        return self._reporter.news(twin, self._clock.now(), cause)

    def state_report(self, twin: Twin, cause: str = "") -> Report | None:
        """The device's state; `None` when it has none."""
        return self._reporter.state(twin, self._clock.now(), cause)

    async def online(self) -> None:
        """Return when there is a link."""
        await self._standing.online()

    def notes(self, events: Sequence[Event], decisions: Sequence[Struct]) -> list[Note]:
        """What to keep for `upload` of what is being committed; nothing unless events are to go up."""
        if not self._config.events:
            return []
        return notes(self._topics, events, decisions, self._clock.now(), self._next_id)

    def note(self, said: Sequence[Instruction], changed: Iterable[str]) -> None:
        """Take note of what was committed beside the twins' values, and whose twin is another, or gone."""
        self._sources.note(said, changed)
        self._herald.note(said)

    @property
    def state(self) -> MqttState:
        return MqttState(
            phase=self._standing.phase,
            reason=self._standing.reason,
            since=self._standing.since,
            counters=msgspec.structs.replace(self._counters),
            rejected=self._inbox.rejected,
            refused=self._herald.refused,
            rival=self._rival.suspected,
        )

    async def _stay(self) -> None:
        backoff = Backoff(self._config.backoff_first, self._config.backoff_limit)
        while True:
            started = self._clock.monotonic()
            reason = "the link ended"
            try:
                await self._serve()
            except Unavailable as error:
                reason = str(error)
            if self._clock.monotonic() - started > _STEADY:
                backoff.reset()
            self._standing.turn("offline", self._rival.accusation if self._accused else reason)
            self._accused = False
            await self._clock.sleep(backoff.next())

    async def _serve(self) -> None:
        """Connect, and hand over what comes; raises `Unavailable` when that ends."""
        config, topics = self._config, self._topics
        self._standing.turn("connecting", config.url)
        birth, will = self._presence(online=True), self._presence(online=False)
        async with connected(
            config, self._clock, self._patience, topics.subscriptions, topics.state, birth, will
        ) as session:
            self._session = session
            self._counters.links += 1
            self._standing.turn("online", config.url)
            self._herald.list_devices()
            try:
                async for message in session.messages():
                    if message.topic == topics.state:
                        self._look_for_rival(message)
                        continue
                    self._counters.received += 1
                    await self._inbox.take(message)
            finally:
                self._session = None

    async def _send(self, session: Session, row: Report) -> Unavailable | None:
        """Why it was not confirmed."""
        self._counters.sent += 1
        try:
            for payload in row.payloads:
                await session.publish(row.topic, payload, retain=row.retain)
        except Unavailable as error:
            return error
        self._counters.confirmed += 1
        self._sources.confirmed(row.device, row.versions)
        return None

    async def _reply(self) -> None:
        """Answer in order, some at a time, and acknowledge each message when its answer is confirmed."""
        while True:
            replies = await self._inbox.replies.take(20)
            async with asyncio.TaskGroup() as group:
                for reply in replies:
                    group.create_task(self._answer(reply))

    async def _answer(self, reply: Reply) -> None:
        message, answer = reply.message, reply.answer
        if answer is not None and len(message.topic) <= _TOPIC:
            kind, source = "error" if answer.reason else "answer", f"/{self._topics.root}"
            payload = encode(kind, source, answer, self._clock.now(), subject=message.topic, id_=self._next_id())
            try:
                await message.session.publish(f"{message.topic}/ack", payload)
                self._counters.answered += 1
            except Untaken as error:
                logger.warning("the cloud gets no answer: %s", error)
            except Unavailable as error:
                logger.debug("not answered on %.200s, it will come again: %s", message.topic, error)
                return
        message.session.acknowledge(message)

    def _presence(self, *, online: bool) -> bytes:
        now = self._clock.now()
        return encode("node", f"/{self._topics.root}", Presence(online, now // 1000, self._run), now)

    def _look_for_rival(self, message: Inbound) -> None:
        """See whether somebody else was this node since our last birth."""
        message.session.acknowledge(message)
        if self._counters.links == 1 or (born := other(message.payload, self._run)) is None:
            return
        if self._rival.saw(born):
            self._accused = True
            self._warn(self._rival.accusation)

    def _next_id(self) -> str:
        """Of equal answers and decisions each is an event of its own."""
        return f"{self._run}-{next(self._numbers)}"
