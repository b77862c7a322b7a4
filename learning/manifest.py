"""The manifests of what is learned: `apiVersion: gemelo.dev/v1alpha1`, `kind: Baseline` and `kind: Forecast`."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from learning.norm import Season
from twins.cron import following
from twins.duration import Duration, microseconds
from twins.manifests import OwnMetadata
from twins.values import device_id

Word = Annotated[str, Meta(min_length=1, max_length=253)]
Cron = Annotated[str, Meta(max_length=128)]
Method = Literal["robust-z", "ewma", "seasonal-quantiles"]
Model = Literal["holt-winters", "ar"]
STEPS = 20_000
"""The most steps of history that a forecast is made of."""
HORIZON = 336
"""The most steps that it looks ahead."""
MINUTE = 60_000_000
DAY = 86_400_000_000
SEASONS: dict[Season, int] = {"1d": DAY, "1w": 7 * DAY}
MADE = (".anomaly", ".low", ".high")
"""What the series end in that a baseline makes: it is none of those it learns from."""


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifests' structs."""


class Source(_Node, frozen=True):
    """Series by device and property; results of queries and pipelines are series too."""

    property: Word
    """Which properties; `*` and `?` stand for any characters."""
    device: Word = "*"
    """Which devices: `namespace/name`, or `name` in the manifest's namespace; `*` and `?` as above."""


class BaselineSpec(_Node, frozen=True):
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, max_length=32)] = field(name="from")
    """Which series."""
    method: Method = "robust-z"
    """`robust-z`: median and median deviation; `ewma`: mean and spread that follow the points slowly;
    `seasonal-quantiles`: limits of their own for each hour of the day or week."""
    season: Season = "1d"
    """seasonal-quantiles: what comes again, hours of a day or of a week, in the node's time zone."""
    coverage: Annotated[float, Meta(ge=0.5, lt=1)] = 0.98
    """seasonal-quantiles: the part of past points that is within the limits."""
    weight: Annotated[float, Meta(gt=0, le=1)] = 0.1
    """ewma: how much a new point counts in the mean."""
    threshold: Annotated[float, Meta(gt=0, le=1000)] = 3.5
    """The score at the limits."""
    resolution: Annotated[float, Meta(ge=0)] = 0.0
    """The smallest deviation that means something, as the step of the sensor: the unit of scores is not smaller."""
    history: Duration = "14d"
    """How much of the past it learns from."""
    minimum: Annotated[int, Meta(ge=2, le=100_000)] = 100
    """With fewer points there are no limits and no score."""
    refit: Cron = "0 3 * * *"
    """When it learns anew, in the node's time zone: minute, hour, day of the month, month, day of the week."""
    description: str = ""
    """What it is for, for people."""


class Baseline(Struct, frozen=True, forbid_unknown_fields=True):
    """What is normal for some series, learned from their past: each new point gets a score, each series limits."""

    metadata: OwnMetadata
    """Its name."""
    spec: BaselineSpec
    """Which series, and how it learns."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Baseline"] = "Baseline"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return device_id(self.metadata.namespace, self.metadata.name)

    @property
    def schedule(self) -> str:
        """When it learns."""
        return self.spec.refit

    def means(self, device: str, name: str) -> bool:
        """Whether the series `device/name` is one of its own."""
        namespace = self.metadata.namespace
        return not name.endswith(MADE) and any(_fits(each, namespace, device, name) for each in self.spec.sources)

    def __post_init__(self) -> None:
        _time("history", self.spec.history, MINUTE)
        _cron("refit", self.spec.refit)


class ForecastSpec(_Node, frozen=True):
    device: Word
    """The device: `namespace/name`, or `name` in the manifest's namespace."""
    property: Word
    """Its property, or the name of a result of a query."""
    step: Duration = "1h"
    """The grid: one value for each such time."""
    aggregate: Literal["mean", "sum"] = "mean"
    """What a value of the grid is made of the points within it."""
    horizon: Duration = "24h"
    """How far it looks ahead, a multiple of `step`."""
    leads: Annotated[tuple[Duration, ...], Meta(max_length=16)] = ()
    """Which steps ahead become series, as `rate.forecast.8h`; absent: the last."""
    season: Season = "1d"
    """The longest time after which things come again."""
    methods: Annotated[tuple[Model, ...], Meta(max_length=2)] = ("holt-winters", "ar")
    """What is tried beside the last value, the same hour of yesterday, and of last week where that is the season."""
    least: float | None = None
    """What it can't be below, as 0 for a rate: neither forecast nor interval is."""
    most: float | None = None
    """What it can't be above."""
    history: Duration = "56d"
    """How much of the past it learns from."""
    schedule: Cron = "2 * * * *"
    """When it is made, tested against the past anew, in the node's time zone."""
    description: str = ""
    """What it is for, for people."""


