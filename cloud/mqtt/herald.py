"""What is said beside the news of twins: which devices there are, whole twins on request, events and decisions.

What fails with its link is said again on the next. What the broker refuses, as it is too large or ours no right, would
be refused again, and hold up all behind it: it goes, and people are told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

from msgspec import Struct, structs

from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import encode
from cloud.mqtt.reports import Report, Reporter, Unconfirmed
from cloud.mqtt.topics import Topics
from cloud.mqtt.wishes import Get
from runtime.clock import Clock
from runtime.mailbox import Mailbox, Policy
from twins.errors import Rejected, Unavailable
from twins.exchange import Event
from twins.instructions import Instruction, Membership
from twins.values import Twin

logger = logging.getLogger(__name__)

EVENTS = 1000
"""Events and decisions that wait for the link; beyond them the oldest go."""
TOGETHER = 20
"""Messages on their way at once."""


class Twins(Protocol):
    """The live twins, for reading only."""

    def get(self, device: str) -> Twin | None: ...

    def __iter__(self) -> Iterator[Twin]: ...


class Wire(Protocol):
    """The way to the broker: `push` raises `Unavailable`, `Unconfirmed` for what the broker refuses; `online` returns
    when there is a link."""

    async def push(self, rows: Sequence[Report]) -> None: ...

    async def online(self) -> None: ...


class Herald:
    """Says it when there is a link."""

    def __init__(
        self, config: MqttConfig, topics: Topics, twins: Twins, wire: Wire, reporter: Reporter, clock: Clock
    ) -> None:
        self._config = config
        self._topics = topics
        self._twins = twins
        self._wire = wire
        self._reporter = reporter
        self._clock = clock
        self._notes: Mailbox[Report] = Mailbox("cloud.events", EVENTS, Policy.DROP_OLDEST)
        self._roster = asyncio.Event()
        self._whole: dict[str, None] = {}
        self._asked = asyncio.Event()
        self._refused = 0
        self._told = ""

    @property
    def dropped(self) -> int:
        """What went because too much waited, or the broker refused it."""
        return self._notes.statistics.dropped + self._refused

    def note(self, said: Sequence[Instruction], events: Sequence[Event], decisions: Sequence[Struct]) -> None:
        """Take note of what was committed."""
        if any(isinstance(i, Membership) for i in said):
            self._roster.set()
        if not self._config.events:
            return
        for event in events:
            self._note(self._topics.events, "event", event, event.at, event.object, event.id)
        for decision in decisions:
            self._note(self._topics.decisions, "decision", decision, self._clock.now())

    def list_devices(self) -> None:
        """Say which devices there are."""
        self._roster.set()

    def tell_whole(self, get: Get) -> str:
        """Say whole twins, of those devices or of all; says how many. `Rejected` for a device that is not there."""
        for device in get.devices:
            if self._twins.get(device) is None:
                raise Rejected(f"there is no device {device[:200]!r}; the list is on {self._topics.devices}", 404)
        devices = get.devices or [twin.device for twin in self._twins]
        self._whole.update(dict.fromkeys(devices))
        self._asked.set()
        self._roster.set()
        return f"whole twins that follow: {len(devices)}"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_devices(), name="cloud.devices")
            group.create_task(self._tell_whole(), name="cloud.whole")
            group.create_task(self._tell_notes(), name="cloud.events")

    async def _tell_devices(self) -> None:
        while True:
            await self._roster.wait()
            await self._until_said(self._list)
            await self._clock.sleep(self._config.calm)

    async def _tell_whole(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            while chosen := list(islice(self._whole, TOGETHER)):
                await self._until_said(partial(self._wholes, chosen))
                for device in chosen:
                    self._whole.pop(device, None)

    async def _tell_notes(self) -> None:
        while True:
            await self._until_said(partial(list, await self._notes.take(TOGETHER)))

    async def _until_said(self, rows: Callable[[], Sequence[Report]]) -> None:
        """Push what `rows` gives, made anew at each try, until the broker has it or has refused it."""
        while True:
            await self._wire.online()
            try:
                return await self._wire.push(rows())
            except Unconfirmed as refused:
                self._refused += len(refused.reports)
                self._warn(refused)
                return None
            except Unavailable:  # the next link may hold, and takes its time to come
                await self._clock.sleep(self._config.backoff_first)

    def _warn(self, refused: Unconfirmed) -> None:
        if (topic := refused.reports[0].topic) != self._told:  # once, not for each event
            logger.warning("the cloud is not told what belongs on %s: %s", topic, refused)
            self._told = topic

    def _list(self) -> list[Report]:
        self._roster.clear()
        devices = {twin.device: {"model": twin.model} for twin in self._twins}
        payload = encode("devices", f"/{self._topics.root}", {"devices": devices}, self._clock.now())
        return [Report("", self._topics.devices, (payload,), retain=True)]

    def _wholes(self, devices: Sequence[str]) -> list[Report]:
        twins = filter(None, map(self._twins.get, devices))
        return [self._reporter.whole(twin, self._clock.now(), "get") for twin in twins]

    def _note(self, topic: str, kind: str, said: Struct, at: int, subject: str = "", id_: str = "") -> None:
        payload = encode(kind, f"/{self._topics.root}", structs.asdict(said), at, subject=subject, id_=id_)
        self._notes.offer_nowait(Report("", topic, (payload,)))
