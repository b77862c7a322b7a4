"""The manifest of a search for the best configuration: `apiVersion: gemelo.dev/v1alpha1`, `kind: Tuning`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from learning.tuning.campaign import Bound
from learning.tuning.space import Axis
from twins.cron import following
from twins.digest import digest
from twins.duration import Duration, microseconds
from twins.manifests import OwnMetadata
from twins.values import device_id

Word = Annotated[str, Meta(min_length=1, max_length=253)]
SECOND = 1_000_000
LEVELS = 10_000
"""The most values of one parameter."""


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifests' structs."""


class Parameter(_Node, frozen=True):
    """A property whose desired value is set: a number from `min` to `max`, or one of `choices`."""

    device: Word
    """The device: `namespace/name`, or `name` in the manifest's namespace."""
    property: Word
    """Its property."""
    minimum: float | None = field(default=None, name="min")
    """The least value that is ever set."""
    maximum: float | None = field(default=None, name="max")
    """The largest one."""
    step: Annotated[float, Meta(gt=0)] | None = None
    """What its values are apart; absent: a hundredth of the way."""
    stride: Annotated[float, Meta(gt=0)] | None = None
    """The most by which a trial moves it; absent: any way. Going back to what is known is not bounded by it."""
    choices: Annotated[tuple[Word, ...], Meta(max_length=32)] = ()
    """In place of numbers: the values that it may have."""


class Objective(_Node, frozen=True):
    """What is to be best: the mean of a series over `measure`."""

    device: Word
    """The device."""
    property: Word
    """Its property, or the name of a result of a query."""
    goal: Literal["maximize", "minimize"]
    """Which way is better."""


class Limit(_Node, frozen=True):
    """A series that has to stay within `least` and `most`."""

    device: Word
    """The device."""
    property: Word
    """Its property, or the name of a result of a query."""
    least: float | None = None
    """It may not be below."""
    most: float | None = None
    """It may not be above."""


class TuningSpec(_Node, frozen=True):
    parameters: Annotated[tuple[Parameter, ...], Meta(min_length=1, max_length=8)]
    """What may be set."""
    objective: Objective
    """What is to be best."""
    constraints: Annotated[tuple[Limit, ...], Meta(max_length=8)] = ()
    """Means over `measure` that have to be kept: a trial that breaks one is undone, and the next ones stay away."""
    limits: Annotated[tuple[Limit, ...], Meta(max_length=8)] = ()
    """The safety envelope: a single value beyond, at any moment of a trial, and it is undone at once."""
    mode: Literal["advise", "auto"] = "advise"
    """`advise`: each trial waits for a person's approval; `auto`: it is made at once."""
    settle: Duration = "1m"
    """How long after a change nothing is measured."""
    measure: Duration = "5m"
    """How long it is measured then."""
    minimum: Annotated[int, Meta(ge=1, le=100_000)] = 3
    """Fewer points of a series within `measure` are no measurement: the trial is void, and the old values come back."""
    budget: Annotated[int, Meta(ge=1, le=200)] = 30
    """How many trials it may make."""
    fall: Annotated[float, Meta(ge=0)] = 0.1
    """A trial whose mean is worse than the best by more than this part of it is undone at once."""
    schedule: Annotated[str, Meta(max_length=128)] = ""
    """Minutes in which a trial may begin, as cron has it, in the node's time zone: `* 8-15 * * 1-5`; absent: any."""
    description: str = ""
    """What it is for, for people."""


class Tuning(Struct, frozen=True, forbid_unknown_fields=True):
    """Which values of some parameters make a series best, found by trials on the real thing."""

    metadata: OwnMetadata
    """Its name."""
    spec: TuningSpec
    """What is set, what is measured, and what must not happen."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Tuning"] = "Tuning"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return device_id(self.metadata.namespace, self.metadata.name)

    @property
    def settle(self) -> int:
        """In microseconds, as the next one."""
        return microseconds(self.spec.settle)

    @property
    def measure(self) -> int:
        return microseconds(self.spec.measure)

    @property
    def sign(self) -> float:
        """Times a mean, more is better."""
        return 1.0 if self.spec.objective.goal == "maximize" else -1.0

    @property
    def objective(self) -> str:
        """The series."""
        return self._series(self.spec.objective)

    @property
    def properties(self) -> list[tuple[str, str]]:
        """Device and property of each parameter."""
        return [(self._device(each.device), each.property) for each in self.spec.parameters]

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(map(_axis, self.spec.parameters))

    @property
    def constraints(self) -> tuple[Bound, ...]:
        return tuple(Bound(self._series(each), each.least, each.most) for each in self.spec.constraints)

    @property
    def limits(self) -> tuple[Bound, ...]:
        return tuple(Bound(self._series(each), each.least, each.most) for each in self.spec.limits)

    @property
    def question(self) -> int:
        """A digest of what is asked: trials made for another question are no answer to this one."""
        spec = self.spec
        asked = (spec.parameters, spec.objective, spec.constraints, spec.limits, spec.settle, spec.measure)
        return digest(self.id, msgspec.msgpack.encode(asked))

    def _device(self, name: str) -> str:
        return name if "/" in name else device_id(self.metadata.namespace, name)

    def _series(self, of: Objective | Limit) -> str:
        return f"{self._device(of.device)}/{of.property}"

    def __post_init__(self) -> None:
        spec = self.spec
        for number, parameter in enumerate(spec.parameters):
            _check(f"parameters[{number}]", parameter)
        if len(set(self.properties)) < len(spec.parameters):
            raise _fault("parameters", "has a property twice")
        for what, limits in (("constraints", spec.constraints), ("limits", spec.limits)):
            for number, limit in enumerate(limits):
                if limit.least is None and limit.most is None:
                    raise _fault(f"{what}[{number}]", "has neither least nor most")
        for name, length, least in (("settle", spec.settle, 0), ("measure", spec.measure, SECOND)):
            try:
                microseconds(length, least)
            except ValueError as error:
                raise _fault(name, str(error)) from None
        if spec.schedule:
            try:
                following(spec.schedule, 0, "UTC")
            except ValueError as error:
                raise _fault("schedule", str(error)) from None


def _axis(parameter: Parameter) -> Axis:
    if parameter.choices:
        return Axis(choices=parameter.choices)
    least, most = parameter.minimum, parameter.maximum
    assert least is not None, "checked"
    assert most is not None, "checked"
    return Axis(least, most, parameter.step or (most - least) / 100, parameter.stride or 0.0)


def _check(where: str, parameter: Parameter) -> None:
    least, most = parameter.minimum, parameter.maximum
    if parameter.choices:
        if least is not None or most is not None or parameter.step or parameter.stride:
            raise _fault(where, "has choices, so neither min, max, step nor stride")
        if len(set(parameter.choices)) < max(2, len(parameter.choices)):
            raise _fault(f"{where}.choices", "needs two values at least, each once")
        return
    if least is None or most is None:
        raise _fault(where, "needs min and max, or choices")
    if not (abs(least) < 1e15 and abs(most) < 1e15 and least < most):
        raise _fault(where, "has a min that is not below max")
    if parameter.step and (most - least) / parameter.step > LEVELS:
        raise _fault(f"{where}.step", f"makes more than {LEVELS} values")
    if parameter.step and parameter.step > most - least:
        raise _fault(f"{where}.step", "is more than the way from min to max")
    if parameter.stride and parameter.step and parameter.stride < parameter.step:
        raise _fault(f"{where}.stride", "is less than step: nothing could be moved")


def _fault(where: str, reason: str) -> ValueError:
    return ValueError(f"{reason} - at `$.spec.{where}`")
