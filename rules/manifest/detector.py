"""The manifest of a rule: `kind: Detector`, its structs and its reading. Units and meanings stand beside the fields."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rules.manifest.action import Actions
from rules.manifest.form import Metadata, Name, Node, Scalar, Source, Text, Title
from rules.manifest.input import Input
from rules.manifest.migration import Migration, Names
from rules.manifest.schedule import Schedule
from rules.manifest.window import Window
from twins import schema
from twins.duration import Duration
from twins.duration import microseconds as duration_us

MINIMUM_TIMER = 10_000
"""Shortest timer and debounce in microseconds."""


class Step(Node, frozen=True):
    """What to do when a condition holds; no condition always holds."""

    name: Title | None = None
    """What it is called in explanations."""
    when: Source | None = None
    """A CEL expression; it must be true."""
    do: Actions = ()
    """What to do, in order."""


class Transition(Node, frozen=True):
    """A way to another state, or back to the same one. With `for`, the condition must hold that long."""

    to: Title
    """The state it leads to."""
    name: Title | None = None
    """What it is called in explanations."""
    when: Source | None = None
    """A CEL expression; it must be true."""
    hold: Duration | None = field(default=None, name="for")
    """How long the condition must hold first, as `30s`."""
    do: Actions = ()
    """What to do on the way, in order."""


Steps = Annotated[tuple[Step, ...], Meta(max_length=32)]


class OnInput(Node, frozen=True):
    events: Steps = ()
    """What to do with each input, in order; the state stays."""
    transitions: Annotated[tuple[Transition, ...], Meta(max_length=32)] = ()
    """Ways to other states; the first whose condition holds is taken."""


class Events(Node, frozen=True):
    events: Steps = ()
    """What to do, in order."""


class State(Node, frozen=True):
    on_enter: Events = Events()
    """When the state is entered."""
    on_input: OnInput = OnInput()
    """When an input comes, or a timer ends."""
    on_exit: Events = Events()
    """When the state is left."""


class Spec(Node, frozen=True):
    """`key` says what one instance is: `device`, or text with `${…}` over `device`, equal for what belongs together.

    A key without `${…}` is a constant: one instance for all.
    """

    initial: Title
    """The state in which an instance begins."""
    inputs: Annotated[dict[Name, Input], Meta(max_length=32)]
    """What the rule sees, by the names that expressions use."""
    states: Annotated[dict[Title, State], Meta(min_length=1, max_length=64)]
    """The states, by name."""
    description: str = ""
    """What the rule is for, for people."""
    key: Text = "device"
    variables: Annotated[dict[Name, Scalar], Meta(max_length=32)] = field(default_factory=dict)
    """Values that an instance keeps, with what they begin as."""
    windows: Annotated[dict[Name, Window], Meta(max_length=16)] = field(default_factory=dict)
    """Times of day that expressions ask for by name."""
    schedules: Annotated[dict[Name, Schedule], Meta(max_length=16)] = field(default_factory=dict)
    """Times of the calendar at which every instance is evaluated, by name."""
    evaluation: Literal["batch", "serial"] = "batch"
    """Whether the conditions of a list see the values from before it, or what the events above them did."""
    migration: Migration = "keep"
    """What becomes of instances when this manifest takes another's place: they go on, are mapped, or begin anew."""
    map: Names = Names()
    """New names of states and variables, for `migration: map`."""
    dry_run: bool = False
    """Decide, and say what would be done outside, and do not do it."""


class Detector(Node, frozen=True):
    """A rule: a state machine per key, fed with facts."""

    metadata: Metadata
    """Its name."""
    spec: Spec
    """What it sees and decides."""
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    """Our group and version."""
    kind: Literal["Detector"] = "Detector"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


def decode(data: object, where: str = "Detector") -> Detector:
    """Make a detector of what YAML or JSON gave. Raises `Rejected` with the path of the wrong field."""
    return schema.decode(data, Detector, where)


def microseconds(duration: Duration) -> int:
    """Read a duration. Raises `ValueError` when it cannot be read or is under 10 ms or over 366 days."""
    return duration_us(duration, MINIMUM_TIMER)
