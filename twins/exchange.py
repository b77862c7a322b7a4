"""Structs that cross rims: frozen, without behaviour. Ports are structural, so implementers import only these.

Times are microseconds since 1970 UTC, durations here are `int` microseconds (suffix `_us`).
"""

from __future__ import annotations

from typing import Any, Literal, NewType

from msgspec import Struct

PixelFormat = Literal["jpeg", "rgb24", "bgr24", "nv21", "yuv420p", "gray8"]
Severity = Literal["info", "warning", "alert", "error"]
Scalar = str | int | float | bool | None
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Years 1 to 9999, in microseconds: what Python, Parquet's readers and people agree is a time."""

Ticket = NewType("Ticket", int)
"""The number of a batch; `Journal.committed(ticket)` returns when it is on disk."""


class Frame(Struct, frozen=True):
    """One picture. `data` is the encoded or raw picture, rows without padding; `seq` counts at its source.

    `received` is the monotonic time in seconds at which the picture was complete at our door.
    """

    device: str
    seq: int
    at: int
    received: float
    width: int
    height: int
    format: PixelFormat
    data: bytes | memoryview
    cause: str = ""
    rotation: int = 0


class Box(Struct, frozen=True, gc=False):
    """A rectangle in parts of the picture's width and height, 0..1; `x`, `y` is its upper left corner."""

    x: float
    y: float
    w: float
    h: float


class Detection(Struct, frozen=True):
    """One thing a model saw. `scores` holds all classes of a classifier in the order of the model's labels.

    `points` are a face's five key points (x, y) in parts of the picture; `within` is the index of the detection
    that this one refines (an emotion of a face).
    """

    label: str
    score: float
    box: Box | None = None
    scores: tuple[float, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    track: int | None = None
    within: int | None = None


class Result(Struct, frozen=True):
    """What a model said of one frame, with what each stage cost."""

    device: str
    model: str
    version: str
    seq: int
    at: int
    detections: tuple[Detection, ...]
    queue_us: int = 0
    decode_us: int = 0
    infer_us: int = 0
    post_us: int = 0
    cause: str = ""
    width: int = 0
    height: int = 0


class ModelInfo(Struct, frozen=True):
    """What a loaded model is."""

    name: str
    version: str
    task: str
    labels: tuple[str, ...]
    width: int
    height: int
    sha256: str
    licence: str


class Point(Struct, frozen=True, gc=False, array_like=True):
    """One value of one series. (series, at, seq) is its identity: written twice, it is one point."""

    series: str
    at: int
    seq: int
    number: float | None
    text: str | None


Sample = tuple[str, str, int, int | float | bool | str]
"""A value of the past: the device as `namespace/name`, its property, microseconds since 1970, and what it was."""

DESIRED = "desired:"
"""What the name of a series begins with that is the history of a desired value; the reported one's name follows."""


DESIRED = "desired:"
"""What the name of a series begins with that is the history of a desired value; the reported one's name follows."""


class Event(Struct, frozen=True):
    """Something a person may want to know. `id` is made from its cause, so that a repeat is the same event."""

    id: str
    at: int
    kind: str
    object: str
    severity: Severity
    message: str
    cause: str = ""
    detail: dict[str, str] = {}


class Condition(Struct, frozen=True):
    """Something that keeps an object from being what its manifest says: a word for programs, a line for people."""

    reason: Literal["ModelMissing", "Invalid", "Unconfirmed"]
    message: str


class OutboxRow(Struct, frozen=True):
    """One thing to do that is no twin: a message is kept until the cloud has it, a topic while one of the cloud's rules
    wants it heard, an action of a rule until it is done. `seq` orders rows of one kind.
    """

    key: str
    kind: Literal["twin", "state", "event", "message", "topic", "action"]
    device: str
    seq: int
    body: bytes
    cause: str = ""


class Mark(Struct, frozen=True):
    """One moment on the two clocks, microseconds: a time that never jumps, and the wall clock's."""

    steady: int
    wall: int


class Decision(Struct, frozen=True):
    """What a rule decided at one input or timer, kept so that `why` can be answered after a restart too.

    `rule` is `namespace/detector`, `key` its instance; `input` what came: `device/property`, or `timer NAME`. `asked`
    names each `device/property` that was asked of a device, every name between line breaks. `body` tells all, as JSON.
    """

    at: int
    cause: str
    rule: str
    key: str
    input: str
    chosen: str
    before: str
    after: str
    asked: str
    body: str


class Batch(Struct):
    """Everything one commit writes. `None` in place of bytes deletes."""

    twins: dict[str, bytes | None] = {}
    rules: dict[str, bytes | None] = {}
    streams: dict[str, bytes | None] = {}
    timers: dict[str, tuple[int, bytes] | None] = {}
    manifests: dict[tuple[str, str], bytes | None] = {}
    points: list[Point] = []
    results: list[Result] = []
    events: list[Event] = []
    outbox: dict[str, OutboxRow | None] = {}
    decisions: list[Decision] = []
    seen: list[int] = []
    """Digests of the messages this batch stored, so that a repeat is known after a restart."""
    clock: Mark | None = None
    """By which the deadlines of timers are read after a restart."""


class Recovered(Struct):
    """What the journal found on disk."""

    boot: int
    twins: dict[str, bytes]
    rules: dict[str, bytes]
    timers: dict[str, tuple[int, bytes]]
    manifests: dict[tuple[str, str], bytes]
    outbox: list[OutboxRow]
    seen: list[int]
    events: list[Event]
    streams: dict[str, bytes] = {}
    clock: Mark | None = None
    decisions: list[Decision] = []
    """The newest, oldest first."""


class Rows(Struct, frozen=True):
    """An answer to a query. `truncated` tells that the limit cut it."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool = False
    elapsed_us: int = 0


class Newest(Struct, frozen=True):
    """The newest point of a series."""

    device: str
    property: str
    at: int
    value: float | None
    text: str | None


class Encoded(Struct, frozen=True):
    """An answer to a query as bytes: an Arrow IPC stream, CSV with its head, or for JSON an array of arrays.

    `notice` says in words why it was cut, and is empty when it is whole; `plan` what it was read from.
    """

    columns: tuple[str, ...]
    body: bytes
    rows: int
    notice: str = ""
    plan: str = ""
    elapsed_us: int = 0


class Verdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of one property of a request, and the desired value that holds.

    `kept`: the edge's own value holds, as it changed and the cloud's did not; `known`: it was taken before; `stale`: a
    newer one was; `refused` for a `reason`, with a `code` of HTTP's.
    """

    outcome: Literal["accepted", "kept", "known", "stale", "refused"]
    value: str | None = None
    reason: str = ""
    code: int = 0


class Outcome(Struct, frozen=True, gc=False):
    """What became of an offered input, told after its commit. `refused` is the reason, `None` when it was accepted.

    `verdicts` tell of each property where they were asked for.
    """

    refused: str | None = None
    code: int = 0
    verdicts: dict[str, Verdict] = {}
