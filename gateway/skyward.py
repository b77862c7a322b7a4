"""The cloud that is configured, joined to the core; or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from gateway.config import Config
from gateway.core import Core
from gateway.turn import Committed
from gateway.uplink import Uplink
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Recovered
from web.views import CloudView

if TYPE_CHECKING:
    from cloud.cloudcore import CloudCore
    from cloud.sync import Report

Learned = Callable[[str, str, bytes | None], None]
STATES: dict[str, Literal["connected", "connecting", "cut", "off"]] = {
    "joining": "connecting",
    "connecting": "connecting",
    "online": "connected",
    "offline": "cut",
}


class Skyward:
    """The part `cloud`. The link's libraries are loaded only when a cloud is configured. Raises `Rejected`."""

    def __init__(self, config: Config, core: Core, clock: Clock, learned: Learned) -> None:
        if config.cloud.kind == "mqtt":
            raise Rejected('cloud.kind: "mqtt" is not there yet: use "cloudcore" or "none"')
        self._config = config
        self._core = core
        self._clock = clock
        self._learned = learned
        self._cloud: CloudCore | None = None
        self._uplink: Uplink[Report] | None = None

    @property
    def kind(self) -> str:
        return self._config.cloud.kind

    def recover(self, found: Recovered) -> None:
        """Build the link upon what the journal kept."""
        section = self._config.cloud
        if section.kind == "none":
            return
        from cloud.cloudcore import CloudCore
        from cloud.config import CloudCoreConfig
        from cloud.identity import Identity

        identity = Identity(self._config.store.path / "cloud", self._config.node.name, self._clock)
        config = CloudCoreConfig(
            url=section.url,
            register_url=section.register_url,
            token_file="" if section.token_file is None else str(section.token_file),
            heartbeat=section.heartbeat,
        )
        self._cloud = CloudCore(config, identity, self._clock, manifests=found.manifests, boot=found.boot)
        self._uplink = Uplink(self._cloud, self._core, self._clock, self._learned)

    def tell(self, committed: Committed) -> None:
        if self._uplink is not None:
            self._uplink.tell(committed)

    async def run(self) -> None:
        if self._uplink is not None:
            await self._uplink.run()

    def view(self) -> CloudView:
        """How it stands, for the page."""
        if self._cloud is None or self._uplink is None:
            return CloudView()
        state = self._cloud.state
        counters = state.counters
        return CloudView(
            self.kind,
            STATES[state.phase],
            state.reason,
            state.since,
            self._uplink.pending,
            counters.sent,
            counters.confirmed,
        )
