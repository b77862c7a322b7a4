"""What queries and pipelines make, and what is counted of it."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct, structs

from twins.exchange import Point

T = TypeVar("T", bound=Struct)


class Counts(Struct):
    """What became of the points that queries looked at."""

    taken: int = 0
    filtered: int = 0
    unusable: int = 0
    repeats: int = 0
    late: int = 0
    turned_away: int = 0
    results: int = 0
    corrections: int = 0


class Result(Struct, frozen=True, gc=False):
    """A point that a query or a pipeline made: the series `device/name`, `kind` of result for other queries.

    What was `corrected` is stored; rules and other queries had their result.
    """

    device: str
    name: str
    kind: str
    point: Point
    corrected: bool = False


class Offers(Struct):
    """What became of the points that pipelines were offered: offered = kept + changed + dropped + those held now."""

    offered: int = 0
    kept: int = 0
    changed: int = 0
    dropped: int = 0


def total(first: T, *others: T) -> T:
    """The sum of counts of one kind."""
    return type(first)(*map(sum, zip(*map(structs.astuple, (first, *others)), strict=True)))
