"""What the twins want done: typed instructions, carried out by the gateway after the commit they belong to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.stimuli import Reply
from twins.values import Property

STATE = "$state"
"""Name of the fact and of the series that tell a device's state: no property can have it."""
Sides = Literal["reported", "desired", "both", "all"]


class Instruction(Struct, frozen=True, gc=False):
    """Root of all instructions; `cause` is that of the stimulus. Built from parts, so no cycle: none is collected."""

    device: str
    cause: str


class Persist(Instruction, frozen=True, tag=True):
    """The device's twin changed: write it with this batch."""


class Forget(Instruction, frozen=True, tag=True):
    """The device's twin is gone: delete it with this batch."""


class Remember(Instruction, frozen=True, tag=True):
    """The message with this digest is stored: write the digest with this batch, so that its repeat is known."""

    seq: int


class Fact(Instruction, frozen=True, tag=True):
    """A reported value, changed or not: a point of the series `device/name`, and an input of rules.

    `number` is the value read by its kind, `None` when it is none; `text` says that the kind is text all the same.
    `seq` makes the point idempotent.
    """

    name: str
    value: str
    number: float | None
    at: int
    seq: int
    changed: bool = True
    text: bool = False


class Answer(Instruction, frozen=True, tag=True):
    """Answer a request. `kind` picks the topic; `properties` are those to show, `None` for a deleted one."""

    kind: Literal["update", "get"]
    reply: Reply
    properties: dict[str, Property | None]
    sides: dict[str, Sides]


class Document(Instruction, frozen=True, tag=True):
    """Publish what changed: per property its last and its current self."""

    event: str
    changes: dict[str, tuple[Property | None, Property | None]]


class Delta(Instruction, frozen=True, tag=True):
    """Publish what is asked and not yet reported: every living property that has a desired value."""

    properties: dict[str, Property]


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


class Roster(Instruction, frozen=True, tag=True):
    """Answer a membership request with `(id, description, state, last_online)` of each member."""

    reply: Reply
    members: tuple[tuple[str, str, str, int], ...]


class Membership(Instruction, frozen=True, tag=True):
    """A device was added to or removed from this node."""

    added: bool
    description: str = ""


class Refuse(Instruction, frozen=True, tag=True):
    """Answer that a request was refused. `topic` is the request's topic."""

    code: int
    reason: str
    reply: Reply
    topic: str


class Actuate(Instruction, frozen=True, tag=True):
    """Somebody asked something of the device: hand the desired values to whoever talks to it."""

    values: dict[str, str]


class Conflict(Instruction, frozen=True, tag=True):
    """The desired value changed in the cloud and at the edge: the cloud's holds, and a person is told of both."""

    name: str
    edge: str | None
    cloud: str | None
