"""One mapping, ready for messages: its topic and paths compiled, its templates filled once a topic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Words
from typing import get_args

from msgspec import Struct

from devices.telemetry.formats import decoder
from devices.telemetry.frame import PROPERTIES, VALUES, Frame
from devices.telemetry.leaves import NAMES, flat, is_property, text
from devices.telemetry.manifest import PLACE, DeviceState, Mapping, PropertyMapping, StateMapping
from devices.telemetry.value import Conversion, microseconds
from twins.digest import digest
from twins.errors import Rejected
from twins.path import Found, Path
from twins.stimuli import Edit, Seen, Updated
from twins.topic import Topic
from twins.values import is_name

_UNFIT = re.compile(r"[^a-z0-9.-]+")
PART = 63
"""Characters of a name made of a topic's word."""


class NoDevice(Rejected):
    """The message names no device, or none that could be."""


class Match(Struct, frozen=True):
    """What a topic means for one mapping; `device` is empty where the message must name it."""

    route: Route
    device: str
    names: tuple[str, ...]
    words: dict[str, str]


class Reported(Struct, frozen=True):
    """What one frame says of one device; `units` of those properties that have one; `state` is empty for none."""

    device: str
    edits: dict[str, Edit | None]
    at: int | None
    units: dict[str, str]
    state: str


class Route:
    """Reads the messages of one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        spec = mapping.spec
        self.id = mapping.id
        self.topic = Topic(spec.topic)
        self._decode = decoder(spec.format)
        self._rules = tuple(_Rule(each) for each in spec.properties)
        self._timestamp = spec.timestamp
        self._when = Path(spec.timestamp.path) if spec.timestamp is not None else None
        self._state = _State(spec.state) if spec.state is not None else None
        keeps = spec.rest == "keep" or (spec.rest is None and not spec.properties and self._state is None)
        paths = [rule.path or Path.key(rule.name) for rule in self._rules]
        others = (self._when, None if self._state is None else self._state.path)
        paths += [path for path in others if path is not None and path.steps]
        self._listed = _either(path.pattern for path in paths) if keeps else None
        self._entered = _either(f"{path.pattern}|{path.above}" for path in paths)
        named = spec.device or ("{namespace}/{device}" if "namespace" in self.topic.names else "{device}")
        self.template = named if "/" in named else f"{mapping.metadata.namespace}/{named}"
        self._fixed = set(PLACE.findall(self.template)) <= set(self.topic.names)

    def match(self, words: Sequence[str]) -> Match | None:
        """What a topic, by its words, means here; `None` when it is another's. Raises `NoDevice`."""
        given = self.topic.match(words)
        if given is None:
            return None
        names = tuple(_filled(rule.name, given) for rule in self._rules)
        return Match(self, self._named(given) if self._fixed else "", names, given)

    @property
    def fixed(self) -> Match | None:
        """What every topic of the mapping means where it names one device alone; else `None`."""
        if PLACE.search(self.template) or self.topic.names:
            return None
        return Match(self, self._named({}), tuple(rule.name for rule in self._rules), {})

    def read(
        self, match: Match, topic: str, payload: bytes, cause: str, seen: int, packet: int, duplicate: bool
    ) -> Iterator[tuple[Updated | Seen, dict[str, str]]]:
        """What one message means, each stimulus with the units it tells. Raises `Rejected`."""
        for number, said in enumerate(self.reported(match, payload, seen)):
            seq = digest(f"{said.device}\0{self.id}\0{number}", payload, packet)
            at = seen if said.at is None else said.at
            if said.edits:
                yield Updated(said.device, cause, seen, said.edits, at, seq, duplicate, topic=topic), said.units
            if said.state:
                yield Seen(said.device, cause, seen, said.state, seq=seq), {}

    def reported(self, match: Match, payload: bytes, now: int) -> Iterator[Reported]:
        """What a message says, device by device and moment by moment. Raises `Rejected`."""
        for frame in self._decode(payload, now):
            edits, units = self._edits(match, frame)
            state = self._state.word(frame.body) if self._state is not None else ""
            if edits or state:
                device = match.device or self._named(match.words | frame.labels)
                yield Reported(device, edits, self._at(frame), units, state)

    def commands(self, match: Match, values: Words[str, str]) -> Iterator[tuple[str, bytes]]:
        """Topics and payloads that ask these desired values of the device of a match."""
        for rule, name in zip(self._rules, match.names, strict=True):
            if rule.command is not None and name in values:
                value = values[name]
                yield _filled(rule.command.topic, match.words), rule.command.map.get(value, value).encode()

    def commanded_of(self, match: Match) -> Iterator[str]:
        """The properties of a match for which desired values are published."""
        return (name for rule, name in zip(self._rules, match.names, strict=True) if rule.command is not None)

    @property
    def commanded(self) -> bool:
        """True when desired values are published for a property."""
        return any(rule.command is not None for rule in self._rules)

    def _edits(self, match: Match, frame: Frame) -> tuple[dict[str, Edit | None], dict[str, str]]:
        edits: dict[str, Edit | None] = {}
        units: dict[str, str] = {}
        body = frame.body
        for rule, template in zip(self._rules, match.names, strict=True):
            for value, stars in rule.find(body, template):
                name = _starred(template, stars) if stars else template
                edit = rule.edit(name, value)
                if edit is None:
                    continue
                _add(edits, name, edit)
                if told := rule.unit or frame.units.get(name, ""):
                    units[name] = told
        if self._listed is not None:
            for name, value in self._rest(body):
                said = text(value)
                if said is not None and name not in edits:
                    _add(edits, name, Edit(reported=said))
                    if unit := frame.units.get(name):
                        units[name] = unit
        return edits, units

    def _rest(self, body: object) -> Iterator[tuple[str, object]]:
        if not isinstance(body, dict):
            if self._rules:
                return
            raise Rejected("a bare value has no name: list it in spec.properties")
        assert self._listed is not None  # asked only then
        for number, (name, value) in enumerate(flat(body)):
            if number >= VALUES:
                raise Rejected(f"the message has more than {VALUES} values")
            known = self._entered if isinstance(value, list) else self._listed
            if known.fullmatch(name) is None:
                yield name, value

    def _at(self, frame: Frame) -> int | None:
        if self._when is None or self._timestamp is None:
            return frame.at
        value = self._when.find(frame.body)[0].value
        return frame.at if value is None else microseconds(value, self._timestamp.unit)

    def _named(self, words: Words[str, str]) -> str:
        """The device that a filled template names."""
        return "/".join(_name(part, words) for part in self.template.split("/"))


