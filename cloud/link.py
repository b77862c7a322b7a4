"""One connection to CloudHub. Single-use: it dies with its websocket.

Four tasks: one reads, one keeps alive, one hands objects over and acknowledges them, one looks after the Node.
Answers never wait behind objects.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence

import aiohttp

from cloud import frames
from cloud.budget import Budget
from cloud.config import CloudCoreConfig
from cloud.messages import Answered, Incoming, Members, Object, Other, Ping, Routed, TwinUpdate
from cloud.patience import Silent
from cloud.questions import Questions
from cloud.registration import Registration
from cloud.router import Router
from cloud.state import Counters
from cloud.sync import Report, Unanswered
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_INBOX = 256
"""Messages waiting to be handed over. When full, objects wait (CloudCore has one in flight), all else is
dropped: today's clouds say everything in objects."""

Take = Callable[[Object | Members | TwinUpdate], Awaitable[bool]]
Route = Callable[[Routed], None]
"""Takes what the rule router wants; never waits."""


class Link:
    """A connected websocket. `take` commits an object and says whether it may be acknowledged."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        node: str,
        config: CloudCoreConfig,
        clock: Clock,
        budget: Budget,
        take: Take,
        route: Route,
        registration: Registration,
        counters: Counters,
    ) -> None:
        self._socket = socket
        self._node = node
        self._config = config
        self._clock = clock
        self._budget = budget
        self._take = take
        self._route = route
        self._registration = registration
        self._counters = counters
        self._inbox: Mailbox[Object | Members | TwinUpdate] = Mailbox("cloud.received", _INBOX)
        self._held: set[str] = set()
        self._questions = Questions(self._send, clock, config.answer)
        self._router = Router(clock, config.rules)
        self._lane = asyncio.Lock()
        self.ended = ""
        self.dropped = False
        """The cloud ended it, or something between; not we."""

    async def run(self) -> str:
        """Serve until the link ends; the reason."""
        over = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = [
                    tasks.create_task(self._until_broken(self._read, over), name="cloud-read"),
                    tasks.create_task(self._until_broken(self._keep_alive, over), name="cloud-keepalive"),
                    tasks.create_task(self._until_broken(self._hand_over, over), name="cloud-hand-over"),
                    tasks.create_task(self._registration.run(self._ask), name="cloud-node"),
                ]
                await over.wait()
                for part in parts:
                    part.cancel()
        finally:
            self.ended = self.ended or "stopped"
            self._questions.end(self.ended)
            await self._hang_up()
        return self.ended

    async def close(self, reason: str) -> None:
        """End the link from our side."""
        self.ended = self.ended or reason
        await self._hang_up()

    async def push(self, reports: Sequence[Report]) -> None:
        """Return when all are confirmed. Raises `Unavailable` when the link breaks, `Unanswered` when it lives."""
        async with asyncio.TaskGroup() as group:
            sent = [group.create_task(self._deliver(one), name="cloud-report") for one in reports]
        outcomes = [task.result() for task in sent]
        self._counters.confirmed += outcomes.count(True)
        if None in outcomes:
            raise Unavailable(self.ended or "the link broke")
        if silent := [one for one, outcome in zip(reports, outcomes, strict=True) if not outcome]:
            self._counters.unanswered += len(silent)
            raise Unanswered(silent)

    async def upload(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Return when the cloud has read these (topic, payload), in order; raises `Unavailable`.

        CloudHub answers no custom message. But it reads in order, and its transport answers a ping.
        """
        await self._router.hears({topic for topic, _ in messages})
        for topic, payload in messages:
            await self._budget.take()
            await self._send(frames.upload(topic, payload, _id(), self._now()))
        await self._questions.ask(lambda id_: frames.ping(id_, self._now()), "a ping")
        self._counters.uploaded += len(messages)

    async def _ask(self, operation: str, resource: str, content: object) -> bytes:
        """What the cloud answers to a request; raises `Unavailable` when it does not."""
        await self._budget.take()
        frame = lambda id_: frames.request(operation, resource, content, id_, self._now())  # noqa: E731
        return (await self._questions.ask(frame, f"the {operation} of {resource}")).content

    async def _deliver(self, one: Report) -> bool | None:
        """Whether the cloud confirmed it in time; `None` when the link broke."""
        encode = frames.state_report if one.kind == "state" else frames.twin_report

        def frame(id_: str) -> bytes:
            self._counters.sent += 1
            return encode(one.device, one.content, id_, self._now())

        try:
            for _ in range(2 if one.twice else 1):
                async with self._lane:  # of all reports one waits for its turn, so that other messages get theirs
                    await self._budget.take()
                if not (await self._questions.insist(frame, one.device)).ok:
                    return False
        except Silent:
            return False
        except Unavailable:
            return None
        return True

    async def _until_broken(self, part: Callable[[], Awaitable[None]], over: asyncio.Event) -> None:
        """Not by an error of the group: it would hide that we are cancelled in the same moment (Python < 3.13)."""
        try:
            await part()
        except Unavailable as broken:
            self.ended = self.ended or str(broken)
        over.set()

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                raise Unavailable(self._farewell(message))
            self._counters.received += 1
            try:
                said = frames.decode(message.data)
            except Rejected as rejected:
                self._counters.malformed += 1
                logger.warning("%s", rejected)
                continue
            await self._sort(said)

    async def _sort(self, said: Incoming) -> None:
        match said:
            case Answered():
                self._questions.answered(said)
            case Object():
                if said.id not in self._held:  # else it is a repeat of one that we still have in hand
                    self._held.add(said.id)
                    await self._inbox.put(said)
            case Members() | TwinUpdate():
                self._counters.dropped += not self._inbox.offer_nowait(said)
            case Routed():
                self._counters.routed += 1
                if said.operation == "subscribe":
                    self._router.asks(said.topic)
                self._route(said)
            case Ping():
                await self._send(frames.pong(said, _id(), self._now()))
            case Other(what):
                logger.debug("ignored from the cloud: %s", what)

    async def _keep_alive(self) -> None:
        await self._send(frames.keepalive(_id(), self._now()))
        await self._send(frames.detail(self._node, _id(), self._now()))
        while True:
            await self._clock.sleep(self._config.heartbeat)
            await self._send(frames.keepalive(_id(), self._now()))

    async def _hand_over(self) -> None:
        """Acknowledge each object after its commit; what could not be committed the cloud sends again."""
        while True:
            (message,) = await self._inbox.take(1)
            taken = await self._take(message)
            if isinstance(message, Object):
                self._held.discard(message.id)
                if taken:
                    await self._send(frames.acknowledge(message, _id(), self._now()))
                    self._counters.acknowledged += 1

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._config.connect):
                await self._socket.send_frame(data, aiohttp.WSMsgType.TEXT)
        except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
            reason = self.ended or f"cannot send to the cloud: {error or type(error).__name__}"
            raise Unavailable(reason) from error

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close()
        except (TimeoutError, ConnectionError):
            logger.debug("the cloud did not say goodbye")

    def _farewell(self, message: aiohttp.WSMessage) -> str:
        if self.ended:
            return self.ended
        self.dropped = True
        if message.type is aiohttp.WSMsgType.ERROR or self._socket.exception() is not None:
            return f"the link broke: {self._socket.exception() or message.data!r}"
        said = f", saying {message.extra!r}" if message.extra else ""
        return f"the cloud closed the link (code {self._socket.close_code}){said}"

    def _now(self) -> int:
        return self._clock.now() // 1000


def _id() -> str:
    return str(uuid.uuid4())
