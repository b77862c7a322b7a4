"""Whose topics are whose: what the mappings let the broker give each device. Pure.

A device may write a topic where every mapping that hears it takes it for this very device. So a mapping gives rights
where its pattern names the device by a word of the topic: `plant/{device}/state` gives `plant/pump-1/state` to `pump-1`
alone. It gives none where the message names the device, where another mapping hears the same topics for another device,
or where the topics tell the gateway of devices (discovery, Sparkplug). Mappings that were discovered give none either:
whoever told of them chose the topics.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from devices.telemetry.manifest import PLACE
from devices.telemetry.manifest import Mapping as Manifest
from devices.telemetry.route import NoDevice, Route
from devices.telemetry.topic import overlap

DISCOVERED = "gemelo.dev/discovered"
"""The label of manifests that devices brought about: others are a person's."""


class Topics(Struct, frozen=True):
    """Filters of topics that a user may write and read."""

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def __add__(self, more: Topics) -> Topics:
        return Topics(self.writes + more.writes, self.reads + more.reads)


class Grants:
    """What these mappings give; `reserved` are filters of topics that are no device's own."""

    def __init__(self, mappings: Iterable[Manifest], reserved: Collection[str] = ()) -> None:
        all_ = [_Owned(mapping) for mapping in mappings]
        self.faults: Mapping[str, str] = {
            one.id: fault for one in all_ if not one.discovered and (fault := _fault(one, all_, reserved))
        }
        """Mappings of persons that give nobody a right, and why."""
        self._giving = [one for one in all_ if not one.discovered and one.id not in self.faults]

    def of(self, device: str) -> Topics:
        """What `namespace/name` may do."""
        return sum((one.topics(device) for one in self._giving), Topics())


class _Owned:
    """A mapping as far as it says whose a topic is."""

    def __init__(self, mapping: Manifest) -> None:
        self.id = mapping.id
        self._route = Route(mapping)
        self.filter = self._route.topic.filter
        self.discovered = DISCOVERED in mapping.metadata.labels
        self._words = mapping.spec.topic.split("/")
        self._commands = [p.command.topic for p in mapping.spec.properties if p.command is not None]
        names, pieces = self._route.topic.names, PLACE.split(self._route.template)
        self._places = frozenset(pieces[1::2])
        self.named = self._places <= names.keys()
        self.shape = [names.get(piece, -1) if n % 2 else piece for n, piece in enumerate(pieces)]
        """What the device's id is made of: texts, and places of the topic's words."""
        pattern = "".join(_piece(n, piece, pieces[:n]) for n, piece in enumerate(pieces)) if self.named else r"(?!)"
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def topics(self, device: str) -> Topics:
        found = self._pattern.fullmatch(device)
        if found is None or not self._reads_back(found.groupdict(), device):
            return Topics()
        given = found.groupdict()
        own = [t for t in self._commands if self._places <= set(PLACE.findall(t))]
        reads = dict.fromkeys("/".join(_granted(t.split("/"), given)) for t in own)
        return Topics(("/".join(_granted(self._words, given)),), tuple(reads))

    def _reads_back(self, given: Mapping[str, str], device: str) -> bool:
        """True when what the device may write is taken for this device."""
        words = ["x" if word in {"+", "#"} else word for word in _granted(self._words, given)]
        try:
            match = self._route.match(words)
        except NoDevice:
            return False
        return match is not None and match.device == device


def _fault(one: _Owned, all_: Iterable[_Owned], reserved: Collection[str]) -> str:
    """Why a mapping gives nobody a right; empty when it gives some."""
    if not one.named:
        return "the device is named in the message, so whoever may write there may speak for any"
    if any(overlap(one.filter, each) for each in reserved):
        return "its topics tell of devices too (Discovery, Sparkplug)"
    for other in all_:
        if other is not one and other.shape != one.shape and overlap(one.filter, other.filter):
            return f"mapping {other.id} hears some of its topics for another device"
    return ""


def _piece(number: int, piece: str, before: list[str]) -> str:
    if number % 2 == 0:
        return re.escape(piece)
    return f"(?P={piece})" if piece in before[1::2] else f"(?P<{piece}>[^/]+)"


def _granted(words: Iterable[str], given: Mapping[str, str]) -> Iterator[str]:
    """The words of a filter: what is known of them, and any word where it is not."""
    for word in words:
        if not PLACE.search(word):
            yield word
        elif set(PLACE.findall(word)) <= given.keys():
            yield PLACE.sub(lambda place: given[place[1]], word)
        else:
            yield "+"
