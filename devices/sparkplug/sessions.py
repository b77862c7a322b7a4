"""What each node said at its births, and what its messages therefore mean.

Theory of operation. A node's birth (NBIRTH) begins a session: it and the births of its devices (DBIRTH) give each
metric a name, a datatype and perhaps an alias; later messages give what changed, by alias alone where there is one.
Every message has the next number of 0 to 255. A number that is missing may have been a birth, so whatever the node was
known by is forgotten; then, as for a message of whom no birth was heard, the node is asked to be born again. Until then
nothing of it is taken: a value in the wrong property is worse than one that is missing. An alias counts for the one
device whose birth gave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from devices.sparkplug import datatype as types
from devices.sparkplug.birth import BIRTHS, Birth, Born, Definition
from devices.sparkplug.heard import Arrival, Heard, SparkplugCounts
from devices.sparkplug.topic import Place
from devices.telemetry.frame import FRAMES
from twins.digest import digest
from twins.errors import Rejected
from twins.exchange import Point
from twins.kinds import read, words
from twins.stimuli import Edit, Recorded, Seen, Stimulus, Updated

if TYPE_CHECKING:
    from devices.sparkplug.payload import Metric, Payload

NODES = 4096
"""Nodes whose births are remembered; beyond that the one born first is asked again."""
DEVICES = 4096
"""Devices of a node."""
METRICS = 200_000
"""Metrics of all births that are remembered; beyond that the nodes that were born first are asked again."""
ROUND = 256
REBIRTH = "Node Control/Rebirth"
UNHEARD = "its birth was not heard"


class Book(Protocol):
    """Which devices are whose."""

    def claim(self, device: str, place: Place) -> None:
        """Raise `Rejected` when the device is another's."""
        ...

    def devices(self, place: Place) -> Iterable[str]:
        """The devices that are made of the place, and of what is below it."""
        ...


class _Node(Struct):
    seq: int
    number: int
    born: dict[str, Born] = {}


