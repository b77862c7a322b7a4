"""What a rule may do: each action is a struct, and `Action` has one of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rules.manifest.form import Name, Node, Source, Text
from twins.duration import Duration
from twins.exchange import Severity

Late = Literal["fire", "skip", "resume"]


class SetAction(Node, frozen=True):
    """Ask a desired value of a device."""

    device: Text
    property: Annotated[str, Meta(min_length=1, max_length=253)]
    """Name of the property."""
    value: Source


class AlertAction(Node, frozen=True):
    """Tell people; `picture` asks for the device's picture of that moment."""

    message: Text
    severity: Severity = "alert"
    """How much it matters."""
    picture: bool = False
    """Keep the camera's picture of that moment with it."""


class TimerAction(Node, frozen=True):
    """Start a timer, or start it again. `seconds`, `after` or `expression`, one of them; from 10 ms to 366 days."""

    name: Name
    seconds: float | None = None
    """How long, from 0.01."""
    after: str | None = None
    """How long in words, as `5m`."""
    expression: Source | None = None
    """How long in seconds, as a CEL expression; whole milliseconds of it count."""
    late: Late = "fire"
    """If it is due while the gateway is down: at once, not at all, or its time counts only while the gateway runs."""

    @property
    def length(self) -> Duration | None:
        return self.seconds if self.after is None else self.after


What = Literal[
    "raised", "acknowledged", "cleared", "snoozed", "disabled", "enabled", "reset", "escalated", "reminded", "changed",
    "removed",
]  # fmt: skip


class NoticeAction(Node, frozen=True):
    """Say what became of an alarm, and note it in its variables: made by `kind: Alarm`, not written by hand."""

    what: What
    """What became of it."""
    state: str
    """The state that it is in from now on."""
    message: Text | None = None
    """When it is raised: what people are told."""


class Action(Node, frozen=True):
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
    restart: Name | None = None
    """Start the timer of this name again with the length that it had last."""
    notice: NoticeAction | None = None
    """Say what became of an alarm: of use to `kind: Alarm` alone."""

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the fields that are given."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)


Actions = Annotated[tuple[Action, ...], Meta(max_length=16)]
