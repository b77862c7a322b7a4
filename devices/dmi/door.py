"""The door for mappers: one gRPC server on a unix socket while it runs, and a courier for each mapper that is called.

gRPC and protobuf are loaded only then.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from devices.dmi.book import Book
from devices.dmi.config import DmiConfig
from devices.dmi.counts import DmiCounts
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Event

if TYPE_CHECKING:
    from devices.dmi.letters import Letters
    from devices.dmi.service import Apply, Ask

logger = logging.getLogger(__name__)

STOPPING = 2.0
"""Seconds that calls under way get when the door closes."""
MESSAGE_BYTES = 256 * 1024
"""The largest call of a mapper: what an MQTT message may have, too."""
MODE = 0o660
"""Of the socket: who belongs to the gateway's user or group may be a mapper."""


class MapperDoor:
    """Serves mappers on `config.socket` and tells them what `book` says, while `run()` runs."""

    def __init__(
        self,
        config: DmiConfig,
        book: Book,
        ask: Ask,
        apply: Apply,
        clock: Clock,
        next_cause: Callable[[], str],
        note: Callable[[Event], None],
        counts: DmiCounts | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self.counts = counts or DmiCounts()
        self._config = config
        self._book = book
        self._ask = ask
        self._apply = apply
        self._clock = clock
        self._next_cause = next_cause
        self._note = note

    async def run(self) -> None:
        """Serve until cancelled. Raises `Unavailable` when the socket can't be had."""
        import grpc.aio

        from devices.dmi.letters import Letters
        from devices.dmi.service import SERVICE, Service

        config = self._config
        letters = Letters(self._book, self._tell, strict=config.strict)
        service = Service(
            config, self._book, letters, self._ask, self._apply, self._clock, self._next_cause, self.counts
        )
        _prepare(config)
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_BYTES)])
        server.add_generic_rpc_handlers((service.handlers(),))
        _reflect(server, SERVICE)
        _bind(server, config)
        try:
            await server.start()
            self.ready.set()
            logger.info("mappers are served on %s", config.socket)
            await self._call(letters)
        finally:
            await server.stop(STOPPING)
            config.socket.unlink(missing_ok=True)

    async def _call(self, letters: Letters) -> None:
        """Keep one courier for each route, until cancelled."""
        from devices.dmi.courier import Courier

        book = self._book
        couriers: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                book.changed.clear()
                for protocol in couriers.keys() - book.routes.keys():
                    couriers.pop(protocol).cancel()
                for protocol in book.routes.keys() - couriers.keys():
                    courier = Courier(protocol, book, letters, self._config, self._tell, self.counts)
                    couriers[protocol] = group.create_task(courier.run(), name=f"mapper {protocol}")
                await book.changed.wait()

    def _tell(self, device: str, message: str) -> None:
        """A person is told, on the page and in the log."""
        cause = self._next_cause()
        logger.warning("%s: %s", device, message)
        self._note(Event(f"{cause}:mapper", self._clock.now(), "mapper", device, "warning", message, cause))


def _prepare(config: DmiConfig) -> None:
    """Make the socket's folder, and clear away a socket that nobody listens on. Raises `Unavailable`."""
    path = config.socket
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        if not path.is_socket():
            raise Unavailable(f"{path} is no socket: remove it, or choose another in [dmi] socket")
        if _is_served(str(path)):
            raise Unavailable(f"another process listens on {path}: stop it, or choose another in [dmi] socket")
        path.unlink()
    except OSError as error:
        reason = (
            f"the socket {path} can't be made ({error.strerror}): give this user the right to write in "
            f"{path.parent}, or set [dmi] socket to a place of its own, or [dmi] enabled = false"
        )
        raise Unavailable(reason) from error


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
    return True


def _bind(server: Any, config: DmiConfig) -> None:
    try:
        server.add_insecure_port(f"unix:{config.socket}")
        config.socket.chmod(MODE)
    except (RuntimeError, OSError) as error:
        reason = f"cannot listen on {config.socket}: {error}; choose another place in [dmi] socket"
        raise Unavailable(reason) from error


def _reflect(server: Any, service: str) -> None:
    """Let tools such as grpcurl ask what is served, where the package for it is installed."""
    if find_spec("grpc_reflection") is None:
        return
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((service, reflection.SERVICE_NAME), server)
