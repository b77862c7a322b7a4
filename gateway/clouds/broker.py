"""An MQTT broker above the gateway: link and uplink, and how it stands with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.clouds.silences import unanswered, unconfirmed
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.dispatch import Silence
from gateway.manifests.registry import Registry
from gateway.outbox import Outbox, row
from gateway.uplink import Uplink
from rules.instructions import Decided
from runtime.clock import Clock
from twins.exchange import Condition, OutboxRow
from web.cloud import CloudStatus, MessagesView

if TYPE_CHECKING:
    from cloud.mqtt.cloud import MqttCloud


EVENT = "event:"
"""Beginning of the key under which an event or a decision is kept."""


class CloudBroker:
    """Implements `Sky`. Events wait in `outbox`; `warn` hears of what somebody else may bring about."""

    kind = "mqtt"

    def __init__(
        self,
        config: Config,
        core: Core,
        registry: Registry,
        clock: Clock,
        outbox: Outbox,
        warn: Callable[[str], None],
        boot: int,
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._url = config.cloud.url
        self.link = _link(config, core, registry, clock, warn, boot)
        self.uplink = Uplink(self.link, core, clock)

    def kept(self, committed: Committed) -> Sequence[OutboxRow]:
        return kept(self.link, committed)

    def tell(self, committed: Committed) -> None:
        self.link.note(committed.said, committed.changed)
        self.uplink.tell(committed)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.uplink.run(), name="uplink")
            group.create_task(self._outbox.run(self.link), name="outbox")

    def status(self) -> CloudStatus:
        """How it stands, in full."""
        state = self.link.state
        return CloudStatus(
            kind=self.kind,
            phase=state.phase,
            reason=state.reason,
            since=state.since,
            url=self._url,
            rival=state.rival,
            pending=self.uplink.pending,
            unanswered=unanswered(self.uplink.silences, self._clock, _why),
            counters=msgspec.structs.asdict(state.counters) | {"rejected": state.rejected, "refused": state.refused},
            messages=self._messages(),
        )

    def _messages(self) -> MessagesView:
        backlog, counts = self._outbox.backlog, self._outbox.counts
        return MessagesView((), len(backlog), backlog.bytes, counts.forwarded, counts.dropped)

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """That the broker refuses what is said of it."""
        return unconfirmed(self.uplink.silences, device, _why)


def kept(link: MqttCloud, committed: Committed) -> list[OutboxRow]:
    """Events and decisions, where they are to go up."""
    decided = [each for each in committed.decisions if isinstance(each, Decided)]
    notes = link.notes(committed.events, decided)
    return [row(f"{EVENT}{note.id}", "event", (note.topic, note.payload), note.cause) for note in notes]


def _why(silence: Silence) -> str:
    return silence.why


def _link(
    config: Config, core: Core, registry: Registry, clock: Clock, warn: Callable[[str], None], boot: int
) -> MqttCloud:
    from cloud.mqtt.cloud import MqttCloud
    from cloud.mqtt.config import BACKOFF, RATE, MqttConfig

    section = config.cloud
    settings = MqttConfig(
        node=config.node.name,
        url=section.url,
        protocol=section.protocol,
        topic=section.topic,
        user=section.user,
        password_file=section.password_file,
        ca_file=section.ca_file,
        cert_file=section.cert_file,
        key_file=section.key_file,
        events=section.events,
        heartbeat=section.heartbeat,
        rate=section.rate or RATE,
        burst=section.burst,
        backoff_limit=section.backoff or BACKOFF,
    )
    return MqttCloud(settings, core.twins, registry, clock, warn=warn, boot=boot)
