"""What a rule may do: each action is a struct, and `Action` has one of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from rules.manifest.form import Name, Node, Source, Text
from twins.duration import Duration
from twins.exchange import Severity

Word = Annotated[str, Meta(min_length=1, max_length=253)]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$",
        max_length=2048,
        description="a URL without a password, such as https://example.com/hook",
    ),
]
Field = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", description="the name of an HTTP header")]
Line = Annotated[str, Meta(max_length=1024, pattern=r"^[^\r\n\x00]*$", description="one line of text")]


Late = Literal["fire", "skip", "resume"]


class Limit(Node, frozen=True):
    """How often an instance may do it at most; what is beyond is held back, counted and told."""

    times: Annotated[int, Meta(ge=1, le=100_000)]
    """So many times"""
    per: Duration = "1m"
    """in such a time, as `1m`."""


class SetAction(Node, frozen=True):
    """Ask a desired value of a device."""

    device: Text
    property: Word
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


class PublishAction(Node, frozen=True):
    """Publish a message at the gateway's broker."""

    topic: Text
    """Where; not on topics that begin with `$`."""
    payload: Text | None = None
    """What; absent: all that is known, as JSON."""
    qos: Literal[0, 1] = 1
    """0: sent once, when the broker is there; 1: until the broker has it."""
    retain: bool = False
    """The broker keeps it for who subscribes later."""


class CallAction(Node, frozen=True):
    """Call a method of a device: as in KubeEdge, a method writes the properties that it names."""

    device: Text
    method: Word
    """Name of the method in the device's manifest."""
    arguments: Annotated[dict[Word, Source], Meta(min_length=1, max_length=32)]
    """A value for properties of the method, each a CEL expression."""


class Signature(Node, frozen=True):
    """Proof that it was us: HMAC with SHA-256 over the body."""

    key_file: Annotated[str, Meta(min_length=1, max_length=1024)]
    """File on the gateway with the secret that both sides know."""
    header: Field = "X-Signature-256"
    """Where it stands, as `sha256=HEX`."""


class WebhookAction(Node, frozen=True):
    """Call a web server, again and again until it has answered or the time is over."""

    url: Url
    """Where; the certificate of `https` is checked."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """HTTP method."""
    headers: Annotated[dict[Field, Line], Meta(max_length=32)] = field(default_factory=dict)
    """More headers. Secrets belong into `signature.keyFile`."""
    body: Text | None = None
    """What; absent: all that is known, as JSON."""
    signature: Signature | None = None
    """Sign the body."""
    ca_file: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    """Certificates to trust in place of the system's."""
    within: Duration = "1h"
    """How long it is tried."""


class NotifyAction(Node, frozen=True):
    """Send a message to people by a `Channel`."""

    channel: Word
    """Name of the Channel, `name` or `namespace/name`."""
    message: Text
    severity: Severity = "alert"
    """How much it matters."""


class WriteAction(Node, frozen=True):
    """Write a point of the rule's own: its device is named after the rule and, where it has many, the instance."""

    property: Word
    """Name of the series' property."""
    value: Source


class ClipAction(Node, frozen=True):
    """Keep the pictures of a camera around this moment."""

    camera: Text
    before: Duration = 10.0
    """So much from before."""
    after: Duration = 10.0
    """And so much from after."""


class UploadAction(Node, frozen=True):
    """Send what was recorded around this moment by an `Upload`."""

    name: Word
    """Name of the Upload, `name` or `namespace/name`."""
    before: Duration = "10m"
    """So much from before."""
    after: Duration = 0.0
    """And so much from after: then it goes."""


class InferAction(Node, frozen=True):
    """Run a model on the newest picture of a camera; what it counts is reported by the camera's twin."""

    camera: Text
    model: Word
    """Name of the pipeline, as `gemelo model list` shows it."""


class SignalAction(Node, frozen=True):
    """Feed an input of another rule, or of another instance of this one, in the same moment."""

    detector: Word
    """Name of the rule, `name` or `namespace/name`."""
    input: Name
    """Which of its inputs; the value must be of its type."""
    value: Source
    key: Text | None = None
    """Which instance; absent: the one with this instance's key."""


class Plain(Node, frozen=True):
    """One thing to do, without waiting for what becomes of it: exactly one action is given."""

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
    publish: PublishAction | None = None
    """Publish a message at the broker."""
    call: CallAction | None = None
    """Call a method of a device."""
    webhook: WebhookAction | None = None
    """Call a web server."""
    notify: NotifyAction | None = None
    """Send a message to people."""
    write: WriteAction | None = None
    """Write a point."""
    clip: ClipAction | None = None
    """Keep pictures."""
    upload: UploadAction | None = None
    """Send what was recorded."""
    infer: InferAction | None = None
    """Run a model."""
    signal: SignalAction | None = None
    """Feed another rule."""
    limit: Limit | None = None
    """How often an instance may do it."""
    dry_run: bool = False
    """Say what would be done, and do not do it."""

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the actions that are given."""
        return tuple(name for name in ACTIONS if getattr(self, name) is not None)


ACTIONS = tuple(name for name in Plain.__struct_fields__ if name not in {"limit", "dry_run"})
"""The names of all actions."""
INWARD = frozenset({"assign", "timer", "clear", "restart", "notice"})
"""Those that change nothing but the instance."""


class AwaitedSet(SetAction, frozen=True):
    """Ask a desired value of a device and, with `within`, wait until the device reports it."""

    within: Duration | None = None
    """How long it may take."""
    otherwise: Annotated[tuple[Plain, ...], Meta(max_length=16)] = field(default=(), name="else")
    """What to do when it has not by then, or refuses."""


class Action(Plain, frozen=True):
    """One thing to do: exactly one action is given."""

    set: AwaitedSet | None = None
    """Ask a desired value of a device."""


Actions = Annotated[tuple[Action, ...], Meta(max_length=16)]