class Sessions:
    """Reads the messages of all nodes, each in its order."""

    def __init__(self, book: Book) -> None:
        self.counts = SparkplugCounts()
        self._book = book
        self._nodes: dict[Place, _Node] = {}
        self._grown = 0

    def read(self, verb: str, place: Place, device: str, said: Payload, arrival: Arrival) -> Heard:
        """What a message means for `device`. Raises `Rejected`: nothing of it holds."""
        if verb == "NDEATH":
            return self._died(place, said, arrival)
        if verb == "NBIRTH":
            self._begin(place, said)
        node = self._nodes.get(place.above)
        ask = "" if verb == "NBIRTH" else self._counted(node, said, again=arrival.again)
        if verb.endswith("BIRTH"):
            heard = self._birth(node, place, device, said, arrival)
        elif verb == "DDEATH":
            heard = self._lost(node, place, arrival)
        else:
            heard = self._data(node, place, said, arrival)
        heard.ask = ask or heard.ask
        return heard

    def forget(self) -> None:
        """Births may have gone unheard: every node is asked again when it speaks."""
        self._nodes.clear()

    def drop(self, device: str, place: Place) -> None:
        """The device is another's from now on, or gone."""
        node = self._nodes.get(place.above)
        born = None if node is None else node.born.get(place.device)
        if node is not None and born is not None and born.device == device:
            del node.born[place.device]

    def definitions(self, place: Place) -> Mapping[str, Definition] | None:
        """What a device consists of; `None` while no birth of it was heard."""
        node = self._nodes.get(place.above)
        born = None if node is None else node.born.get(place.device)
        return None if born is None else born.by_name

    def _counted(self, node: _Node | None, said: Payload, *, again: bool) -> str:
        """Count a message of a session: empty when it is the next one."""
        if node is None:
            return UNHEARD
        seq = _seq(said)
        if again:
            return ""
        expected, node.seq = (node.seq + 1) % ROUND, seq
        if seq == expected:
            return ""
        self.counts.gaps += 1
        node.born.clear()
        return f"message {seq} came where {expected} was to come"

    def _begin(self, place: Place, said: Payload) -> None:
        self._nodes.pop(place, None)
        while len(self._nodes) >= NODES:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[place] = _Node(_seq(said), _number(said, 0))

    def _birth(self, node: _Node | None, place: Place, device: str, said: Payload, arrival: Arrival) -> Heard:
        if node is None:
            self.counts.unborn += 1
            return Heard()
        node.born.pop(place.device, None)
        if len(node.born) >= DEVICES:
            raise Rejected(f"node {place.above.source} has more than {DEVICES} devices")
        self._book.claim(device, place)
        born = Born.of(device, said)
        heard = Heard(birth=Birth(place, device, tuple(born.by_name.values())))
        here = Seen(device, arrival.cause, arrival.seen, "online", seq=arrival.seq)
        heard.stimuli = [*self._values(born, said, arrival), here]
        node.born[place.device] = born
        self._make_room(node, born.size)
        self.counts.births += 1
        return heard

    def _make_room(self, node: _Node, grown: int) -> None:
        """Forget the nodes that were born first when all births together are too much to remember; counted at times."""
        self._grown += grown
        if self._grown < METRICS // 16:
            return
        self._grown = 0
        sizes = {place: sum(born.size for born in each.born.values()) for place, each in self._nodes.items()}
        total = sum(sizes.values())
        for place, each in list(self._nodes.items()):
            if total > METRICS and each is not node:
                del self._nodes[place]
                total -= sizes[place]
        if total > METRICS:
            node.born.clear()
            raise Rejected(f"the births of a node have more than {METRICS} metrics together")

    def _data(self, node: _Node | None, place: Place, said: Payload, arrival: Arrival) -> Heard:
        born = None if node is None else node.born.get(place.device)
        if born is None:
            self.counts.unborn += 1
            return Heard(ask=UNHEARD)
        unknown = self.counts.unknown
        heard = Heard(list(self._values(born, said, arrival)))
        if self.counts.unknown > unknown:
            heard.ask = "it speaks of a metric that its birth did not name"
        self.counts.data += 1
        return heard

    def _lost(self, node: _Node | None, place: Place, arrival: Arrival) -> Heard:
        born = None if node is None else node.born.pop(place.device, None)
        return self._offline(() if born is None else (born,), place, arrival, "its node lost it (DDEATH)")

    def _died(self, place: Place, said: Payload, arrival: Arrival) -> Heard:
        """The last will may come after the next birth: then its number is an earlier one, which counts round too."""
        node = self._nodes.get(place)
        if node is not None and 0 < (node.number - _number(said, node.number)) % ROUND < ROUND // 2:
            self.counts.stale += 1
            return Heard()
        self._nodes.pop(place, None)
        born = () if node is None else node.born.values()
        return self._offline(born, place, arrival, "its node ended, or lost its connection (NDEATH)")

    def _offline(self, born: Iterable[Born], place: Place, arrival: Arrival, reason: str) -> Heard:
        self.counts.deaths += 1
        gone = dict.fromkeys([*(each.device for each in born), *self._book.devices(place)])
        return Heard([Seen(device, arrival.cause, arrival.seen, "offline", reason=reason) for device in gone])

    def _values(self, born: Born, said: Payload, arrival: Arrival) -> Iterator[Stimulus]:
        """The values of a message: those of now, moment by moment where a metric has several, and those of the past."""
        cause, seen = arrival.cause, arrival.seen
        moments: list[dict[str, Edit | None]] = []
        times: dict[str, int] = {}
        past: list[Point] = []
        for metric in said.metrics:
            try:
                d = born.find(metric)
            except KeyError:
                self.counts.unknown += 1
                continue
            if d is None:
                continue
            if metric.datatype not in (0, d.datatype):
                raise Rejected(f"{d.name}: datatype {metric.datatype} is not its birth's {d.datatype}")
            value = _text(d, metric)
            if value is None:
                continue
            at = (metric.at or said.at) * 1000 or seen
            if metric.historical:
                past.append(_point(born.device, d, value, min(at, seen), arrival.seq))
                continue
            number = times[d.name] = times.get(d.name, -1) + 1
            if number == FRAMES:
                raise Rejected(f"{d.name} is there more than {FRAMES} times; send it in parts")
            if number == len(moments):
                moments.append({})
            moments[number][d.name] = Edit(reported=value, kind=d.kind, at=at)
        if past:
            yield Recorded(born.device, cause, seen, tuple(past))
        for number, edits in enumerate(moments):
            name = digest(f"{number}", arrival.seq.to_bytes(8, "big", signed=True))
            yield Updated(born.device, cause, seen, edits, seen, name, arrival.again)


def _text(d: Definition, metric: Metric) -> str | None:
    if metric.value is None:
        return None
    try:
        return types.text(d.datatype, metric.value)
    except Rejected as error:
        raise Rejected(f"{d.name}: {error.reason}") from None


def _point(device: str, d: Definition, value: str, at: int, seq: int) -> Point:
    number = read(d.kind, value)
    return Point(f"{device}/{d.name}", at, seq, number, words(d.kind, value, number))


def _seq(said: Payload) -> int:
    if said.seq is None or not 0 <= said.seq < ROUND:
        raise Rejected(f"seq is {said.seq}: 0 to {ROUND - 1} is meant")
    return said.seq


def _number(said: Payload, otherwise: int) -> int:
    """The number by which a death finds its birth."""
    found = next((metric.value for metric in said.metrics if metric.name == BIRTHS), None)
    return found if type(found) is int else otherwise
