"""The manifest of an alarm: `kind: Alarm`. It is compiled to a detector, see `rules/alarms`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rules.manifest.action import Actions
from rules.manifest.form import Metadata, Name, Node, Scalar, Source, Text
from rules.manifest.input import Input
from rules.manifest.window import Window
from twins import schema
from twins.duration import Duration
from twins.exchange import Severity

Operator = Literal[">", ">=", "<", "<=", "==", "!="]
PREFIX = "alarm:"
"""What the name of an alarm's detector begins with: no manifest of a detector can have it."""


class Condition(Node, frozen=True):
    """When the alarm is raised: a comparison of an `input`, or an expression `when` over several.

    Without more the condition is over as soon as it does not hold. `clearBelow`, `clearAbove`, `deadband` and
    `clearWhen` ask for more. While a value that is needed is missing, neither is so: the alarm stays as it is.
    """

    input: Name | None = None
    """The input that is compared."""
    operator: Operator = ">"
    """How it is compared with the threshold."""
    threshold: Scalar | None = None
    """A number, a boolean, or an expression: the name of another input, or `setpoint + 5.0`, or `"'open'"`."""
    clear_below: float | Source | None = None
    """With `>` and `>=`: over when the input is below this."""
    clear_above: float | Source | None = None
    """With `<` and `<=`: over when the input is above this."""
    deadband: Annotated[float, Meta(ge=0)] | None = None
    """Over when the input is as far as this on the other side of the threshold."""
    when: Source | None = None
    """A CEL expression over the inputs, in place of a comparison."""
    clear_when: Source | None = None
    """With `when`: over when this expression holds."""


class Escalation(Node, frozen=True):
    """What happens when nobody acknowledges."""

    after: Duration
    """How long after it was raised, as `10m`."""
    severity: Severity | None = None
    """How much it matters from then on; absent: as before."""
    do: Actions = ()
    """What to do, in order."""


class Flapping(Node, frozen=True):
    """A bound of how often an alarm is raised: at the last one allowed it stays raised until the time is over."""

    raises: Annotated[int, Meta(ge=1, le=1000)] = 10
    """How often it may be raised within that time."""
    within: Duration = "10m"
    """The time, which begins with the first."""


class Spec(Node, frozen=True):
    """`key` says what has an alarm of its own: `device`, or text with `${…}` over `device`, as in a Detector."""

    inputs: Annotated[dict[Name, Input], Meta(min_length=1, max_length=31)]
    """What is watched, by the names that expressions use."""
    condition: Condition
    """When it is raised, and when that is over."""
    message: Text
    """What people are told, as `${device} has ${temperature} °C`."""
    description: str = ""
    """What the alarm is for, for people."""
    key: Text = "device"
    severity: Severity = "alert"
    """How much it matters."""
    hold: Duration | None = field(default=None, name="for")
    """How long the condition must hold before it is raised, as `30s`."""
    clear_for: Duration | None = None
    """How long the condition must be over before it is cleared."""
    acknowledge: bool = True
    """Whether people acknowledge it: that ends reminders and escalation."""
    latch: bool | Literal["unacknowledged"] = False
    """Whether it stays after its condition is over until a person resets it; `unacknowledged`: only when nobody had
    acknowledged it by then, and to acknowledge it is enough.
    """
    snooze: Duration = "10m"
    """How long it is silent when it is snoozed without a time."""
    start_disabled: bool = False
    """Whether each begins disabled, until a person enables it."""
    repeat: Duration | None = None
    """People are told again this often, until they acknowledge."""
    escalate: Annotated[tuple[Escalation, ...], Meta(max_length=8)] = ()
    """What happens when nobody acknowledges, in order of time."""
    flapping: Flapping | None = Flapping()
    """How often it may be raised; `null` for no bound."""
    windows: Annotated[dict[Name, Window], Meta(max_length=16)] = field(default_factory=dict)
    """Times of day that expressions ask for by name."""
    on_raise: Actions = ()
    """What to do when it is raised, in order."""
    on_clear: Actions = ()
    """What to do when it stands no more: its condition is over, or it is reset, snoozed or disabled."""
    on_acknowledge: Actions = ()
    """What to do when it is acknowledged."""
    on_escalate: Actions = ()
    """What to do at each escalation, after its own actions."""


class Alarm(Node, frozen=True):
    """Something that people must know of and deal with: raised, acknowledged, cleared; one for each key."""

    metadata: Metadata
    """Its name."""
    spec: Spec
    """What it watches and what happens then."""
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    """Our group and version."""
    kind: Literal["Alarm"] = "Alarm"
    """The kind of object."""

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


def decode(data: object, where: str = "Alarm") -> Alarm:
    """Make an alarm of what YAML or JSON gave. Raises `Rejected` with the path of the wrong field."""
    return schema.decode(data, Alarm, where)