class _Rule:
    """One property's mapping."""

    def __init__(self, mapping: PropertyMapping) -> None:
        self.name = mapping.name
        self.unit = mapping.unit
        self.command = mapping.command
        self._kind = mapping.type
        self.path = None if mapping.path is None else Path(mapping.path)
        self._conversion = Conversion(mapping)

    def find(self, body: object, name: str) -> Sequence[Found]:
        if self.path is not None:
            return self.path.find(body)
        return (Found(body.get(name) if isinstance(body, dict) else body),)

    def edit(self, name: str, value: object) -> Edit | None:
        if value is None:
            return None
        try:
            said = self._conversion.text(value)
        except Rejected as error:
            raise Rejected(f"{name}: {error.reason}") from None
        return None if said is None else Edit(reported=said, kind=self._kind)


class _State:
    """How a message says how its device is."""

    def __init__(self, mapping: StateMapping) -> None:
        self.path = Path(mapping.path)
        self._map = mapping.map

    def word(self, body: object) -> str:
        """One of KubeEdge's states; empty where the message says none. Raises `Rejected` for another word."""
        said = text(self.path.find(body)[0].value)
        if said is None:
            return ""
        state = self._map.get(said, said)
        if state not in get_args(DeviceState):
            raise Rejected(f"state: {said[:40]!r} is not one of {', '.join(get_args(DeviceState))}; give it a `map`")
        return state


def _add(edits: dict[str, Edit | None], name: str, edit: Edit) -> None:
    if len(edits) >= PROPERTIES:
        raise Rejected(f"the message has more than {PROPERTIES} values")
    if not is_property(name):
        raise Rejected(f"{name[:128]!r} is no name of a property: {NAMES}")
    edits[name] = edit


def _either(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns) or r"(?!)")


def _filled(template: str, words: Words[str, str]) -> str:
    """A template with the words that are known; `{1}` stays."""
    return PLACE.sub(lambda place: words.get(place[1], place[0]), template) if "{" in template else template


def _starred(template: str, stars: Sequence[str]) -> str:
    for number, star in enumerate(stars, 1):
        template = template.replace(f"{{{number}}}", star)
    return template


def _name(part: str, words: Words[str, str]) -> str:
    """A part of a device's id: what Kubernetes would not take as a name becomes small letters and hyphens."""
    missing = [name for name in PLACE.findall(part) if name not in words]
    if missing:
        raise NoDevice(f"the message has no tag {missing[0]!r}, which is to name the device")
    made = _UNFIT.sub("-", _filled(part, words).lower())[:PART].strip("-.")
    if not is_name(made):
        raise NoDevice(f"{_filled(part, words)[:PART]!r} has no letter or digit to name a device by")
    return made
