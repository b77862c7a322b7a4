"""The manifest of a rule: `kind: Detector`, its structs and its reading. Units and meanings stand beside the fields."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from twins import schema
from twins.exchange import Severity

MINIMUM_TIMER = 10_000
"""Shortest timer and debounce in microseconds."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="usable as a name in expressions")]
Label = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="a Kubernetes DNS label")]
Title = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$")]
Source = Annotated[str, Meta(min_length=1, max_length=1024, description="a CEL expression")]
Text = Annotated[str, Meta(min_length=1, max_length=1024, description="text in which ${CEL} is replaced")]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="hour and minute, 22:00")]
Duration = str | float
"""Seconds, or text such as `250ms`, `30s`, `5m`, `1h30m`."""
Scalar = bool | float | str
InputType = Literal["number", "string", "boolean"]


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifest's structs."""


class Metadata(_Node, frozen=True):
    name: Label
    namespace: Label = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Input(_Node, frozen=True):
    """Facts that the rule sees under one name: a property of every device that matches.

    `device` is `namespace/name` or `name` in the detector's namespace; `*` and `?` stand for any characters.
    """

    property: Annotated[str, Meta(min_length=1, max_length=253)]
    device: Annotated[str, Meta(min_length=1, max_length=253)] = "*"
    type: InputType = "number"


class Window(_Node, frozen=True):
    """A time of every day, from `start` until just before `end`, over midnight when `end` is the earlier.

    `zone` is an IANA name; empty means the site's.
    """

    start: Clock = field(name="from")
    end: Clock = field(name="to")
    zone: str = ""


class SetAction(_Node, frozen=True):
    """Ask a desired value of a device."""

    device: Text
    property: Annotated[str, Meta(min_length=1, max_length=253)]
    value: Source


class AlertAction(_Node, frozen=True):
    """Tell people; `picture` asks for the device's picture of that moment."""

    message: Text
    severity: Severity = "alert"
    picture: bool = False


class TimerAction(_Node, frozen=True):
    """Start a timer, or start it again. `seconds` or `after`, one of them; from 10 ms."""

    name: Name
    seconds: float | None = None
    after: str | None = None

    @property
    def length(self) -> Duration | None:
        return self.seconds if self.after is None else self.after


class Action(_Node, frozen=True):
    """One thing to do: exactly one field is given."""

    set: SetAction | None = None
    alert: AlertAction | None = None
    assign: Annotated[dict[Name, Source], Meta(min_length=1, max_length=32)] | None = None
    timer: TimerAction | None = None
    clear: Name | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the fields that are given."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)


Actions = Annotated[tuple[Action, ...], Meta(max_length=16)]


class Step(_Node, frozen=True):
    """What to do when a condition holds; no condition always holds."""

    name: Title | None = None
    when: Source | None = None
    do: Actions = ()


class Transition(_Node, frozen=True):
    """A way to another state, or back to the same one. With `for`, the condition must hold that long."""

    to: Title
    name: Title | None = None
    when: Source | None = None
    hold: Duration | None = field(default=None, name="for")
    do: Actions = ()


Steps = Annotated[tuple[Step, ...], Meta(max_length=32)]


class OnInput(_Node, frozen=True):
    events: Steps = ()
    transitions: Annotated[tuple[Transition, ...], Meta(max_length=32)] = ()


class Events(_Node, frozen=True):
    events: Steps = ()


class State(_Node, frozen=True):
    on_enter: Events = Events()
    on_input: OnInput = OnInput()
    on_exit: Events = Events()


class Spec(_Node, frozen=True):
    """`key` says what one instance is: `device`, or text with `${…}` over `device`, equal for what belongs together.

    A key without `${…}` is a constant: one instance for all.
    """

    initial: Title
    inputs: Annotated[dict[Name, Input], Meta(min_length=1, max_length=32)]
    states: Annotated[dict[Title, State], Meta(min_length=1, max_length=64)]
    description: str = ""
    key: Text = "device"
    variables: Annotated[dict[Name, Scalar], Meta(max_length=32)] = {}
    windows: Annotated[dict[Name, Window], Meta(max_length=16)] = {}


class Detector(_Node, frozen=True):
    """A rule: a state machine per key, fed with facts."""

    metadata: Metadata
    spec: Spec
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    kind: Literal["Detector"] = "Detector"

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


def decode(data: object, where: str = "Detector") -> Detector:
    """Make a detector of what YAML or JSON gave. Raises `Rejected` with the path of the wrong field."""
    return schema.decode(data, Detector, where)


def microseconds(duration: Duration) -> int:
    """Read a duration. Raises `ValueError` when it cannot be read or is under 10 ms or over 366 days."""
    seconds = float(duration) if isinstance(duration, (int, float)) else _seconds(duration)
    if not MINIMUM_TIMER / 1e6 <= seconds <= 366 * 86400:
        msg = f"{duration!r} is not between 10ms and 366 days"
        raise ValueError(msg)
    return round(seconds * 1e6)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARTS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)")


def _seconds(text: str) -> float:
    parts = _PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f"{text!r} is not a duration; write for example 250ms, 30s, 5m or 1h30m"
        raise ValueError(msg)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
