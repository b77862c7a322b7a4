"""The door of Arrow Flight."""

from __future__ import annotations

from gateway import wiring
from gateway.config import Config
from gateway.doors import Run
from store.schema import TABLES
from store.sql.service import Sql


def flights(config: Config, sql: Sql) -> Run | None:
    """What serves it, `None` when it is off. Raises `Rejected` for one that cannot be meant."""
    section = wiring.flight(config)
    if section is None:
        return None
    from web.flight import FlightDoor  # loads pyarrow

    return FlightDoor(section, sql, tuple(TABLES)).run
