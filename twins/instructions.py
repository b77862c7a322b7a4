"""What the twins want done: typed instructions, carried out by the gateway after the commit they belong to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.exchange import Verdict
from twins.property import Change, Sides
from twins.stimuli import Reply
from twins.values import Attribute, Property

STATE = "$state"
"""Name of the fact and of the series that tell a device's state: no property can have it."""
CLOUD_TOPIC = "twin/cloud_updated"
"""The topic that is the cloud's alone."""


class Instruction(Struct, frozen=True, gc=False):
    """Root of all instructions; `cause` is that of the stimulus. Built from parts, so no cycle: none is collected."""

    device: str
    cause: str


class Persist(Instruction, frozen=True, tag=True):
    """The device's twin changed: write it with this batch."""


class Forget(Instruction, frozen=True, tag=True):
    """The device's twin is gone: delete it with this batch."""


class Revision(Instruction, frozen=True, tag=True):
    """Properties changed: write the twin, keep what was reported as points, answer, publish the document.

    `gone` maps what was deleted to its last self. Nobody is answered without a `reply`. `seq` makes the points
    idempotent; `digest` names the message, so that its repeat is known: write it with this batch unless it is 0.
    With `short` the document goes on the older topic too.
    """

    changes: dict[str, Change]
    gone: dict[str, Property | None] = {}
    event: str = ""
    reply: Reply | None = None
    seq: int = 0
    digest: int = 0
    short: bool = False


Source = Literal["reported", "desired", "webhook", "topic"]
"""Where a fact comes from; results of queries count as reported."""


class Fact(Instruction, frozen=True, tag=True):
    """A reported value or a state, changed or not: an input of rules, and a point of the series `device/name`.

    `number` is the value read by its kind, `None` when it is none; `text` says that the kind is text all the same.
    `seq` makes the point idempotent. What is of another `source` than reported is an input of rules alone.
    """

    name: str
    value: str
    number: float | None
    at: int
    seq: int
    changed: bool = True
    text: bool = False
    source: Source = "reported"


class Answer(Instruction, frozen=True, tag=True):
    """Answer a request that changed nothing. `kind` picks the topic; a property that is `None` was deleted."""

    kind: Literal["update", "get"]
    reply: Reply
    properties: dict[str, Property | None]
    sides: dict[str, Sides]


class Delta(Instruction, frozen=True, tag=True):
    """Publish what is asked and not yet reported: every living property that has a desired value."""

    properties: dict[str, Property]
    short: bool = False


class Verdicts(Instruction, frozen=True, tag=True):
    """Answer whoever requested what is desired: what became of it, property by property."""

    verdicts: dict[str, Verdict]


class StateAnswer(Instruction, frozen=True, tag=True):
    """Answer a state update."""

    reply: Reply
    state: str
    last_online: int


class Status(Instruction, frozen=True, tag=True):
    """The state to show changed from `before` to `state`; `reason` says why, `at` when."""

    state: str
    before: str
    reason: str
    at: int


class Member(Struct, frozen=True, gc=False):
    """A device, as those see it who ask which there are."""

    device: str
    description: str = ""
    state: str = ""
    last_online: int = 0
    attributes: dict[str, Attribute] = {}


class Roster(Instruction, frozen=True, tag=True):
    """Answer a membership request."""

    reply: Reply
    members: tuple[Member, ...]


class Membership(Instruction, frozen=True, tag=True):
    """A device was added to or removed from this node; `properties` are those that were told with it."""

    added: bool
    member: Member
    properties: dict[str, Property] = {}


class Attributes(Instruction, frozen=True, tag=True):
    """Publish the attributes of a device that changed."""

    values: dict[str, Attribute]


class Refuse(Instruction, frozen=True, tag=True):
    """Answer that a request was refused. `topic` is the request's topic; `early` as in `Refused`."""

    code: int
    reason: str
    reply: Reply
    topic: str
    early: bool = False


class Actuate(Instruction, frozen=True, tag=True):
    """Somebody asked something of the device: hand the desired values to whoever talks to it."""

    values: dict[str, str]


class Conflict(Instruction, frozen=True, tag=True):
    """The desired value changed in the cloud and at the edge: the cloud's holds, and a person is told of both."""

    name: str
    edge: str | None
    cloud: str | None
