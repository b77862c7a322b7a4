"""What the cloud must hear of a twin. Pure.

A report carries all properties of a device that the cloud has not confirmed, in one message. CloudCore stores an
empty entry for the first report of each property (v1.20 to v1.23, upstream.go: it fills a copy of the entry it
appended), so a report with a property that was never confirmed is sent twice, the second time after the first's answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from twins.errors import Unavailable
from twins.values import Property, Twin, Value


class Report(Struct, frozen=True):
    """One message upward. `versions` are the edge versions (reported, desired) that its confirmation proves.

    `twice` tells that a property of it is new to the cloud. Of a state report (`kind` "state") nothing is proved.
    `joined` is the twin's, which tells it from an earlier one of the same name.
    """

    device: str
    content: bytes
    versions: dict[str, tuple[int, int]]
    cause: str = ""
    twice: bool = False
    kind: Literal["twin", "state"] = "twin"
    joined: int = 0


class Unanswered(Unavailable):
    """The link lives, but the cloud said nothing to these reports: it does not know the device, or is in trouble."""

    def __init__(self, reports: Sequence[Report]) -> None:
        names = ", ".join(sorted({one.device for one in reports})[:5])
        super().__init__(f"the cloud did not confirm {len(reports)} reports ({names}); they may be sent again later")
        self.reports = tuple(reports)


def report(twin: Twin, declared: Collection[str], at: int, cause: str = "") -> Report | None:
    """The report of everything unconfirmed; `None` when the cloud has all that it takes.

    `declared` are the properties of the device's manifest in the cloud: it drops all others. `at` is now, in
    microseconds; the cause becomes the message's `event_id`, so that the cloud's records lead back to it.
    """
    pending = {name: one for name, one in twin.properties.items() if name in declared and one.unsynced}
    if not pending:
        return None
    said = {name: _property(one) for name, one in pending.items()}
    content = {"event_id": cause, "timestamp": at // 1000, "twin": said}
    versions = {name: _versions(one) for name, one in pending.items()}
    twice = not all(map(_known, pending.values()))
    return Report(twin.device, msgspec.json.encode(content), versions, cause, twice, joined=twin.joined)


def state_report(twin: Twin, at: int, cause: str = "") -> Report | None:
    """The device's state; `None` while it was never heard."""
    if not twin.status:
        return None
    name = twin.device.partition("/")[2]
    said = {"name": name, "state": twin.status}
    if twin.last_online:
        when = datetime.fromtimestamp(twin.last_online // 1_000_000, UTC)
        said["lastOnlineTime"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {"event_id": cause, "timestamp": at // 1000, "device": said}
    return Report(twin.device, msgspec.json.encode(content), {}, cause, kind="state")


def undeclared(twin: Twin, declared: Collection[str]) -> tuple[str, ...]:
    """The living properties that the cloud would drop, because its Device does not list them."""
    return tuple(sorted(n for n, one in twin.properties.items() if n not in declared and not one.deleted))


def _known(one: Property) -> bool:
    """True when the cloud has an entry of it, or needs none."""
    return bool(one.deleted or one.synced.at or one.synced.reported or one.synced.desired)


def _versions(one: Property) -> tuple[int, int]:
    return one.reported.version.edge if one.reported else 0, one.desired.version.edge if one.desired else 0


def _property(one: Property) -> dict[str, Any]:
    """KubeEdge's MsgTwin, with the sides that the cloud lacks; of a deleted property only its versions.

    With what is reported goes what was desired then: CloudCore shows it as `observedDesired`.
    """
    said: dict[str, Any] = {"optional": one.optional, "metadata": {"type": "deleted" if one.deleted else one.kind}}
    sides = (
        ("actual", one.reported, one.synced.reported),
        ("expected", one.desired, one.synced.desired),
    )
    for side, value, confirmed in sides:
        if value is None or (value.version.edge <= confirmed and "actual" not in said):
            continue
        if not one.deleted:
            said[side] = _value(value)
        said[f"{side}_version"] = {"cloud": value.version.cloud, "edge": value.version.edge}
    return said


def _value(value: Value) -> dict[str, Any]:
    return {"value": value.value, "metadata": {"timestamp": value.at // 1000}}
