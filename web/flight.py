"""Arrow Flight: programs ask in SQL and get Arrow, with the rights and within the bounds of the HTTP API.

The server runs in threads of its own; each call asks the store in the loop. Imports pyarrow: loaded only when it is on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import hmac
import logging
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
from msgspec import Struct
from pyarrow import flight

from twins.errors import Rejected, Unavailable
from twins.exchange import Encoded, Scalar
from web.config import WebConfig
from web.ports import Sql

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK = 0.1
"""Seconds between two looks whether the caller is still there."""
_LONGEST = 100_000
"""Bytes of a ticket."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket, or the command of a descriptor, as JSON; plain SQL is one too."""

    query: str
    parameters: list[Scalar] = []
    limit: int = 1_000_000
    deadline: float | None = None


class FlightDoor:
    """Serves until cancelled. `tables` are the names that `list_flights` tells."""

    def __init__(self, config: WebConfig, sql: Sql, tables: Sequence[str]) -> None:
        """Raises `Rejected` for an open door and for a certificate that cannot be used."""
        self._endpoint = config.endpoint()
        config.tls()
        self._config = config
        self._sql = sql
        self._tables = tables
        self._listening = asyncio.Event()
        self.address = ""
        """`host:port`, once `listening` returned."""

    async def listening(self) -> None:
        """Return when calls are accepted."""
        await self._listening.wait()

    async def run(self) -> None:
        """Serve until cancelled. Raises Unavailable when the port is taken."""
        server = await asyncio.to_thread(self._server, asyncio.get_running_loop())
        self.address = f"{self._endpoint[0]}:{server.port}"
        logger.info("Arrow Flight listens on %s", self.address)
        self._listening.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._listening.clear()
            await asyncio.to_thread(server.end)

    def _server(self, loop: asyncio.AbstractEventLoop) -> _Server:
        host, port = self._endpoint
        kind, certificates = "grpc", []
        if self._config.certificate:
            kind = "grpc+tls"
            certificates = [(Path(self._config.certificate).read_bytes(), Path(self._config.key).read_bytes())]
        try:
            return _Server(self._config, self._sql, self._tables, loop, f"{kind}://{host}:{port}", certificates)
        except (OSError, pa.ArrowException) as error:
            message = (
                f"Arrow Flight cannot listen on {host}:{port}: {error}; "
                f"stop the program that has the port, or choose another with [flight] listen"
            )
            raise Unavailable(message) from error


class _Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Runs in gRPC's threads, from the moment it is made."""

    def __init__(
        self,
        config: WebConfig,
        sql: Sql,
        tables: Sequence[str],
        loop: asyncio.AbstractEventLoop,
        location: str,
        certificates: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self._config = config
        self._sql = sql
        self._tables = tables
        self._loop = loop
        self._ending = False
        super().__init__(location, tls_certificates=certificates or None, middleware={"token": _Token(config.token)})

    def end(self) -> None:
        """Let go of the calls under way, and wait until they are gone."""
        self._ending = True
        self.shutdown()
        self.wait()

    def do_get(self, context: Any, ticket: Any) -> Any:
        answer = self._answered(context, _asked(ticket.ticket))
        return flight.RecordBatchStream(_reader(answer))

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        return self._info(context, descriptor, _command(descriptor, self._tables))

    def get_schema(self, context: Any, descriptor: Any) -> Any:
        return flight.SchemaResult(self._schema(context, _command(descriptor, self._tables)))

    def list_flights(self, context: Any, criteria: bytes) -> Iterator[Any]:
        for table in self._tables:
            descriptor = flight.FlightDescriptor.for_path(table)
            yield self._info(context, descriptor, _command(descriptor, self._tables))

    def _info(self, context: Any, descriptor: Any, command: bytes) -> Any:
        schema = self._schema(context, command)
        # no location: the ticket is good at this very server, by whatever name it was reached
        return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(command, [])], -1, -1)

    def _schema(self, context: Any, command: bytes) -> pa.Schema:
        """The columns of the answer, as the first row has them."""
        asked = msgspec.structs.replace(_asked(command), limit=1)
        return _reader(self._answered(context, asked)).schema.remove_metadata()

    def _answered(self, context: Any, asked: Asked) -> Encoded:
        """Raises Flight's errors; goes away with its caller."""
        answer = self._sql.encoded(
            asked.query,
            asked.parameters,
            form="arrow",
            deadline=min(asked.deadline or self._config.deadline, self._config.sql_deadline),
            limit=max(1, min(asked.limit, self._config.rows)),
        )
        return self._waited(context, answer)

    def _waited(self, context: Any, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(_LOOK)
            except TimeoutError as error:
                if future.done():  # it is what the work raised
                    raise flight.FlightTimedOutError(str(error) or "no answer in time") from error
                if context.is_cancelled() or self._ending:
                    future.cancel()
                    raise flight.FlightCancelledError("nobody waits any more") from None
            except Rejected as error:
                raise _refused(error) from error
            except (Unavailable, concurrent.futures.CancelledError) as error:
                raise flight.FlightUnavailableError(str(error)) from error


class _Token(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Asks each call for the token of the HTTP API, as a bearer."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(f"Bearer {token}") if token else b""

    def start_call(self, info: Any, headers: Mapping[str, Sequence[str]]) -> None:
        given = next((values[0] for name, values in headers.items() if name.lower() == "authorization" and values), "")
        if self._digest and not hmac.compare_digest(_digest(given), self._digest):
            raise flight.FlightUnauthenticatedError("send the gateway's token as authorization: Bearer")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _command(descriptor: Any, tables: Sequence[str]) -> bytes:
    """The ticket for what a descriptor names: SQL, or one table by its path."""
    if descriptor.descriptor_type == flight.DescriptorType.CMD:
        return bytes(descriptor.command)
    name = b"/".join(descriptor.path).decode(errors="replace")
    if name not in tables:
        raise pa.ArrowKeyError(f"there is no table {name[:80]!r}; there are {', '.join(tables)}")
    return f"SELECT * FROM {name}".encode()  # noqa: S608 - a name of ours


def _asked(ticket: bytes) -> Asked:
    if len(ticket) > _LONGEST:
        raise pa.ArrowInvalid(f"the ticket has {len(ticket)} bytes, {_LONGEST} are allowed")
    try:
        if ticket.lstrip().startswith(b"{"):
            return msgspec.json.decode(ticket, type=Asked)
        return Asked(ticket.decode())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"the ticket is SQL, or JSON with query, parameters, limit and deadline: {error}"
        raise pa.ArrowInvalid(reason) from error


def _reader(answer: Encoded) -> Any:
    return pa.ipc.open_stream(pa.py_buffer(answer.body))


def _refused(error: Rejected) -> Exception:
    if error.code == 408:
        return flight.FlightTimedOutError(error.reason)  # type: ignore[no-any-return]
    if error.code == 404:
        return pa.ArrowKeyError(error.reason)  # type: ignore[no-any-return]
    return pa.ArrowInvalid(error.reason)  # type: ignore[no-any-return]
