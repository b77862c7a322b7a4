"""Whether a query fits those that are there, and what people are told of queries."""

from __future__ import annotations

from collections.abc import Mapping

from streams.query import Query
from twins.errors import Rejected
from twins.exchange import Event
from twins.schema import nearest


def check(query: Query, others: Mapping[str, Query]) -> None:
    """Raise `Rejected` for results of a query that is not there, of its own, or that another makes too."""
    for name in sorted(query.upstreams - others.keys() - {query.id}):
        raise Rejected(f"Query {query.id}: spec.from: there is no query {name}; {nearest(name, others)}")
    if way := _circle(query, others):
        raise Rejected(f"Query {query.id}: spec.from: {' reads '.join(way)}: results would go round for ever")
    for other in others.values():
        if other.metadata.name == query.metadata.name and "all" not in (other.key, query.key):
            raise Rejected(f"Query {query.id}: metadata.name: {other.id} would make the same series; take another")


def late(query: str, count: int, now: int) -> Event:
    """The event that tells of points that no window takes any more."""
    message = (
        f"{count} point{'s' * (count > 1)} came too late for query {query} and can be in no window: "
        "raise its outOfOrder or lateness if late points are to count"
    )
    return Event(f"query:{query}:late:{now}", now, "query", query, "warning", message)


def anew(name: str, now: int, reason: str) -> Event:
    """The event that tells that windows were given up."""
    return Event(f"query:{name}:anew:{now}", now, "query", name, "info", f"{name} begins anew: {reason}")


def _circle(query: Query, others: Mapping[str, Query]) -> list[str]:
    """The way by which a query reads its own results; empty when it does not."""
    ways = [[query.id, upstream] for upstream in sorted(query.upstreams)]
    while ways:
        way = ways.pop()
        if way[-1] == query.id:
            return way
        ways += [[*way, upstream] for upstream in sorted(others[way[-1]].upstreams)] if way[-1] in others else []
    return []
