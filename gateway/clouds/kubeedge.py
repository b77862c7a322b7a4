"""A KubeEdge CloudCore above the gateway: link, uplink and custom messages, and how it stands with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.clouds.silences import unanswered, unconfirmed
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.dispatch import Silence
from gateway.relay import Relay
from gateway.uplink import CLOUD, Uplink
from gateway.wiring import product_version
from runtime.clock import Clock
from twins.exchange import Condition, OutboxRow
from web.cloud import CertificateView, CloudStatus, MessagesView, OlderView

if TYPE_CHECKING:
    from cloud.cloudcore import CloudCore


class KubeEdge:
    """Implements `Sky` upon the manifests that are kept. `warn` hears of what somebody else may bring about."""

    kind = "cloudcore"

    def __init__(
        self,
        config: Config,
        core: Core,
        clock: Clock,
        relay: Relay,
        warn: Callable[[str], None],
        manifests: Mapping[tuple[str, str], bytes],
        boot: int,
    ) -> None:
        self._clock = clock
        self._relay = relay
        self._url = config.cloud.url
        self.link = _link(config, clock, relay, warn, manifests, boot)
        self.uplink = Uplink(self.link, core, clock)

    def kept(self, _: Committed) -> Sequence[OutboxRow]:
        """Nothing: CloudCore knows twins alone, and custom messages, which come with their stimuli."""
        return ()

    def tell(self, committed: Committed) -> None:
        for applied in committed.applied:
            if applied.body is None and applied.cause != CLOUD:
                self.link.forget(applied.kind, applied.name)  # deleted here, by force: it may come again
        self.uplink.tell(committed)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.uplink.run(), name="uplink")
            group.create_task(self._relay.run(self.link), name="relay")

    def status(self) -> CloudStatus:
        """How it stands, in full."""
        state = self.link.state
        certificate = None
        if state.valid is not None:
            certificate = CertificateView(state.valid.not_before, state.valid.not_after, state.renew_at or 0)
        return CloudStatus(
            kind=self.kind,
            phase=state.phase,
            reason=state.reason,
            since=state.since,
            url=self._url,
            rival=state.rival,
            node=state.node.state,
            node_reason=state.node.reason,
            certificate=certificate,
            devices=state.devices,
            pending=self.uplink.pending,
            waiting=state.pending,
            unanswered=unanswered(self.uplink.silences, self._clock, reason_of),
            undeclared=state.undeclared,
            rejected=state.rejections,
            older={name: OlderView(one.ours, one.said, one.since) for name, one in state.older.items()},
            counters=msgspec.structs.asdict(state.counters) | {"rejected": state.rejected, "ignored": state.ignored},
            messages=self._messages(),
        )

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """What keeps the cloud from knowing how a device is."""
        return unconfirmed(self.uplink.silences, device, reason_of)

    def _messages(self) -> MessagesView:
        relay, counts = self._relay, self._relay.counts
        return MessagesView(
            tuple(sorted(relay.topics)),
            len(relay.backlog),
            relay.backlog.bytes,
            counts.forwarded,
            counts.dropped,
            counts.published,
            counts.refused,
        )


def _link(
    config: Config,
    clock: Clock,
    relay: Relay,
    warn: Callable[[str], None],
    manifests: Mapping[tuple[str, str], bytes],
    boot: int,
) -> CloudCore:
    section = config.cloud
    from cloud.cloudcore import CloudCore
    from cloud.config import CloudCoreConfig
    from cloud.identity import Identity
    from cloud.machine import facts

    identity = Identity(config.store.path / "cloud", config.node.name, clock)
    usual = CloudCoreConfig()
    settings = CloudCoreConfig(
        url=section.url,
        register_url=section.register_url,
        token_file="" if section.token_file is None else str(section.token_file),
        heartbeat=section.heartbeat,
        rate=section.rate or usual.rate,
        burst=section.burst or usual.burst,
        backoff_limit=section.backoff or usual.backoff_limit,
        rules=section.rules_wait,
    )
    node = facts(config.node.name, product_version(), config.node.labels) if section.register_node else None
    return CloudCore(settings, identity, clock, manifests=manifests, boot=boot, route=relay.route, warn=warn, node=node)


def reason_of(silence: Silence) -> str:
    """The likely reason why the cloud does not answer for a device, and what to do, for people."""
    if silence.alone:
        return (
            "it answers for others, so it has no such device any more, or cannot store its status; if it is deleted "
            f"there: gemelo delete --force device {silence.device}"
        )
    return "it answers for no device: its Kubernetes API may be away, or this is the only one, and deleted there"
