"""The broker of our own: started, watched, ended, and told what changes of users and rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devices.mqtt.broker import Broker, find_mosquitto
from devices.mqtt.credentials import Credentials
from devices.mqtt.embedded import EmbeddedBroker
from devices.mqtt.link import LinkConfig
from devices.mqtt.rights import Granted
from gateway import brokers
from gateway.config import Config, address
from runtime.clock import Clock
from twins.errors import Unavailable

if TYPE_CHECKING:
    from devices.mqtt.authority import Authority

logger = logging.getLogger(__name__)

SETTLE = 1.0
"""Seconds in which changes of what devices may do are gathered."""


class OwnBroker:
    """mosquitto, or the embedded one where that is absent and a try is all that is asked for.

    `credentials` are those of devices; `granted` says what each may write and read; `refused` hears of logins.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        clock: Clock,
        credentials: Credentials | None,
        granted: Granted,
        refused: Callable[[], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._credentials = credentials
        self._granted = granted
        self._refused = refused
        self._authority: Authority | None = None
        self._broker: Broker | None = None
        self._regranted = asyncio.Event()

    @property
    def encrypted(self) -> str:
        """`host:port` for devices with a certificate; empty without."""
        found = self._broker.encrypted if self._broker is not None else None
        return f"{found[0]}:{found[1]}" if found else ""

    @property
    def authority(self) -> Authority:
        """Who signs the certificates of devices. Its first use loads `cryptography`, and makes its key."""
        if self._authority is None:
            from devices.mqtt.authority import Authority

            self._authority = Authority(Path(self._config().store.path) / "authority", self._clock)
        return self._authority

    def regrant(self) -> None:
        """What devices are granted may be something else now; soon the broker knows."""
        self._regranted.set()

    async def reread(self) -> None:
        """Take up what changed of users and rights; connections stay, but those that lost theirs.

        Raises `Unavailable` (the old hold). A broker that does not run reads them at its start.
        """
        if self._broker is None:
            return
        try:
            await self._broker.reload()
        except OSError as error:
            raise Unavailable(f"the broker's users cannot be written to {error.filename}: {error.strerror}") from None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[LinkConfig, int]]:
        """How it is reached, and the protocol's version it knows best. Raises `Unavailable`."""
        broker = self._made()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._keep(broker), name="broker")
            try:
                await broker.ready()
                self._compare(broker.address)
                user, password = (broker.user, broker.password) if isinstance(broker, Broker) else ("", "")
                granting = group.create_task(self._grant(), name="broker rights")
                try:
                    name = brokers.client_id(self._config())
                    yield LinkConfig(*broker.address, name, user or None, password or None), broker.protocol
                finally:
                    granting.cancel()
            finally:
                running.cancel()
                self._broker = None

    def _made(self) -> Broker | EmbeddedBroker:
        """Raises `Unavailable` where only the embedded broker is left, and more is asked than it can keep."""
        config = self._config()
        section = config.broker
        if find_mosquitto() is None:
            if not section.anonymous:
                raise Unavailable(
                    "mosquitto is absent: apt-get install mosquitto; "
                    "or, for a try on this machine alone, [broker] anonymous = true on loopback"
                )
            logger.warning("mosquitto is absent: the embedded broker serves, without rights and persistence")
            return EmbeddedBroker(*(address(section.listen) or ("127.0.0.1", 1883)))
        if section.anonymous:
            logger.warning("[broker] anonymous = true: any program on this machine may command every device")
        authority = self.authority if section.tls_listen else None
        folder = Path(config.store.path) / "broker"
        settings = brokers.settings(config)
        made = Broker(folder, settings, self._clock, self._credentials, authority, self._refused, self._granted)
        self._broker = made
        return made

    async def _keep(self, broker: Broker | EmbeddedBroker) -> None:
        """Run it; a folder that can't be written is something a person mends while the rest goes on."""
        try:
            await broker.run()
        except OSError as error:
            message = (
                f"the broker can't keep its files ({error.filename or self._config().store.path}: {error.strerror}): "
                "give this user the right to write there, or set [store] path"
            )
            raise Unavailable(message) from error

    async def _grant(self) -> None:
        """Let the broker know what devices are granted, at most once a second: discovery makes many changes at once."""
        while self._broker is not None:
            await self._regranted.wait()
            await self._clock.sleep(SETTLE)
            self._regranted.clear()
            try:
                await self._broker.refresh()
            except (Unavailable, OSError) as error:
                logger.warning("what mappings let devices do is not in force yet: %s", error)
                self._regranted.set()

    def _compare(self, found: tuple[str, int]) -> None:
        """Say so when the broker is not where it was wanted."""
        wanted = address(self._config().broker.listen)
        if wanted is not None and wanted[1] not in (0, found[1]):
            logger.warning("port %d is taken: the broker listens on %d, tell your devices", wanted[1], found[1])
        if self.encrypted:
            logger.info("broker: devices with a certificate at %s", self.encrypted)
