"""The cloud that is configured, joined to the core; or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.uplink import Uplink
from runtime.clock import Clock
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
    """The part `cloud`. The link's libraries are loaded only when a cloud is configured."""

    def __init__(self, core: Core, clock: Clock, learned: Learned) -> None:
        self._core = core
        self._clock = clock
        self._learned = learned
        self._cloud: CloudCore | None = None
        self._uplink: Uplink[Report] | None = None

    def build(self, config: Config, manifests: Mapping[tuple[str, str], bytes], boot: int) -> None:
        """Make the link that the configuration asks for, upon the manifests that are kept."""
        section = config.cloud
        self._cloud = self._uplink = None
        if section.kind == "none":
            return
        from cloud.cloudcore import CloudCore
        from cloud.config import CloudCoreConfig
        from cloud.identity import Identity

        identity = Identity(config.store.path / "cloud", config.node.name, self._clock)
        settings = CloudCoreConfig(
            url=section.url,
            register_url=section.register_url,
            token_file="" if section.token_file is None else str(section.token_file),
            heartbeat=section.heartbeat,
            rate=section.rate,
        )
        self._cloud = CloudCore(settings, identity, self._clock, manifests=manifests, boot=boot)
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
            "cloudcore",
            STATES[state.phase],
            state.reason,
            state.since,
            self._uplink.pending,
            counters.sent,
            counters.confirmed,
        )
