"""The cloud that is configured, joined to the core; or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.dispatch import Silence
from gateway.manifests.registry import Registry
from gateway.relay import Relay, RelayCounts
from gateway.uplink import CLOUD, Uplink
from gateway.wiring import product_version
from rules.instructions import Decided
from runtime.clock import Clock
from twins.exchange import Condition, Event
from twins.stimuli import Noted
from web.cloud import CertificateView, CloudStatus, MessagesView, UnansweredView
from web.views import CloudView

if TYPE_CHECKING:
    from cloud.cloudcore import CloudCore
    from cloud.mqtt.cloud import MqttCloud

STATES: dict[str, Literal["connected", "connecting", "cut", "off"]] = {
    "joining": "connecting",
    "connecting": "connecting",
    "online": "connected",
    "offline": "cut",
}


def reason_of(silence: Silence) -> str:
    """The likely reason why the cloud does not answer for a device, and what to do, for people."""
    if silence.alone:
        return (
            "it answers for others, so it has no such device any more, or cannot store its status; if it is deleted "
            f"there: gemelo delete --force device {silence.device}"
        )
    return "it answers for no device: its Kubernetes API may be away, or this is the only one, and deleted there"


class Skyward:
    """The part `cloud`. The link's libraries are loaded only when a cloud is configured."""

    def __init__(
        self, core: Core, registry: Registry, clock: Clock, relay: Relay, next_cause: Callable[[], str]
    ) -> None:
        self._core = core
        self._clock = clock
        self._registry = registry
        self._relay = relay
        self._next_cause = next_cause
        self._node = ""
        self._url = ""
        self._cloud: CloudCore | None = None
        self._mqtt: MqttCloud | None = None
        self._uplink: Uplink[Any] | None = None

    def build(self, config: Config, manifests: Mapping[tuple[str, str], bytes], boot: int) -> None:
        """Make the link that the configuration asks for, upon the manifests that are kept."""
        section = config.cloud
        self._cloud = self._mqtt = self._uplink = None
        self._node, self._url = config.node.name, section.url
        self._relay.open(section.messages_mb << 20 if section.kind == "cloudcore" else 0)
        match section.kind:
            case "cloudcore":
                self._cloud = core = self._cloudcore(config, manifests, boot)
                self._uplink = Uplink(core, self._core, self._clock, self._registry.learned)
            case "mqtt":
                self._mqtt = broker = self._broker(config, boot)
                self._uplink = Uplink(broker, self._core, self._clock, self._registry.learned)

    def _cloudcore(self, config: Config, manifests: Mapping[tuple[str, str], bytes], boot: int) -> CloudCore:
        section = config.cloud
        from cloud.cloudcore import CloudCore
        from cloud.config import CloudCoreConfig
        from cloud.identity import Identity
        from cloud.machine import facts

        identity = Identity(config.store.path / "cloud", config.node.name, self._clock)
        settings = CloudCoreConfig(
            url=section.url,
            register_url=section.register_url,
            token_file="" if section.token_file is None else str(section.token_file),
            heartbeat=section.heartbeat,
            rate=section.rate or CloudCoreConfig().rate,
        )
        return CloudCore(
            settings,
            identity,
            self._clock,
            manifests=manifests,
            boot=boot,
            route=self._relay.route,
            warn=self._warn,
            node=facts(config.node.name, product_version(), config.node.labels) if section.register_node else None,
        )

    @property
    def relayed(self) -> RelayCounts:
        """Custom messages, since the start."""
        return self._relay.counts

    def tell(self, committed: Committed) -> None:
        self._relay.tell(committed)
        if self._mqtt is not None:
            decided = [each for each in committed.decisions if isinstance(each, Decided)]
            self._mqtt.note(committed.said, committed.events, decided)
        for applied in committed.applied:
            if self._cloud is not None and applied.body is None and applied.cause != CLOUD:
                self._cloud.forget(applied.kind, applied.name)  # deleted here, by force: it may come again
        if self._uplink is not None:
            self._uplink.tell(committed)

    async def run(self) -> None:
        if self._mqtt is not None and self._uplink is not None:
            await self._uplink.run()
        elif self._uplink is not None and self._cloud is not None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._uplink.run(), name="uplink")
                group.create_task(self._relay.run(self._cloud), name="relay")

    def view(self) -> CloudView:
        """How it stands, for the page."""
        cloud = self._cloud or self._mqtt
        if cloud is None or self._uplink is None:
            return CloudView()
        state = cloud.state
        counters = state.counters
        return CloudView(
            "cloudcore" if self._mqtt is None else "mqtt",
            STATES[state.phase],
            state.reason,
            state.since,
            self._uplink.pending,
            counters.sent,
            counters.confirmed,
        )

    def status(self) -> CloudStatus:
        """How it stands, in full."""
        relay, counts = self._relay, self._relay.counts
        if self._mqtt is not None and self._uplink is not None:
            return self._broker_status(self._mqtt, self._uplink.pending)
        if self._cloud is None or self._uplink is None:
            return CloudStatus()
        state = self._cloud.state
        certificate = None
        if state.valid is not None:
            certificate = CertificateView(state.valid.not_before, state.valid.not_after, state.renew_at or 0)
        return CloudStatus(
            kind="cloudcore",
            phase=state.phase,
            reason=state.reason,
            since=state.since,
            url=self._url,
            rival=state.rival,
            node=state.node.state,
            node_reason=state.node.reason,
            certificate=certificate,
            devices=state.devices,
            pending=self._uplink.pending,
            waiting=state.pending,
            unanswered=self._unanswered(),
            undeclared=state.undeclared,
            rejected=state.rejections,
            conflicts=self._core.counts.conflicts,
            counters=msgspec.structs.asdict(state.counters) | {"rejected": state.rejected},
            messages=MessagesView(
                tuple(sorted(relay.topics)),
                len(relay.backlog),
                relay.backlog.bytes,
                counts.forwarded,
                counts.dropped,
                counts.published,
                counts.refused,
            ),
        )

    def _broker_status(self, mqtt: MqttCloud, pending: int) -> CloudStatus:
        state = mqtt.state
        return CloudStatus(
            kind="mqtt",
            phase=state.phase,
            reason=state.reason,
            since=state.since,
            url=self._url,
            pending=pending,
            conflicts=self._core.counts.conflicts,
            counters=msgspec.structs.asdict(state.counters) | {"rejected": state.rejected, "dropped": state.dropped},
        )

    def _broker(self, config: Config, boot: int) -> MqttCloud:
        from cloud.mqtt.cloud import MqttCloud
        from cloud.mqtt.config import RATE, MqttConfig

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
        )
        return MqttCloud(settings, self._core.twins, self._registry, self._clock, boot=boot)

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """What keeps the cloud from knowing how a device is."""
        silences = self._uplink.silences if self._uplink is not None and self._cloud is not None else ()
        return tuple(
            Condition("Unconfirmed", f"not confirmed by the cloud {each.attempts} times: {reason_of(each)}")
            for each in silences
            if each.device == device
        )

    def _unanswered(self) -> tuple[UnansweredView, ...]:
        wall, now = self._clock.now(), self._clock.monotonic()
        return tuple(
            UnansweredView(
                each.device, each.since, each.attempts, wall + int((each.again - now) * 1e6), reason_of(each)
            )
            for each in (self._uplink.silences if self._uplink is not None else ())
        )

    def _warn(self, words: str) -> None:
        """A person has to hear of it: somebody else may bring it about."""
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:cloud", now, "security", f"node/{self._node}", "warning", words, cause)
        self._core.offer_nowait((Noted("", cause, now, event),))
