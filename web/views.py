"""What the console and the HTTP API show: frozen copies, never the living twins.

Times (`at`, `seen`, `since`, `now`) are microseconds since 1970 UTC, 0 when unknown; `_ms` are milliseconds.
Every field is always present on the wire, so that a client never has to guess a default.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.exchange import Condition, Severity

PartState = Literal["ok", "degraded", "down", "off"]


class PartView(Struct, frozen=True):
    """One part of the gateway. `detail` says why it is not well, and what to do."""

    name: str
    state: PartState
    detail: str = ""


class Health(Struct, frozen=True):
    """`live`: the process turns; `ready`: recovery is over and input is taken."""

    live: bool
    ready: bool
    parts: tuple[PartView, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """`part: detail` of every part that is degraded or down."""
        return [
            f"{part.name}: {part.detail or part.state}" for part in self.parts if part.state in ("degraded", "down")
        ]


class NodeView(Struct, frozen=True):
    """The gateway itself."""

    name: str
    site: str = ""
    version: str = ""
    started: int = 0


class PropertyView(Struct, frozen=True):
    """One property. `choices` are the values a person may pick; empty means any of its kind.

    `trend` is the recent past for a sparkline, oldest first. In a change it may be `None`: the page then continues
    the line it has with `reported`. `reported_version` and `desired_version` are each side's counters, edge and cloud;
    `synced` says that the cloud has confirmed both sides.
    """

    name: str
    kind: str = "string"
    reported: str | None = None
    reported_at: int = 0
    desired: str | None = None
    desired_at: int = 0
    edge_version: int = 0
    cloud_version: int = 0
    drifts: bool = False
    unit: str = ""
    writable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    trend: tuple[float, ...] | None = None
    reported_version: tuple[int, int] = (0, 0)
    desired_version: tuple[int, int] = (0, 0)
    synced: bool = False


class CostView(Struct, frozen=True):
    """Where the time of a picture goes at this gateway, averaged over the last pictures: the four follow each other."""

    queue_ms: float = 0.0
    decode_ms: float = 0.0
    infer_ms: float = 0.0
    post_ms: float = 0.0


class DeviceView(Struct, frozen=True):
    """One device, `id` being `namespace/name` and `model` its DeviceModel. `cost` is there when it sends pictures.

    `reason` says why it is in its state, in words; `interval` is how often it is expected to speak in seconds, 0 when
    it need not; `conditions` are what keeps it from being what its manifest says.
    """

    id: str
    model: str = ""
    state: str = ""
    seen: int = 0
    description: str = ""
    properties: tuple[PropertyView, ...] = ()
    cost: CostView | None = None
    reason: str = ""
    interval: float = 0.0
    conditions: tuple[Condition, ...] = ()


class BoxView(Struct, frozen=True):
    """A rectangle in parts of the picture, 0..1, `x`, `y` being its upper left corner."""

    label: str
    score: float
    x: float
    y: float
    w: float
    h: float
    track: int | None = None


class CameraView(Struct, frozen=True):
    """One camera. `boxes` belong to the picture of version `picture`; 0 means that there is none yet."""

    id: str
    state: str = ""
    reason: str = ""
    fps: float = 0.0
    skipped: int = 0
    queue_ms: float = 0.0
    infer_ms: float = 0.0
    width: int = 0
    height: int = 0
    boxes: tuple[BoxView, ...] = ()
    picture: int = 0
    decode_ms: float = 0.0
    post_ms: float = 0.0


class InstanceView(Struct, frozen=True):
    """One keyed machine of a rule. `decision` says in words what it decided last, at `decided`; `why` in lines why."""

    key: str
    state: str
    since: int = 0
    decision: str = ""
    cause: str = ""
    why: str = ""
    decided: int = 0


class DecisionView(Struct, frozen=True):
    """What one keyed machine decided `at` a time, in words, and `why` in lines."""

    key: str
    at: int
    cause: str
    decision: str
    why: str


class RuleView(Struct, frozen=True):
    """One rule. `states` counts all its machines by state; `instances` are at most some hundred of them, `recent` its
    last decisions, newest first. `counts` are its evaluations, its decisions, and by reason (`missing`, `mistyped`,
    `failed`) the conditions without a usable value, since the start or its last change. `conditions` are what keeps it
    from being evaluated.

    In `svg`, whatever stands for a state carries `data-state="NAME"`, and for a way between two of them `data-from`
    and `data-to`: the page lights them. It takes shapes, text and geometry from there, never colours.
    """

    name: str
    description: str = ""
    svg: str = ""
    mermaid: str = ""
    instances: tuple[InstanceView, ...] = ()
    states: dict[str, int] = {}
    recent: tuple[DecisionView, ...] = ()
    counts: dict[str, int] = {}
    conditions: tuple[Condition, ...] = ()


class AlarmView(Struct, frozen=True):
    """One alarm of one key. `since` is when it came into its state, `raised` when it was raised last, 0 for never.

    `until` ends its snooze, 0 for none. `count` is how often its condition began to hold since it was raised, `level`
    how often it was escalated; `who` gave the last command since then, and `note` says why. `commands` make sense now.
    """

    alarm: str
    key: str
    state: str
    severity: Severity
    since: int = 0
    message: str = ""
    raised: int = 0
    until: int = 0
    count: int = 0
    level: int = 0
    who: str = ""
    note: str = ""
    device: str = ""
    cause: str = ""
    commands: tuple[str, ...] = ()


class CloudView(Struct, frozen=True):
    """The ledger of the sync: `pending` waits here, `sent` is on its way or there, `confirmed` is there for certain."""

    kind: str = "none"
    state: Literal["connected", "connecting", "cut", "off"] = "off"
    reason: str = ""
    since: int = 0
    pending: int = 0
    sent: int = 0
    confirmed: int = 0
    lost: int = 0
    doubled: int = 0


class EventView(Struct, frozen=True):
    """Something a person may want to know.

    `cause` is the id of the input that started it, `why` the same in words, line by line; `picture` is a key for
    `/api/v1/pictures/{key}`.
    """

    id: str
    at: int
    kind: str
    object: str
    severity: Severity
    message: str
    cause: str = ""
    why: str = ""
    picture: str = ""


class PointView(Struct, frozen=True):
    """One recorded value of a property, as the device wrote it where that is known."""

    at: int
    value: str

    @staticmethod
    def of(at: int, kind: str, number: float | None, text: str | None = None) -> PointView:
        """A point of the store, which keeps numbers and booleans as numbers."""
        if text is not None or number is None:
            return PointView(at, text or "")
        match kind:
            case "boolean":
                return PointView(at, ("false", "true")[number != 0])
            case "int" | "integer":
                return PointView(at, f"{number:.0f}")
        return PointView(at, f"{number:.15g}")


class HintView(Struct, frozen=True):
    """A line to copy that connects something of one's own."""

    title: str
    command: str


class QueryView(Struct, frozen=True):
    """An example for the SQL box."""

    title: str
    query: str


class Members(Struct, frozen=True):
    """Everything there is, by id: what is shown and not named here has left."""

    devices: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


class Snapshot(Struct, frozen=True):
    """What changed after some revision; all there is when `whole`.

    `revision` is what to ask from next. In a change, `None` and empty mean unchanged; `members` is there when
    something left; `events` are the new ones only; `alarms` are all of those that matter, the worst first.
    """

    revision: int
    whole: bool
    now: int
    node: NodeView | None = None
    health: Health | None = None
    cloud: CloudView | None = None
    devices: tuple[DeviceView, ...] = ()
    cameras: tuple[CameraView, ...] = ()
    rules: tuple[RuleView, ...] = ()
    events: tuple[EventView, ...] = ()
    alarms: tuple[AlarmView, ...] | None = None
    members: Members | None = None
    hints: tuple[HintView, ...] = ()
    queries: tuple[QueryView, ...] = ()
