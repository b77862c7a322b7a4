"""Arrow Flight with pyarrow's own client against a store that runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from runtime.clock import SystemClock
from store.schema import TABLES
from store.store import Store, StoreConfig
from tests.crowding import crowding
from tests.web.certificate import self_signed
from twins.errors import Rejected, Unavailable
from twins.exchange import Batch, Point
from web.config import WebConfig

pa = pytest.importorskip("pyarrow")
flight = pytest.importorskip("pyarrow.flight")

T = TypeVar("T")
ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range + b.range) = 7"
LATE = "SELECT 'late'"
LOOPBACK = WebConfig(listen="127.0.0.1:0")


@asynccontextmanager
async def served(path: Path, config: WebConfig = LOOPBACK) -> AsyncIterator[tuple[Any, Any]]:
    """A door to a store with a few points, and a client of it, whose calls belong into threads."""
    from web.flight import FlightDoor

    live = {"twins": list, "devices": list, "nodes": list}
    store = Store(StoreConfig(path=str(path), keep_days=1e6), "edge-1", SystemClock(), live)
    await store.open()
    points = [Point(f"default/t-{n % 2}/heat", n * 1_000_000, n, 20.0 + n, None) for n in range(1000)]
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run())
            await store.journal.committed(store.journal.append(Batch(points=points)))
            door = FlightDoor(config, Heard(store.sql), tuple(TABLES))
            serving = group.create_task(door.run())
            await door.listening()
            try:
                with connected(door.address, config.certificate) as client:
                    yield door, client
            finally:
                serving.cancel()
                running.cancel()
    finally:
        await store.close()


def connected(address: str, certificate: str) -> Any:
    if not certificate:
        return flight.connect(f"grpc://{address}")
    return flight.connect(f"grpc+tls://{address}", tls_root_certs=Path(certificate).read_bytes())


class Heard:
    """Sql that tells when it was asked."""

    def __init__(self, sql: Any) -> None:
        self._sql = sql
        self.asked = asyncio.Event()

    async def encoded(self, *words: Any, **more: Any) -> Any:
        self.asked.set()
        if words[0] == LATE:
            raise TimeoutError
        return await self._sql.encoded(*words, **more)


async def calling(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def read(client: Any, ticket: bytes | str, options: Any = None) -> Any:
    return client.do_get(flight.Ticket(ticket), options).read_all()


async def test_a_ticket_of_sql_gives_arrow(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        table = await calling(lambda: read(client, "SELECT device, count(*) AS n FROM points GROUP BY ALL ORDER BY 1"))
        assert table.to_pylist() == [{"device": "t-0", "n": 500}, {"device": "t-1", "n": 500}]
        assert table.schema.metadata[b"gemelo.truncated"] == b"false"
        assert table.schema.metadata[b"gemelo.plan"].startswith(b"points: 0 of 0 segments")
        asked = {"query": "SELECT seq FROM points WHERE device = ? ORDER BY seq", "parameters": ["t-1"], "limit": 2}
        cut = await calling(lambda: read(client, json.dumps(asked)))
        assert cut.to_pydict() == {"seq": [1, 3]}
        assert cut.schema.metadata[b"gemelo.truncated"] == b"true"


async def test_what_a_descriptor_names_is_told_and_its_ticket_is_good(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        by_command = flight.FlightDescriptor.for_command("SELECT * FROM points")
        for descriptor in (by_command, flight.FlightDescriptor.for_path("points")):
            info = await calling(lambda descriptor=descriptor: client.get_flight_info(descriptor))
            assert info.schema.names == list(TABLES["points"])
            assert info.schema.field("time").type == pa.timestamp("us", tz="UTC")
            table = await calling(lambda info=info: read(client, info.endpoints[0].ticket.ticket))
            assert len(table) == 1000
        schema = await calling(lambda: client.get_schema(flight.FlightDescriptor.for_path("twins")).schema)
        assert schema.names == list(TABLES["twins"])


async def test_all_tables_are_listed(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        found = await calling(lambda: list(client.list_flights()))
        assert [b"/".join(info.descriptor.path).decode() for info in found] == list(TABLES)
        assert [info.schema.names for info in found] == [list(columns) for columns in TABLES.values()]


async def test_a_wrong_ticket_is_an_error_of_its_kind(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        for ticket, error, words in (
            ("SELECT * FROM read_csv('/etc/passwd')", pa.ArrowInvalid, "not allowed"),
            ("SELECT * FROM pionts", KeyError, "did you mean points"),
            ('{"query": 5}', pa.ArrowInvalid, "the ticket is SQL, or JSON"),
            (b"\xff", pa.ArrowInvalid, "the ticket is SQL"),
            (b"x" * 200_000, pa.ArrowInvalid, "bytes"),
            (json.dumps({"query": ENDLESS, "deadline": 0.2}), flight.FlightTimedOutError, "longer than"),
        ):
            with pytest.raises(error, match=words):
                await calling(lambda ticket=ticket: read(client, ticket))
        with pytest.raises(KeyError, match="there is no table"):
            await calling(lambda: client.get_flight_info(flight.FlightDescriptor.for_path("duckdb_settings")))
        with pytest.raises(NotImplementedError):
            await calling(lambda: list(client.do_action(flight.Action("x", b""))))
        assert len(await calling(lambda: read(client, "SELECT 1"))) == 1


async def test_the_token_of_the_page_is_asked_for(tmp_path: Path) -> None:
    config = WebConfig(listen="127.0.0.1:0", token="a-token-of-enough-characters")
    async with served(tmp_path, config) as (_, client):
        for headers in (
            [],
            [(b"authorization", b"Bearer wrong")],
            [(b"authorization", b"a-token-of-enough-characters")],
        ):
            options = flight.FlightCallOptions(headers=headers)
            with pytest.raises(flight.FlightUnauthenticatedError, match="token"):
                await calling(lambda options=options: read(client, "SELECT 1", options))
            with pytest.raises(flight.FlightUnauthenticatedError):
                await calling(lambda options=options: list(client.list_flights(options=options)))
        right = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer a-token-of-enough-characters")])
        assert len(await calling(lambda: read(client, "SELECT 1", right))) == 1


async def test_with_the_pages_certificate_it_speaks_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    config = WebConfig(listen="127.0.0.1:0", certificate=certificate, key=key)
    async with served(tmp_path / "data", config) as (_, client):
        assert len(await calling(lambda: read(client, "SELECT 1"))) == 1


async def test_a_caller_who_goes_away_frees_the_query(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        await calling(lambda: read(client, "SELECT 1"))
        ticket = json.dumps({"query": ENDLESS, "deadline": 60})
        with pytest.raises(flight.FlightTimedOutError):
            await calling(lambda: read(client, ticket, flight.FlightCallOptions(timeout=0.3)))
        began = time.monotonic()
        assert len(await calling(lambda: read(client, "SELECT 1"))) == 1
        assert time.monotonic() - began < 10 * crowding()


async def test_work_that_times_out_by_itself_ends_the_call(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client), asyncio.timeout(30):
        with pytest.raises(flight.FlightTimedOutError, match="no answer in time"):
            await calling(lambda: read(client, LATE, flight.FlightCallOptions(timeout=10)))


async def test_a_door_closes_while_a_call_is_under_way(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        async with served(tmp_path) as (door, client):
            await calling(lambda: read(client, "SELECT 1"))
            door._sql.asked.clear()

            async def ask() -> None:
                with pytest.raises((flight.FlightCancelledError, flight.FlightUnavailableError, pa.ArrowException)):
                    await calling(lambda: read(client, json.dumps({"query": ENDLESS, "deadline": 60})))

            asking = group.create_task(ask())
            async with asyncio.timeout(5):
                await door._sql.asked.wait()
        await asking


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    from web.flight import FlightDoor

    async with served(tmp_path) as (door, _):
        with pytest.raises(Unavailable, match="choose another"):
            await FlightDoor(WebConfig(listen=door.address), None, ()).run()  # type: ignore[arg-type]


def test_a_door_open_to_the_network_is_refused() -> None:
    from web.flight import FlightDoor

    with pytest.raises(Rejected, match="no token is set"):
        FlightDoor(WebConfig(listen="0.0.0.0:0", says="flight.listen"), None, ())  # type: ignore[arg-type]
