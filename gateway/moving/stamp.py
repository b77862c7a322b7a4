"""Times as other systems write them, to microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from twins.errors import Rejected
from twins.exchange import EARLIEST, LATEST

UNITS = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 0}
"""Microseconds of a unit; a thousand nanoseconds are one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp(said: object, unit: str, zone: tzinfo) -> int:
    """A number counts `unit`s since 1970; a text is ISO 8601, in `zone` where it names none. Raises `Rejected`."""
    if isinstance(said, datetime):
        return _since(said, zone)
    if isinstance(said, date):
        return _since(datetime(said.year, said.month, said.day), zone)  # noqa: DTZ001 - the zone follows
    text = str(said).strip()
    number = _number(text)
    if number is None:
        try:
            return _since(datetime.fromisoformat(text), zone)
        except ValueError:
            raise Rejected(f"{text[:40]!r} is no time: a number since 1970, or 2026-11-21T10:00:00Z") from None
    if not unit:
        raise Rejected(f"the time {text[:40]} is a number: say of what by --unit s, ms, us or ns")
    micros = number * UNITS[unit] if unit != "ns" else number / 1000
    if not EARLIEST <= micros <= LATEST:
        raise Rejected(f"{text[:40]} is no time in {unit} within the years 1 to 9999: --unit?")
    return int(micros)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _since(moment: datetime, zone: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise Rejected(f"{moment} is no time that can be kept: the years 1 to 9999 are") from None
