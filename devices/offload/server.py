"""The door for phones: one gRPC server while it runs. gRPC and protobuf are loaded only then."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.offload.config import OffloadConfig
from devices.offload.ports import Detector, Intake, Models
from devices.offload.roster import Roster
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from devices.offload.service import Service

logger = logging.getLogger(__name__)

STOPPING = 2.0
"""Seconds that the sessions get to say goodbye when the door closes."""


class OffloadDoor:
    """Serves phones on `config.listen` while `run()` runs. `known` tells which devices have a twin already."""

    def __init__(
        self,
        config: OffloadConfig,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        models: Models = tuple,
        known: Callable[[str], bool] = lambda device: False,
    ) -> None:
        self.ready = asyncio.Event()
        self.answered: Counter[str] = Counter()
        """Frames answered since start, by status."""
        self._config = config
        self._roster = Roster(config, intake, clock, next_cause, known)
        self._parts = (config, intake, detector, clock, next_cause, models, self._roster, self.answered)
        self._asked: dict[str, dict[str, str]] = {}
        self._service: Service | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """`host:port` with the port that was taken; empty before `ready`."""
        return self._address

    @property
    def online(self) -> tuple[str, ...]:
        """Devices that have a session."""
        return tuple(self._service.sessions) if self._service is not None else ()

    async def run(self) -> None:
        """Serve until cancelled; then end the sessions and report their phones offline.

        Raises `Unavailable` when the address is taken, `Rejected` when certificate or key cannot be read, or the
        network could reach a door without a lock.
        """
        self._config.check()
        import grpc.aio

        from devices.offload.service import Service

        self._service = service = Service(*self._parts, self._asked)
        server = grpc.aio.server(options=_options(self._config))
        server.add_generic_rpc_handlers((service.handlers(),))
        self._address = _bind(server, self._config)
        await server.start()
        self.ready.set()
        logger.info("phones are served on %s", self._address)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._roster.run(), name="offload roster")
        finally:
            service.stop()
            await server.stop(STOPPING)
            await self._roster.close()

    async def actuate(self, device: str, values: Mapping[str, str]) -> None:
        """Hand desired values to the phone: now if it has a session, and at the start of its next ones."""
        if device not in self._asked and len(self._asked) >= self._config.max_devices:
            reason = f"{len(self._asked)} phones have desired values; raise [offload] max_devices"
            raise Unavailable(reason)
        self._asked.setdefault(device, {}).update(values)
        if self._service is not None:
            self._service.ask(device, values)


def _options(config: OffloadConfig) -> list[tuple[str, int]]:
    """Limits, and pings often enough that a phone which fell silent is found within `keepalive + keepalive_timeout`."""
    return [
        ("grpc.max_receive_message_length", config.max_bytes),
        ("grpc.max_send_message_length", config.max_bytes),
        ("grpc.max_concurrent_streams", config.max_streams),
        ("grpc.keepalive_time_ms", int(config.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", int(config.keepalive_timeout * 1000)),
        # A ping of gRPC's bandwidth probe holds the keepalive ping back, and would itself wait 60 s for its answer.
        ("grpc.http2.ping_timeout_ms", int(config.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Phones ping often while they wait; without this they get GOAWAY ENHANCE_YOUR_CALM.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),
    ]


def _bind(server: Any, config: OffloadConfig) -> str:
    host, _, _ = config.listen.rpartition(":")
    try:
        if config.cert_file is not None and config.key_file is not None:
            port = server.add_secure_port(
                config.listen, _credentials(config.cert_file, config.key_file, config.client_ca_file)
            )
        else:
            port = server.add_insecure_port(config.listen)
    except RuntimeError as taken:
        reason = f"cannot listen on {config.listen}: {taken}; free the port or choose another in [offload] listen"
        raise Unavailable(reason) from taken
    return f"{host}:{port}"


def _credentials(certificate: Path, key: Path, authority: Path | None) -> Any:
    import grpc

    try:
        pair = (key.read_bytes(), certificate.read_bytes())
        trusted = None if authority is None else authority.read_bytes()
    except OSError as missing:
        reason = f"[offload] cert_file, key_file or client_ca_file cannot be read: {missing}"
        raise Rejected(reason) from missing
    return grpc.ssl_server_credentials([pair], trusted, require_client_auth=trusted is not None)
