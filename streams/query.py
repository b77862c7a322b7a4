"""The manifest of a continuous query: `apiVersion: gemelo.dev/v1alpha1`, `kind: Query`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from streams.expression import Expression
from streams.source import Node, Source, fault, time, upstream
from twins.duration import Duration
from twins.errors import Rejected
from twins.manifests import OwnMetadata
from twins.schema import nearest
from twins.tally import AGGREGATES, aggregate

PANES = 1024
"""Steps that one window has at most, and ticks that one gap bridges."""
SHORTEST = 1000
"""Microseconds of the shortest window, step and tick."""

Cel = Annotated[str, Meta(min_length=1, max_length=1024, description="a CEL expression")]
Key = Literal["series", "device", "all"]
Method = Literal["last", "linear", "mean"]


class Hopping(Node, frozen=True):
    """Windows that overlap: each is `size` long, and one begins `every` so often."""

    size: Duration
    """How long, a multiple of `every`."""
    every: Duration
    """How often one begins."""


class Count(Node, frozen=True):
    """Windows of so many points, in order of arrival."""

    size: Annotated[int, Meta(ge=1, le=1_000_000)]
    """How many points, a multiple of `every`."""
    every: Annotated[int, Meta(ge=1)] | None = None
    """After how many points the next result comes; absent: after `size`, so that none counts twice."""


class Window(Node, frozen=True):
    """How points are put together: exactly one field is given."""

    tumbling: Duration | None = None
    """One after the other, each so long: `1m`. They begin at multiples of that since 1970 UTC."""
    hopping: Hopping | None = None
    """Long ones that overlap."""
    sliding: Duration | None = None
    """For each point, what came in so long up to it."""
    session: Duration | None = None
    """From a silence of so long to the next."""
    count: Count | None = None
    """So many points."""


class Align(Node, frozen=True):
    """Several series on one clock: a value of each at every tick, which together are a row."""

    every: Duration
    """From tick to tick, at multiples of that since 1970 UTC."""
    method: Method = "last"
    """`last` value before the tick, `linear` between its neighbours, or `mean` of the tick's time to the next."""
    max_gap: Duration = 60.0
    """A value is not older than that, neighbours are not farther apart; else the series has none at the tick."""
    complete: bool = False
    """Only rows in which every series has a value."""


class QuerySpec(Node, frozen=True):
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, max_length=32)] = field(name="from")
    """What it looks at."""
    window: Window | None = None
    """How points are put together; this or `align`."""
    align: Align | None = None
    """Put series on one clock."""
    aggregates: Annotated[tuple[str, ...], Meta(max_length=32)] = ()
    """What is told of a window: n, sum, mean, min, max, first, last, spread, rate, delta, or quantiles as p95."""
    key: Key | None = None
    """What has windows or rows of its own: each series (of an alignment: each device) if absent, or all together."""
    where: Cel | None = None
    """Points to look at: over `value`, `text`, `device` and `property`."""
    value: Cel | None = None
    """What to count with in place of the value, as `value * 1.8 + 32.0`."""
    out_of_order: Duration = 0.0
    """How much later than a newer point of its series a point may come: a window waits so long before it is told."""
    lateness: Duration = 0.0
    """For how much longer a late point corrects what was told; later ones are counted, and in no window."""
    idle: Duration = 30.0
    """After how long a silent series is not waited for any more."""
    description: str = ""
    """What it is for, for people."""


class Query(Node, frozen=True):
    """A continuous query: windows over points as they come, or series on one clock. Its results are series again."""

    metadata: OwnMetadata
    """Its name."""
    spec: QuerySpec
    """What it looks at, and what it makes of it."""
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    """Our group and version."""
    kind: Literal["Query"] = "Query"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def key(self) -> Key:
        """What has windows or rows of its own."""
        return self.spec.key or ("series" if self.spec.align is None else "device")

    @property
    def upstreams(self) -> set[str]:
        """The queries whose results it reads."""
        return {upstream(each, self.metadata.namespace) for each in self.spec.sources} - {""}

    @property
    def results(self) -> tuple[str, ...] | None:
        """The names of its results; `None` for an alignment, whose results are called as the properties are."""
        return self.spec.aggregates if self.spec.align is None else None

    def __post_init__(self) -> None:
        spec = self.spec
        for number, source in enumerate(spec.sources):
            _check_source(f"from[{number}]", source)
        if (spec.window is None) == (spec.align is None):
            raise fault("window", "give window or align, one of them")
        if spec.window is not None:
            step = _check_window(spec.window)
            if step and time("lateness", spec.lateness) > step * PANES:
                raise fault("lateness", f"keeps more than {PANES} windows of the past: less of it, or longer windows")
            _check_aggregates(spec.aggregates)
        if spec.align is not None:
            _check_align(spec)
        for name in ("where", "value"):
            _check_expression(name, getattr(spec, name))
        time("outOfOrder", spec.out_of_order)
        time("lateness", spec.lateness)
        time("idle", spec.idle, 100_000)


def _check_source(where: str, source: Source) -> None:
    if (source.property is None) == (source.query is None):
        raise fault(where, "give property or query, one of them")
    if source.property is not None and source.result != "*":
        raise fault(f"{where}.result", "is of a query; a property has none")


def _check_window(window: Window) -> int:
    """From one window to the next in microseconds; 0 where it is none of time."""
    given = [name for name in window.__struct_fields__ if getattr(window, name) is not None]
    if len(given) != 1:
        kinds = ", ".join(window.__struct_fields__)
        raise fault("window", f"give exactly one of {kinds}; here are {', '.join(given) or 'none'}")
    match window:
        case Window(hopping=Hopping(size, every)):
            whole = time("window.hopping.size", size, SHORTEST)
            step = time("window.hopping.every", every, SHORTEST)
            _check_steps("window.hopping.size", whole, step)
            return step
        case Window(count=Count(size, every)):
            _check_steps("window.count.size", size, size if every is None else every)
            return 0
        case _:
            return time(f"window.{given[0]}", getattr(window, given[0]), SHORTEST)


def _check_steps(where: str, size: int, every: int) -> None:
    if size % every:
        raise fault(where, "is no multiple of every")
    if size // every > PANES:
        raise fault(where, f"is {size // every} times every; {PANES} times are allowed")


def _check_aggregates(names: tuple[str, ...]) -> None:
    if not names:
        raise fault("aggregates", f"missing: name one or more of {', '.join(AGGREGATES)}, p50, p95")
    for number, name in enumerate(names):
        if aggregate(name) is None:
            raise fault(f"aggregates[{number}]", f"{name!r} is no aggregate; {nearest(name, [*AGGREGATES, 'p95'])}")
        if name in names[:number]:
            raise fault(f"aggregates[{number}]", f"{name!r} is there already")


def _check_align(spec: QuerySpec) -> None:
    assert spec.align is not None  # asked only then
    if spec.aggregates:
        raise fault("aggregates", "are of windows; what an alignment tells is its method's")
    if spec.key == "series":
        raise fault("key", "an alignment is of several series: write device, or all")
    every = time("align.every", spec.align.every, SHORTEST)
    gap = time("align.maxGap", spec.align.max_gap, SHORTEST)
    if gap > every * PANES:
        raise fault("align.maxGap", f"is more than {PANES} times every")


def _check_expression(name: str, source: str | None) -> None:
    if source is None:
        return
    try:
        Expression(source)
    except Rejected as error:
        raise fault(name, error.reason) from None
