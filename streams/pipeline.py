"""The manifest of a preprocessing chain: `apiVersion: gemelo.dev/v1alpha1`, `kind: Pipeline`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from streams.expression import Expression
from streams.query import SHORTEST, Cel
from streams.source import Node, Word, fault, time
from streams.units import Unit, conversion
from twins.duration import Duration
from twins.errors import Rejected
from twins.manifests import OwnMetadata

PLACE = "{property}"


class Input(Node, frozen=True):
    """Series of devices: what is made by queries and pipelines is none of them."""

    property: Word
    """Which properties; `*` and `?` stand for any characters."""
    device: Word = "*"
    """Which devices: `namespace/name`, or `name` in the manifest's namespace; `*` and `?` as above."""


class Convert(Node, frozen=True):
    """From one unit of measure to another of the same kind."""

    source: Unit = field(name="from")
    """The unit that the device reports."""
    to: Unit
    """The unit to keep."""


class Scale(Node, frozen=True):
    """Numbers become value * factor + offset."""

    factor: float = 1.0
    """What they are multiplied by."""
    offset: float = 0.0
    """What is added then."""


class Clip(Node, frozen=True):
    """What to do with numbers that cannot be."""

    min: float | None = None
    """The least that can be."""
    max: float | None = None
    """The most that can be."""
    outside: Literal["limit", "drop"] = "limit"
    """What becomes of others: they are drawn to the limit, or dropped."""


class Deadband(Node, frozen=True):
    """Only numbers that differ enough from the one kept last; texts that differ at all."""

    by: Annotated[float, Meta(gt=0)]
    """How much."""
    heartbeat: Duration | None = None
    """After how long an equal one is kept all the same."""


class Dedupe(Node, frozen=True):
    """Only values that differ from the one kept last."""

    heartbeat: Duration | None = None
    """After how long an equal one is kept all the same."""


class Sample(Node, frozen=True):
    """Few points that look like all of them. Points of a bucket wait until it is known which of them stay."""

    every: Duration
    """Length of a bucket of time."""
    method: Literal["lttb", "minmax"] = "lttb"
    """`lttb`: the one point of each bucket that spans the largest triangle; `minmax`: the lowest and the highest."""
    hold: Duration = 30.0
    """After how long without a point those that wait are let go."""


class Redact(Node, frozen=True):
    """Values that nobody may see as they are."""

    method: Literal["drop", "hash", "mask"]
    """`drop` keeps nothing; `hash` keeps a pseudonym made with this gateway's own key; `mask` puts `*` for letters."""
    keep: Annotated[int, Meta(ge=0, le=64)] = 0
    """How many of the last characters a mask leaves."""


class Step(Node, frozen=True):
    """One thing to do with each point: exactly one field is given."""

    where: Cel | None = None
    """Keep points of which this is true: over `value`, `text`, `device` and `property`."""
    compute: Cel | None = None
    """The number to keep in place of the value, as `value * value`."""
    convert: Convert | None = None
    """Another unit of measure."""
    scale: Scale | None = None
    """Factor and offset."""
    clip: Clip | None = None
    """Limits."""
    deadband: Deadband | None = None
    """Changes that are large enough."""
    dedupe: Dedupe | None = None
    """Changes at all."""
    every: Annotated[int, Meta(ge=1)] | None = None
    """One point of so many, the first of them."""
    rate: Duration | None = None
    """At most one point in so long: the first."""
    sample: Sample | None = None
    """Downsampling that keeps the shape."""
    redact: Redact | None = None
    """Redaction."""


class PipelineSpec(Node, frozen=True):
    sources: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=32)] = field(name="from")
    """Which series."""
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=32)]
    """What is done with each point, in this order."""
    to: Word | None = None
    """Property that gets what comes out, as `{property}.clean`; absent: it is kept in place of what came in."""
    description: str = ""
    """What it is for, for people."""


class Pipeline(Node, frozen=True):
    """What is done with the points of some series before they are kept."""

    metadata: OwnMetadata
    """Its name."""
    spec: PipelineSpec
    """Which series, and what is done."""
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    """Our group and version."""
    kind: Literal["Pipeline"] = "Pipeline"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    def __post_init__(self) -> None:
        for number, step in enumerate(self.spec.steps):
            _check(f"steps[{number}]", step)
        to = self.spec.to
        if to is not None:
            if any(mark in to.replace(PLACE, "") for mark in "{}"):
                raise fault("to", f"{to!r}: braces hold the word property, as {PLACE}.clean")
            if to == PLACE:
                raise fault("to", "is the series itself: leave it out, and what comes out is kept in its place")


def _check(where: str, step: Step) -> None:
    given = [name for name in step.__struct_fields__ if getattr(step, name) is not None]
    if len(given) != 1:
        kinds = ", ".join(step.__struct_fields__)
        raise fault(where, f"give exactly one of {kinds}; here are {', '.join(given) or 'none'}")
    where = f"{where}.{given[0]}"
    match getattr(step, given[0]):
        case str() as source if given[0] != "rate":
            try:
                Expression(source)
            except Rejected as error:
                raise fault(where, error.reason) from None
        case Convert(source, to) if conversion(source, to) is None:
            raise fault(where, f"{source} and {to} measure different things")
        case Clip(None, None):
            raise fault(where, "give min or max, or both")
        case Clip(float() as least, float() as most) if least > most:
            raise fault(f"{where}.min", f"{least:g} is above the maximum {most:g}")
        case Deadband(_, heartbeat) | Dedupe(heartbeat) if heartbeat is not None:
            time(f"{where}.heartbeat", heartbeat)
        case Sample(every, _, hold):
            time(f"{where}.every", every, SHORTEST)
            time(f"{where}.hold", hold, SHORTEST)
        case (str() | float() | int()) as rate if given[0] == "rate":
            time(where, rate, SHORTEST)
        case _:
            pass
