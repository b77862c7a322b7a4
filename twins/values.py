"""The values a twin is made of. All frozen; a change makes a new value.

Times are `int` microseconds since 1970 UTC. Values of properties are strings, as on KubeEdge's wire;
`Property.kind` says how to read them (`string`, `int`, `float`, `double`, `boolean`, `bytes`).
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct, field

from twins.liveness import Life, shown

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
NAME_RULE = "1 to 253 small letters, digits, hyphens and dots, with a letter or digit at both ends"
PROPERTIES = 4096
"""Properties that a twin has at most: it is written as a whole."""
TEXT = 256 * 1024
"""Characters that all values of a twin may have together: as many as one message."""
Kind = Literal["string", "int", "integer", "float", "double", "boolean", "bytes", "stream"]
Origin = Literal["device", "edge", "cloud"]
"""Who asked for a change: the device itself, somebody at the edge (person, page, rule), or the cloud."""


class Version(Struct, frozen=True, gc=False, array_like=True):
    """KubeEdge's version pair of one side of one property."""

    edge: int = 0
    cloud: int = 0


class Value(Struct, frozen=True, gc=False, array_like=True):
    """One side of a property. `at` is when it arrived, as in KubeEdge; the time at its source goes into its point."""

    value: str
    at: int
    version: Version


class Synced(Struct, frozen=True, gc=False, array_like=True):
    """What the cloud has: edge versions it confirmed, and the desired value both sides agreed on last."""

    reported: int = 0
    desired: int = 0
    base: str | None = None
    at: int = 0
    """When it confirmed last; 0: never."""


class Property(Struct, frozen=True, gc=False, array_like=True):
    """One property of a twin. A deleted one is a tombstone: it keeps its versions and is shown nowhere."""

    reported: Value | None = None
    desired: Value | None = None
    kind: str = "string"
    optional: bool = True
    deleted: bool = False
    synced: Synced = Synced()

    @property
    def drifts(self) -> bool:
        """True while something is asked that the device has not reported."""
        if self.deleted or self.desired is None or not self.desired.value:
            return False
        return self.reported is None or self.reported.value != self.desired.value

    @property
    def unsynced(self) -> bool:
        """True while the cloud has not confirmed the newest version of a side."""
        return (self.reported is not None and self.reported.version.edge > self.synced.reported) or (
            self.desired is not None and self.desired.version.edge > self.synced.desired
        )


class Declared(Struct, frozen=True, gc=False, array_like=True):
    """One property as a Device and its DeviceModel declare it.

    `withheld`: the manifest desires a value, and it is not asked: the model is missing or does not allow it.
    """

    kind: str = "string"
    writable: bool = True
    desired: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    withheld: bool = False


class Attribute(Struct, frozen=True, gc=False, array_like=True):
    """What a cloud says of a device beside its twin, as it said it: `None` is what it left out."""

    value: str
    optional: bool | None = None
    kind: str | None = None


class Twin(Struct):
    """One device's twin. Mutable, and owned by the sequencer alone: everybody else gets copies.

    `seen` is when the device was last heard; `state` is what it said of itself in KubeEdge's words (`ok`, `offline`,
    …), `life` what its silence says; `declared` is what its manifest says of its properties; `origin` made it a member.
    `short`: somebody uses KubeEdge's older topics without a namespace, and is to hear documents and deltas there too.
    `wished` is the version of the newest whole request of a cloud.
    """

    device: str
    properties: dict[str, Property] = {}
    declared: dict[str, Declared] = {}
    description: str = ""
    model: str = ""
    state: str = ""
    last_online: int = 0
    seen: int = 0
    joined: int = 0
    attributes: dict[str, Attribute] = {}
    origin: Origin = "edge"
    short: bool = False
    wished: int = 0
    life: Life = field(default_factory=Life)

    @property
    def status(self) -> str:
        """The state to show and to act on; empty of a device that was never heard."""
        return shown(self.state, self.life.presence)


def is_name(text: str) -> bool:
    """True for a name that Kubernetes would take for an object: a DNS subdomain."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None


def device_id(namespace: str, name: str) -> str:
    """`namespace/name`, the id of a device everywhere inside."""
    return f"{namespace}/{name}"
