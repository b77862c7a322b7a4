"""What CloudHub says, as typed values; `cloud/frames.py` reads them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from twins.kubeedge.wishes import CloudAttribute, CloudTwin

Operation = Literal["insert", "update", "delete"]
Wanted = Literal["subscribe", "unsubscribe", "publish"]


class Object(Struct, frozen=True):
    """An object of the cloud was made, changed or removed. It must be acknowledged, whatever its kind.

    `kind` is the resource's second segment (`device`, `devicemodel`, `node`, `secret`, …).
    """

    id: str
    source: str
    operation: Operation
    resource: str
    namespace: str
    kind: str
    name: str
    version: str
    content: bytes


class Members(Struct, frozen=True):
    """Devices were bound to this node, or released; with `whole`, `added` are all there are. Not acknowledged."""

    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    whole: bool = False


class Member(Struct, frozen=True):
    """A device in a membership message; only old clouds say more than its id, name and description."""

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    attributes: dict[str, CloudAttribute | None] | None = None
    twin: dict[str, CloudTwin | None] | None = None


class TwinUpdate(Struct, frozen=True):
    """What an old cloud desires of a device, with versions. Not acknowledged."""

    device: str
    content: bytes


class Answered(Struct, frozen=True):
    """The answer to our message `parent`. `ok` is false when the cloud reports an error."""

    parent: str
    ok: bool
    content: bytes = b""


class Ping(Struct, frozen=True):
    """The transport asks whether we live; answered with `ack`."""

    id: str
    resource: str


class Routed(Struct, frozen=True):
    """The rule router wants a topic here heard, or heard no more, or this published on it. Not acknowledged."""

    operation: Wanted
    topic: str
    payload: bytes = b""


class Other(Struct, frozen=True):
    """A message that means nothing to us, and that nobody waits for."""

    what: str


Incoming = Object | Members | TwinUpdate | Answered | Ping | Routed | Other
