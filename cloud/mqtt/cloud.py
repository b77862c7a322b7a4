"""The cloud, as the gateway sees it: a broker of any make, connected and reconnected for ever."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec import Struct

from cloud.budget import Budget
from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import Presence, encode, is_rival
from cloud.mqtt.herald import Herald, Twins
from cloud.mqtt.inbox import Change, Inbox, Manifests, Reply
from cloud.mqtt.reports import Report, Reporter, Unconfirmed
from cloud.mqtt.session import Inbound, Session, Untaken, connected
from cloud.mqtt.state import Counters, MqttState
from cloud.mqtt.topics import Topics
from cloud.patience import Patience
from cloud.standing import Standing
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Event
from twins.instructions import Instruction, Revision
from twins.values import Twin, Value

logger = logging.getLogger(__name__)

_STEADY = 10.0
"""A link that held this many seconds was good: the next failure starts with short delays again."""
_TOPIC = 1024
"""Characters of a topic on which we answer."""


class MqttCloud:
    """Implements the port `Cloud`: `push`, `changes`, `run`, …; tell `note` what was committed."""

    def __init__(self, config: MqttConfig, twins: Twins, manifests: Manifests, clock: Clock, *, boot: int = 0) -> None:
        self._config = config
        self._clock = clock
        self._topics = Topics(config.topic, config.node)
        self._budget = Budget(config.rate, config.burst or round(2 * config.rate) or 1, clock)
        self._sources: dict[str, tuple[int, int]] = {}
        self._reporter = Reporter(self._topics, self._sourced)
        self._herald = Herald(config, self._topics, twins, self, self._reporter, clock)
        self._inbox = Inbox(self._topics, config.node, manifests, self._herald.tell_whole, clock, boot)
        self._counters = Counters()
        self._session: Session | None = None
        self._patience = Patience(config.answer)
        self._standing = Standing(clock)
        self._run = secrets.token_hex(4)
        self._rival = ""
        self._answers = itertools.count(1)

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

    def note(self, said: Sequence[Instruction], events: Sequence[Event], decisions: Sequence[Struct]) -> None:
        """Take note of what was committed beside the twins' values."""
        for i in said:
            if type(i) is Revision:
                for name, change in i.changes.items():
                    if change.at is not None and change.reported_changed and change.current.reported is not None:
                        self._sources[f"{i.device}/{name}"] = (change.current.reported.version.edge, change.at)
        self._herald.note(said, events, decisions)

    @property
    def state(self) -> MqttState:
        return MqttState(
            phase=self._standing.phase,
            reason=self._standing.reason,
            since=self._standing.since,
            counters=msgspec.structs.replace(self._counters),
            rejected=self._inbox.rejected,
            dropped=self._herald.dropped,
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
            self._standing.turn("offline", self._rival or reason)
            self._rival = ""
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
        for name, (reported, _) in row.versions.items():
            series = f"{row.device}/{name}"
            if self._sources.get(series, (reported + 1, 0))[0] <= reported:
                del self._sources[series]
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
            id_ = f"{self._run}-{next(self._answers)}"  # of equal answers each is an event of its own
            payload = encode(kind, source, answer, self._clock.now(), subject=message.topic, id_=id_)
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
        if self._counters.links > 1 and is_rival(message.payload, self._run):
            self._rival = f"a second node is here as {self._config.node}: give each node a name of its own"
            logger.warning("%s", self._rival)

    def _sourced(self, series: str, value: Value) -> int:
        """When a value was so at its source, as far as that is known; else when it arrived."""
        version, at = self._sources.get(series, (0, 0))
        return at if version == value.version.edge else value.at