class Forecast(Struct, frozen=True, forbid_unknown_fields=True):
    """What a series is expected to be, with intervals, and how well such forecasts of the past came true."""

    metadata: OwnMetadata
    """Its name."""
    spec: ForecastSpec
    """Which series, how far ahead, how often."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Forecast"] = "Forecast"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return device_id(self.metadata.namespace, self.metadata.name)

    @property
    def schedule(self) -> str:
        """When it is made."""
        return self.spec.schedule

    @property
    def device(self) -> str:
        """`namespace/name` of the device."""
        named = self.spec.device
        return named if "/" in named else device_id(self.metadata.namespace, named)

    @property
    def step(self) -> int:
        """In microseconds, as the next two are in steps."""
        return microseconds(self.spec.step)

    @property
    def horizon(self) -> int:
        return microseconds(self.spec.horizon) // self.step

    @property
    def leads(self) -> dict[int, str]:
        """Steps ahead, and how each is written."""
        given = self.spec.leads or (self.spec.horizon,)
        return {microseconds(each) // self.step: each if isinstance(each, str) else f"{each:g}s" for each in given}

    def __post_init__(self) -> None:
        spec = self.spec
        step = _time("step", spec.step, MINUTE)
        if DAY % step:
            raise _fault("step", "is no part of a day: 15m, 1h, 6h are")
        if step == DAY and spec.season == "1d":
            raise _fault("season", "has one step alone: write 1w, or a shorter step")
        horizon = _steps("horizon", spec.horizon, step)
        if horizon > HORIZON:
            raise _fault("horizon", f"is {horizon} steps: {HORIZON} are allowed")
        for number, lead in enumerate(spec.leads):
            if _steps(f"leads[{number}]", lead, step) > horizon:
                raise _fault(f"leads[{number}]", "is further than the horizon")
        if spec.least is not None and spec.most is not None and spec.least > spec.most:
            raise _fault("least", "is above most")
        history = _time("history", spec.history, step)
        if history // step > STEPS:
            raise _fault("history", f"has {history // step} steps: {STEPS} are allowed")
        if history < 3 * SEASONS[spec.season]:
            raise _fault("history", "is less than three seasons: what comes again is learned from them")
        _cron("schedule", spec.schedule)


Manifest = Baseline | Forecast


def _fits(source: Source, namespace: str, device: str, name: str) -> bool:
    meant = source.device if "/" in source.device else device_id(namespace, source.device)
    return _matches(meant, device) and _matches(source.property, name)


def _matches(pattern: str, word: str) -> bool:
    return re.fullmatch(translate(pattern.replace("[", "[[]")), word) is not None


def _steps(where: str, duration: Duration, step: int) -> int:
    whole = _time(where, duration, step)
    if whole % step:
        raise _fault(where, "is no multiple of step")
    return whole // step


def _time(where: str, duration: Duration, least: int) -> int:
    try:
        return microseconds(duration, least)
    except ValueError as error:
        raise _fault(where, str(error)) from None


def _cron(where: str, expression: str) -> None:
    try:
        following(expression, 0, "UTC")
    except ValueError as error:
        raise _fault(where, str(error)) from None


def _fault(where: str, reason: str) -> ValueError:
    return ValueError(f"{reason} - at `$.spec.{where}`")
