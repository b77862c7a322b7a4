"""What is said beside the news of twins: which devices there are, and whole twins on request.

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

from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import encode
from cloud.mqtt.reports import Report, Reporter, Unconfirmed
from cloud.mqtt.topics import Topics
from cloud.mqtt.wishes import Get
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.instructions import Instruction, Membership
from twins.values import Twin

logger = logging.getLogger(__name__)

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
        self._roster = asyncio.Event()
        self._whole: dict[str, None] = {}
        self._asked = asyncio.Event()
        self.refused = 0
        """Messages that the broker refused."""
        self._told = ""

    def note(self, said: Sequence[Instruction]) -> None:
        """Take note of what was committed."""
        if any(isinstance(i, Membership) for i in said):
            self._roster.set()

    def give_up(self, refused: Unconfirmed) -> None:
        """The broker would refuse these again."""
        self.refused += len(refused.reports)
        if (topic := refused.reports[0].topic) != self._told:  # once, not for each
            logger.warning("the cloud is not told what belongs on %s: %s", topic, refused)
            self._told = topic

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

    async def _until_said(self, rows: Callable[[], Sequence[Report]]) -> None:
        """Push what `rows` gives, made anew at each try, until the broker has it or has refused it."""
        while True:
            await self._wire.online()
            try:
                return await self._wire.push(rows())
            except Unconfirmed as refused:
                return self.give_up(refused)
            except Unavailable:  # the next link may hold, and takes its time to come
                await self._clock.sleep(self._config.backoff_first)

    def _list(self) -> list[Report]:
        self._roster.clear()
        devices = {twin.device: {"model": twin.model} for twin in self._twins}
        payload = encode("devices", f"/{self._topics.root}", {"devices": devices}, self._clock.now())
        return [Report("", self._topics.devices, (payload,), retain=True)]

    def _wholes(self, devices: Sequence[str]) -> list[Report]:
        twins = filter(None, map(self._twins.get, devices))
        return [self._reporter.whole(twin, self._clock.now(), "get") for twin in twins]
