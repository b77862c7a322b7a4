"""What can happen to the twins: one typed stimulus each, taken in one total order by `Twins.handle`.

Common fields: `device` is `namespace/name`; `cause` is `door:boot:counter`, the id of the input that started it;
`at` is when it happened at its source and `seen` when it arrived, both in microseconds UTC.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.exchange import Event, OutboxRow, Point, Result
from twins.liveness import Presence, Rhythm
from twins.values import Attribute, Declared, Origin, Version


class Reply(Struct, frozen=True, gc=False):
    """Where an answer goes: the request's `event_id`, and whether it came on a one-segment (pre-1.16) topic."""

    event: str = ""
    short: bool = False


class Edit(Struct, frozen=True, gc=False):
    """A change to one property; absent sides stay as they are. `at` is the source's own time of the value.

    `observed` is what a mapper believes to be desired: taken while nothing ever was, for else it is old news.
    """

    reported: str | None = None
    desired: str | None = None
    kind: str | None = None
    optional: bool | None = None
    at: int | None = None
    observed: str = ""


class Wish(Struct, frozen=True, gc=False):
    """What a cloud of the older protocol desires of one property; `version` is the pair it counts on.

    `kind` "deleted" asks for its deletion, which `reported_version` may guard too.
    """

    desired: str | None = None
    version: Version | None = None
    kind: str | None = None
    optional: bool | None = None
    reported_version: Version | None = None


class Stimulus(Struct, frozen=True, gc=False):
    """Root of all stimuli. Built from parts, so no cycle: none is collected."""

    device: str
    cause: str
    seen: int


class Updated(Stimulus, frozen=True, tag=True):
    """Properties change; all of `edits` or none. `None` in place of an edit deletes the property.

    `seq` is the 64-bit digest of the source message: the same message again is the same point. `repeats` says that
    the source may send the same message again until it is answered, so a known `seq` is answered and not stored.
    Without `reply` (telemetry, rules, the page) nobody is answered; document and delta are published all the same.
    """

    edits: dict[str, Edit | None]
    at: int
    seq: int = 0
    repeats: bool = False
    origin: Origin = "device"
    reply: Reply | None = None
    named: bool = False
    """The source gave it a name and a time of its own: its digest is its own for as long as it is remembered."""
    topic: str = ""
    """Where it came in, of a message that came on one."""


class Asked(Stimulus, frozen=True, tag=True):
    """Somebody asks for the whole twin (`twin/get`)."""

    reply: Reply


class Seen(Stimulus, frozen=True, tag=True):
    """The device says how it is (`state/update`), or its door or its last will does; `reason` says why, for people."""

    state: str
    reply: Reply | None = None
    reason: str = ""
    seq: int = 0


class Missed(Stimulus, frozen=True, tag=True):
    """The device is silent for too long: `presence` holds, for a `reason`, unless it was heard since `heard`."""

    heard: int
    presence: Presence
    reason: str


class Learned(Stimulus, frozen=True, tag=True):
    """The gateway learned something from its history; `device` is empty. Lessons are kept by key, `None` deletes.

    `points` are what it expects, as it says now: rules see them.
    """

    lessons: dict[str, bytes | None]
    points: tuple[Point, ...] = ()


class Listed(Stimulus, frozen=True, tag=True):
    """Somebody asks which devices this node has (`membership/get`); `device` is empty."""

    reply: Reply


class Joined(Stimulus, frozen=True, tag=True):
    """A device becomes a member, or its manifest changes: `properties` maps names to what the manifest declares.

    `rhythm` is what it says of how often the device speaks; `None` leaves that as it is.
    """

    properties: dict[str, Declared]
    description: str = ""
    model: str = ""
    origin: Origin = "edge"
    rhythm: Rhythm | None = None


class Admitted(Stimulus, frozen=True, tag=True):
    """A cloud of the older protocol lists the device as a member. What is listed again is no news."""

    description: str = ""
    state: str = ""
    attributes: dict[str, Attribute] = {}
    wishes: dict[str, Wish] = {}


class Enumerated(Stimulus, frozen=True, tag=True):
    """These are all members the cloud knows; of those it made, the others leave. `device` is empty."""

    devices: frozenset[str]


class Synchronised(Stimulus, frozen=True, tag=True):
    """A cloud of the older protocol says what it desires (`twin/cloud_updated`): the newer version wins."""

    wishes: dict[str, Wish]
    event: str = ""
    reply: Reply | None = None


class Requested(Stimulus, frozen=True, tag=True):
    """A cloud desires values, `None` for nothing, in a message of its own; a newer one has a larger `version`.

    A `whole` request desires nothing of the properties that it leaves out.
    """

    desired: dict[str, str | None]
    version: int
    whole: bool = False


class Left(Stimulus, frozen=True, tag=True):
    """A device is a member no more; its twin is removed, or only one of that `origin` when it is given."""

    origin: str = ""


class Inferred(Stimulus, frozen=True, tag=True):
    """A model saw something: the rows go to the results, `values` to the reported side of the device's twin."""

    result: Result
    values: dict[str, str]
    at: int
    seq: int = 0


class Refused(Stimulus, frozen=True, tag=True):
    """An input refused at the door (bad JSON, bad key) passes the sequencer too, so that its answer keeps its place.

    `early`: EdgeCore refuses it before it knows who asks, and its answer goes to nobody's topic.
    """

    code: int
    reason: str
    topic: str
    reply: Reply
    early: bool = False


class Recorded(Stimulus, frozen=True, tag=True):
    """Values of the past, which a device kept while nobody heard it: points alone, for no twin and no rule."""

    points: tuple[Point, ...]


class Heard(Stimulus, frozen=True, tag=True):
    """Something for rules alone: the JSON `body` of the webhook `name`, or of a message on the topic `name`.

    `device` is empty: which one it is of says each rule. A message that is no JSON is its text.
    """

    source: Literal["webhook", "topic"]
    name: str
    body: object


class Expired(Stimulus, frozen=True, tag=True):
    """A timer of a rule is due; `device` is empty, `timer` its id, `due` the deadline it was set to."""

    timer: str
    due: int


class Confirmed(Stimulus, frozen=True, tag=True):
    """The cloud confirmed a report: per property the edge versions (reported, desired) it now has.

    `joined` is that of the twin reported of, 0 if unknown: of an earlier device of the same name it proves nothing.
    """

    versions: dict[str, tuple[int, int]]
    joined: int = 0


class Ordered(Stimulus, frozen=True, tag=True):
    """A person or a program gives a command to the alarm `namespace/name` of `key`; `device` is empty.

    `order` is the command as the rules write it.
    """

    alarm: str
    key: str
    order: str


class Applied(Stimulus, frozen=True, tag=True):
    """A manifest is applied, or deleted with `body` `None`; `device` is empty, `name` is `namespace/name`."""

    kind: str
    name: str
    body: bytes | None


class Queued(Stimulus, frozen=True, tag=True):
    """These are kept for the cloud, until a `None` in place of a row says that they need not be. No device."""

    rows: dict[str, OutboxRow | None]


class Noted(Stimulus, frozen=True, tag=True):
    """The gateway noticed something that people may want to know; `device` may be empty."""

    event: Event
