"""Whose topics are whose: what the mappings let the broker give each device. Pure.

A device may write a topic where every mapping that hears it takes it for this very device. So a mapping gives rights
where its pattern names the device by a word of the topic: `plant/{device}/state` gives `plant/pump-1/state` to `pump-1`
alone. It gives none where the message names the device, where another mapping hears the same topics for another device,
or where the topics tell the gateway of devices (discovery, Sparkplug). Mappings that were discovered give none either:
whoever told of them chose the topics.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from devices.telemetry.manifest import PLACE
from devices.telemetry.manifest import Mapping as Manifest
from devices.telemetry.route import PART, Route
from twins.topic import overlap
from twins.values import is_name

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
        """What `namespace/name` may do; nothing for an id that no topic's words would name just so."""
        if not all(is_name(part) and len(part) <= PART for part in device.split("/")):
            return Topics()
        return sum((one.topics(device) for one in self._giving), Topics())


class _Owned:
    """A mapping as far as it says whose a topic is."""

    def __init__(self, mapping: Manifest) -> None:
        route = Route(mapping)
        self.id = mapping.id
        self.filter = route.topic.filter
        self.discovered = DISCOVERED in mapping.metadata.labels
        names, pieces = route.topic.names, PLACE.split(route.template)
        places = frozenset(pieces[1::2])
        self.named = places <= names.keys()
        self.shape = [names.get(piece, -1) if n % 2 else piece for n, piece in enumerate(pieces)]
        """What the device's id is made of: texts, and places of the topic's words."""
        pattern = "".join(_piece(n, piece, pieces[:n]) for n, piece in enumerate(pieces)) if self.named else r"(?!)"
        self._pattern = re.compile(pattern, re.IGNORECASE)
        commands = [p.command.topic for p in mapping.spec.properties if p.command is not None]
        self._write = _template(mapping.spec.topic, places)
        self._reads = dict.fromkeys(_template(t, places) for t in commands if places <= set(PLACE.findall(t)))

    def topics(self, device: str) -> Topics:
        found = self._pattern.fullmatch(device)
        if found is None:
            return Topics()
        given = found.groupdict()
        return Topics((_filled(self._write, given),), tuple(_filled(each, given) for each in self._reads))


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


def _template(topic: str, places: Collection[str]) -> str:
    """A topic with the places of the device's id left in it; a word that has another may be any."""
    return "/".join(word if set(PLACE.findall(word)) <= set(places) else "+" for word in topic.split("/"))


def _filled(template: str, given: Mapping[str, str]) -> str:
    for place, word in given.items():
        template = template.replace(f"{{{place}}}", word)
    return template
