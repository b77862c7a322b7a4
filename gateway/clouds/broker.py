"""An MQTT broker above the gateway: link and uplink, and how it stands with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.clouds.silences import unanswered, unconfirmed
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.dispatch import Silence
from gateway.manifests.registry import Registry
from gateway.uplink import Uplink
from rules.instructions import Decided
from runtime.clock import Clock
from twins.exchange import Condition
from web.cloud import CloudStatus

if TYPE_CHECKING:
    from cloud.mqtt.cloud import MqttCloud


class CloudBroker:
    """Implements `Sky`."""

    kind = "mqtt"

    def __init__(self, config: Config, core: Core, registry: Registry, clock: Clock, boot: int) -> None:
        self._clock = clock
        self._url = config.cloud.url
        self.link = _link(config, core, registry, clock, boot)
        self.uplink = Uplink(self.link, core, clock)

    def tell(self, committed: Committed) -> None:
        decided = [each for each in committed.decisions if isinstance(each, Decided)]
        self.link.note(committed.said, committed.events, decided)
        self.uplink.tell(committed)

    async def run(self) -> None:
        await self.uplink.run()

    def status(self) -> CloudStatus:
        """How it stands, in full."""
        state = self.link.state
        return CloudStatus(
            kind=self.kind,
            phase=state.phase,
            reason=state.reason,
            since=state.since,
            url=self._url,
            pending=self.uplink.pending,
            unanswered=unanswered(self.uplink.silences, self._clock, _why),
            counters=msgspec.structs.asdict(state.counters) | {"rejected": state.rejected, "dropped": state.dropped},
        )

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """That the broker refuses what is said of it."""
        return unconfirmed(self.uplink.silences, device, _why)


def _why(silence: Silence) -> str:
    return silence.why


def _link(config: Config, core: Core, registry: Registry, clock: Clock, boot: int) -> MqttCloud:
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
    return MqttCloud(settings, core.twins, registry, clock, boot=boot)
