"""What the cloud must hear of a twin, as CloudEvents. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from cloud.mqtt.events import encode
from cloud.mqtt.topics import Topics
from twins.errors import Unavailable
from twins.property import size
from twins.values import Property, Twin, Value

PART = 65_536
"""Characters of names and values in one message, about: some brokers take no more than 128 KiB."""
At = Callable[[str, str, Value], int]
"""When a reported value was so at its source, by device and property; microseconds."""


class Report(Struct, frozen=True):
    """What goes up of a device, in one message, or more when it is long.

    `versions` are the edge versions (reported, desired) that its confirmation proves. `joined` is the twin's, which
    tells it from an earlier one of the same name.
    """

    device: str
    topic: str
    payloads: tuple[bytes, ...]
    versions: dict[str, tuple[int, int]] = {}
    joined: int = 0
    retain: bool = False


class Unconfirmed(Unavailable):
    """The link lives, and the broker refused `reports`; the others it took."""

    def __init__(self, reports: Sequence[Report], reason: str) -> None:
        super().__init__(f"{len(reports)} reports were not confirmed: {reason}")
        self.reports = tuple(reports)


class Reporter:
    """Writes the reports of a node."""

    def __init__(self, topics: Topics, at: At) -> None:
        self._topics = topics
        self._at = at

    def news(self, twin: Twin, now: int, cause: str) -> Report | None:
        """All that the cloud has not confirmed; `None` when it has all."""
        pending = {name: p for name, p in twin.properties.items() if p.unsynced}
        return self._report(twin, pending, now, cause, whole=False) if pending else None

    def whole(self, twin: Twin, now: int, cause: str) -> Report:
        """The twin as it is, whatever the cloud has."""
        living = {name: p for name, p in twin.properties.items() if not p.deleted}
        return self._report(twin, living, now, cause, whole=True)

    def state(self, twin: Twin, now: int, cause: str) -> Report | None:
        """The device's state; `None` while it was never heard. Each is an event of its own, equal or not."""
        if not twin.status:
            return None
        data: dict[str, Any] = {"state": twin.status}
        if twin.last_online:
            data["lastOnline"] = twin.last_online // 1000
        id_ = f"{twin.device}@{now}"
        payload = encode("twin.state", f"/{self._topics.root}", data, now, subject=twin.device, id_=id_, cause=cause)
        return Report(twin.device, self._topics.twin(twin.device, "state"), (payload,))

    def _report(self, twin: Twin, chosen: dict[str, Property], now: int, cause: str, *, whole: bool) -> Report:
        parts = list(_parts(chosen))
        payloads = []
        for index, part in enumerate(parts, 1):
            data: dict[str, Any] = {"properties": {n: self._property(twin, n, p, whole=whole) for n, p in part.items()}}
            if whole:
                data |= {"model": twin.model, "state": twin.status, "part": index, "parts": len(parts)}
            kind = "twin.whole" if whole else "twin.reported"
            payloads.append(encode(kind, f"/{self._topics.root}", data, now, subject=twin.device, cause=cause))
        versions = {name: (_edge(p.reported), _edge(p.desired)) for name, p in chosen.items()}
        return Report(twin.device, self._topics.twin(twin.device, "reported"), tuple(payloads), versions, twin.joined)

    def _property(self, twin: Twin, name: str, p: Property, *, whole: bool) -> dict[str, Any]:
        """The sides that the cloud lacks, or both; of a deleted one its versions alone."""
        said: dict[str, Any] = {"deleted": True} if p.deleted else {"type": p.kind}
        for side, value, has in (("reported", p.reported, p.synced.reported), ("desired", p.desired, p.synced.desired)):
            if value is None or not (whole or value.version.edge > has):
                continue
            said[side] = one = {"version": value.version.edge}
            if p.deleted:
                continue
            one |= {"value": value.value, "at": (self._at(twin.device, name, value)) // 1000}  # type: ignore[dict-item]
            if side == "desired":
                one["requested"] = value.version.cloud
        return said


def _parts(chosen: dict[str, Property]) -> Iterator[dict[str, Property]]:
    """The properties in parts that a message may have; one part at least."""
    part: dict[str, Property] = {}
    length = 0
    for name, p in chosen.items():
        grows = len(name) + size(p)
        if part and length + grows > PART:
            yield part
            part, length = {}, 0
        part[name] = p
        length += grows
    yield part


def _edge(value: Value | None) -> int:
    return 0 if value is None else value.version.edge
