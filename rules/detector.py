"""The manifest of a rule: `kind: Detector`, its structs and its reading. Units and meanings stand beside the fields."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from twins import schema
from twins.duration import Duration
from twins.duration import microseconds as duration_us
from twins.exchange import Severity

MINIMUM_TIMER = 10_000
"""Shortest timer and debounce in microseconds."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="usable as a name in expressions")]
Label = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="a Kubernetes DNS label")]
Title = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$")]
Source = Annotated[str, Meta(min_length=1, max_length=1024, description="a CEL expression")]
Text = Annotated[str, Meta(min_length=1, max_length=1024, description="text in which ${CEL} is replaced")]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="hour and minute, 22:00")]
Scalar = bool | float | str
InputType = Literal["number", "string", "boolean"]


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifest's structs."""


class Metadata(_Node, frozen=True):
    name: Label
    namespace: Label = "default"
    labels: dict[str, str] = {}
    """For choosing."""
    annotations: dict[str, str] = {}
    """Free texts."""


class Input(_Node, frozen=True):
    """Facts that the rule sees under one name: a property of every device that matches.

    `device` is `namespace/name` or `name` in the detector's namespace; `*` and `?` stand for any characters.
    """

    property: Annotated[str, Meta(min_length=1, max_length=253)]
    """Name of the property."""
    device: Annotated[str, Meta(min_length=1, max_length=253)] = "*"
    """Which devices, as `pump-*`."""
    type: InputType = "number"
    """How values read; those that do not are left out."""


class Window(_Node, frozen=True):
    """A time of every day, from `start` until just before `end`, over midnight when `end` is the earlier.

    `zone` is an IANA name; empty means the site's.
    """

    start: Clock = field(name="from")
    end: Clock = field(name="to")
    zone: str = ""
    """IANA name, as `Europe/Berlin`."""


class SetAction(_Node, frozen=True):
    """Ask a desired value of a device."""

    device: Text
    property: Annotated[str, Meta(min_length=1, max_length=253)]
    """Name of the property."""
    value: Source


class AlertAction(_Node, frozen=True):
    """Tell people; `picture` asks for the device's picture of that moment."""

    message: Text
    severity: Severity = "alert"
    """How much it matters."""
    picture: bool = False
    """Keep the camera's picture of that moment with it."""


class TimerAction(_Node, frozen=True):
    """Start a timer, or start it again. `seconds` or `after`, one of them; from 10 ms."""

    name: Name
    seconds: float | None = None
    """How long, from 0.01."""
    after: str | None = None
    """How long in words, as `5m`."""

    @property
    def length(self) -> Duration | None:
        return self.seconds if self.after is None else self.after


class Action(_Node, frozen=True):
    """One thing to do: exactly one field is given."""

    set: SetAction | None = None
    """Ask a desired value of a device."""
    alert: AlertAction | None = None
    """Tell people."""
    assign: Annotated[dict[Name, Source], Meta(min_length=1, max_length=32)] | None = None
    """New values of variables, each a CEL expression."""
    timer: TimerAction | None = None
    """Start a timer."""
    clear: Name | None = None
    """Stop the timer of this name."""

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the fields that are given."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)


Actions = Annotated[tuple[Action, ...], Meta(max_length=16)]


class Step(_Node, frozen=True):
    """What to do when a condition holds; no condition always holds."""

    name: Title | None = None
    """What it is called in explanations."""
    when: Source | None = None
    """A CEL expression; it must be true."""
    do: Actions = ()
    """What to do, in order."""


class Transition(_Node, frozen=True):
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


class OnInput(_Node, frozen=True):
    events: Steps = ()
    """What to do with each input, in order; the state stays."""
    transitions: Annotated[tuple[Transition, ...], Meta(max_length=32)] = ()
    """Ways to other states; the first whose condition holds is taken."""


class Events(_Node, frozen=True):
    events: Steps = ()
    """What to do, in order."""


class State(_Node, frozen=True):
    on_enter: Events = Events()
    """When the state is entered."""
    on_input: OnInput = OnInput()
    """When an input comes, or a timer ends."""
    on_exit: Events = Events()
    """When the state is left."""


class Spec(_Node, frozen=True):
    """`key` says what one instance is: `device`, or text with `${…}` over `device`, equal for what belongs together.

    A key without `${…}` is a constant: one instance for all.
    """

    initial: Title
    """The state in which an instance begins."""
    inputs: Annotated[dict[Name, Input], Meta(min_length=1, max_length=32)]
    """What the rule sees, by the names that expressions use."""
    states: Annotated[dict[Title, State], Meta(min_length=1, max_length=64)]
    """The states, by name."""
    description: str = ""
    """What the rule is for, for people."""
    key: Text = "device"
    variables: Annotated[dict[Name, Scalar], Meta(max_length=32)] = {}
    """Values that an instance keeps, with what they begin as."""
    windows: Annotated[dict[Name, Window], Meta(max_length=16)] = {}
    """Times of day that expressions ask for by name."""


class Detector(_Node, frozen=True):
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
