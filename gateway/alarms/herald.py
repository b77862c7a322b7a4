"""The herald: tells MQTT how alarms stand, and takes commands from there.

A message about an alarm is made of its event, so it is told when that is on disk. What waits for the broker is the
newest of each alarm; whenever the broker is reached anew, all that anything ever happened to are told again: what the
broker forgot, or what a killed gateway could not say, is mended so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from devices.telemetry.grants import Topics
from gateway.alarms import wire
from gateway.alarms.desk import Desk
from gateway.committed import Committed
from gateway.messaging import Plain
from rules.alarms.alarms import Alarms
from rules.alarms.notes import standing_of
from runtime.clock import Clock
from runtime.mailbox import Mailbox, Policy
from twins.errors import Rejected, Unavailable
from twins.stimuli import Stimulus
from twins.topic import disjoint

logger = logging.getLogger(__name__)

WAITING = 20_000
"""States that wait for the broker; beyond, the oldest goes until the broker is reached anew."""
COMMANDS = 256
"""Commands that wait for the sequencer; beyond, they are refused."""
LOOK = 1.0
"""Seconds between two looks whether the broker was reached anew, or is back."""
TOGETHER = 64
"""States that are on their way to the broker at once."""
PIECE = 256
"""Alarms that are looked at in a row."""
_SHOWN = 200


class Voice(Protocol):
    """Our broker: `Messaging`."""

    @property
    def connects(self) -> int: ...

    def say(self, messages: Sequence[tuple[str, bytes]]) -> None: ...

    async def send(self, topic: str, payload: bytes, ident: str, *, qos: int, retain: bool) -> None: ...

    def remap(self) -> None: ...


class _Told(NamedTuple):
    topic: str
    payload: bytes


class _Asked(NamedTuple):
    alarm: str
    key: str
    wish: wire.Wish


class Herald:
    """Stands before the others who read topics: hears what they hear, and where there are alarms, commands to them."""

    def __init__(self, others: Plain, alarms: Alarms, desk: Desk, clock: Clock) -> None:
        self._others = others
        self._alarms = alarms
        self._desk = desk
        self._clock = clock
        self._voice: Voice | None = None
        self._known: set[str] = set()
        self._told: Mailbox[_Told] = Mailbox("alarms", WAITING, Policy.KEEP_LATEST, key=lambda told: told.topic)
        self._asked: Mailbox[_Asked] = Mailbox("alarm commands", COMMANDS)

    def speak_by(self, voice: Voice) -> None:
        """Publish there, and subscribe there: it hears by us, so it is made after us."""
        self._voice = voice

    def apply(self, name: str, alarm: object | None) -> None:
        """Watcher of the kind `Alarm`: commands are heard as long as there is one."""
        heard = bool(self._known)
        self._known.add(name) if alarm is not None else self._known.discard(name)
        if heard != bool(self._known) and self._voice is not None:
            self._voice.remap()

    # -- what is heard -------------------------------------------------------------------------------------------------

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        return disjoint(self._others.filters | {f"{wire.COMMAND}#"}) if self._known else self._others.filters

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """What a message means to the others; commands wait for their turn. Raises `Rejected`."""
        if topic.startswith(wire.COMMAND) and self._known:
            if not self._asked.offer_nowait(_Asked(*wire.command(topic, payload))):
                raise Rejected(f"{COMMANDS} commands to alarms wait already")
            return ()
        return self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        return self._others.commands(device, values)

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """As without us: no device commands an alarm."""
        return self._others.granted(device, reserved)

    # -- what is told --------------------------------------------------------------------------------------------------

    def tell(self, committed: Committed) -> None:
        """Tell of the alarms that these events are about."""
        for event in committed.events:
            if (each := standing_of(event)) is not None:
                self._told.offer_nowait(_Told(*wire.state(each)))

    async def run(self) -> None:
        """Tell and take commands, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(), name="alarms.states")
            group.create_task(self._greet(), name="alarms.all")
            group.create_task(self._obey(), name="alarms.commands")

    async def _publish(self) -> None:
        while True:
            together = await self._told.take(TOGETHER)  # of as many alarms, so that none overtakes itself
            async with asyncio.TaskGroup() as group:
                for told in together:
                    group.create_task(self._deliver(told), name="alarms.state")

    async def _deliver(self, told: _Told) -> None:
        while not await self._sent(told):
            await self._clock.sleep(LOOK)

    async def _sent(self, told: _Told) -> bool:
        """Whether the broker has it, or never will."""
        if self._voice is None:
            return False
        try:
            await self._voice.send(told.topic, told.payload, "", qos=1, retain=True)
        except Unavailable:
            return False
        except Rejected as error:
            logger.warning("not told on %s: %s", told.topic[:_SHOWN], error.reason)
        return True

    async def _greet(self) -> None:
        """Tell of all alarms that anything ever happened to, each time the broker is reached."""
        reached = 0
        while True:
            connects = 0 if self._voice is None else self._voice.connects
            if connects != reached:
                reached = connects
                for number, each in enumerate(self._alarms.standings()):
                    if each.matters or each.raised:
                        self._told.offer_nowait(_Told(*wire.state(each)))
                    if number % PIECE == 0:
                        await asyncio.sleep(0)  # there may be a hundred thousand
            await self._clock.sleep(LOOK)

    async def _obey(self) -> None:
        while True:
            (asked,) = await self._asked.take(1)
            with suppress(TimeoutError):  # it is taken, only late: its state will tell
                answer = await self._answer(*asked)
                if self._voice is not None:
                    self._voice.say([answer])

    async def _answer(self, alarm: str, key: str, wish: wire.Wish) -> tuple[str, bytes]:
        who = wish.who or "mqtt"
        try:
            cause = await self._desk.command(alarm, key, wish.command, who=who, note=wish.note, length=wish.length)
        except Rejected as error:
            return wire.result(alarm, key, wish, "", error)
        return wire.result(alarm, key, wish, cause)
