"""The cloud that is configured, joined to the core; or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from gateway.clouds.broker import CloudBroker
from gateway.clouds.kubeedge import KubeEdge
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.manifests.registry import Registry
from gateway.outbox import Carried, Outbox
from gateway.relay import Relay, RelayCounts
from runtime.clock import Clock
from twins.exchange import Condition, Event, OutboxRow
from twins.stimuli import Noted
from web.cloud import CloudStatus
from web.views import CloudView

STATES: dict[str, Literal["connected", "connecting", "cut", "off"]] = {
    "joining": "connecting",
    "connecting": "connecting",
    "online": "connected",
    "offline": "cut",
}


class Sky(Protocol):
    """A cloud with its uplink. Made when it is configured: its libraries are loaded then."""

    async def run(self) -> None: ...

    def kept(self, committed: Committed) -> Sequence[OutboxRow]: ...

    def tell(self, committed: Committed) -> None: ...

    def status(self) -> CloudStatus: ...

    def conditions(self, device: str) -> tuple[Condition, ...]: ...


class Skyward:
    """The part `cloud`."""

    def __init__(
        self, core: Core, registry: Registry, clock: Clock, relay: Relay, next_cause: Callable[[], str]
    ) -> None:
        self._core = core
        self._clock = clock
        self._registry = registry
        self._relay = relay
        self._next_cause = next_cause
        self._events = Outbox(core, clock, Carried())
        self._node = ""
        self._sky: Sky | None = None

    def build(self, config: Config, manifests: Mapping[tuple[str, str], bytes], boot: int) -> None:
        """Make the link that the configuration asks for, upon the manifests that are kept."""
        section = config.cloud
        self._node, self._sky = config.node.name, None
        self._relay.open(section.messages_mb << 20 if section.kind == "cloudcore" else 0)
        self._events.backlog.quota = section.messages_mb << 20
        core, registry, clock = self._core, self._registry, self._clock
        match section.kind:
            case "cloudcore":
                self._sky = KubeEdge(config, core, clock, self._relay, self._warn, manifests, boot)
            case "mqtt":
                self._sky = CloudBroker(config, core, registry, clock, self._events, self._warn, boot)

    @property
    def relayed(self) -> RelayCounts:
        """Custom messages, since the start."""
        return self._relay.counts

    @property
    def carried(self) -> Carried:
        """Events and decisions, since the start."""
        return self._events.counts

    def restore(self, rows: Sequence[OutboxRow]) -> None:
        """Take up what was kept over a restart."""
        self._relay.restore(rows)
        self._events.keep(row for row in rows if row.kind == "event")

    def kept(self, committed: Committed) -> Sequence[OutboxRow]:
        """What the cloud must hear of a commit though it is no twin."""
        return () if self._sky is None else self._sky.kept(committed)

    def tell(self, committed: Committed) -> None:
        self._relay.tell(committed)
        self._events.keep(row for row in committed.queued.values() if row is not None and row.kind == "event")
        if self._sky is not None:
            self._sky.tell(committed)

    async def run(self) -> None:
        if self._sky is not None:
            await self._sky.run()

    def view(self) -> CloudView:
        """How it stands, for the page."""
        if self._sky is None:
            return CloudView()
        s = self._sky.status()
        sent, confirmed = s.counters["sent"], s.counters["confirmed"]
        return CloudView(s.kind, STATES[s.phase], s.reason, s.since, s.pending, sent, confirmed)

    def status(self) -> CloudStatus:
        """How it stands, in full."""
        if self._sky is None:
            return CloudStatus()
        return msgspec.structs.replace(self._sky.status(), conflicts=self._core.counts.conflicts)

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """What keeps the cloud from knowing how a device is."""
        return () if self._sky is None else self._sky.conditions(device)

    def _warn(self, words: str) -> None:
        """A person has to hear of it: somebody else may bring it about."""
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:cloud", now, "security", f"node/{self._node}", "warning", words, cause)
        self._core.offer_nowait((Noted("", cause, now, event),))
