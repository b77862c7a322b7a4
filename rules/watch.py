"""Which facts concern which instances: an index by source and name, then by device, filled as devices show up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import translate
from math import isfinite
from typing import NamedTuple, get_args

from rules.expression import Scope, Template, Undecided
from rules.machine import Machine
from rules.manifest.form import InputType, Scalar
from rules.manifest.input import Input
from rules.message import Ears, Heading, heading
from twins.instructions import Fact, Source
from twins.values import device_id

MOST_DEVICES = 100_000
"""Devices remembered per name; beyond that the index starts afresh."""

Reader = Callable[[Fact], Scalar | None]


class Watch(NamedTuple):
    """A fact's way into one instance: `read` gives its value, or `None` when the input's type does not fit."""

    machine: Machine
    name: str
    key: str
    read: Reader


class Watches:
    """All inputs of all detectors. `ears` say what of webhooks and messages is a fact."""

    def __init__(self, scope: Scope) -> None:
        self.ears = Ears()
        self._scope = scope
        self._inputs: dict[Heading, list[_Input]] = {}
        self._found: dict[Source, dict[str, dict[str, tuple[Watch, ...]]]] = {source: {} for source in get_args(Source)}
        self._followers: dict[str, list[tuple[Machine, str]]] = {}

    def add(self, machine: Machine) -> None:
        key = key_template(machine.detector.spec.key)
        for name, given in machine.detector.spec.inputs.items():
            if given.detector is not None:
                self._followers.setdefault(machine.peers[name], []).append((machine, name))
                continue
            source, title = heading(given)
            self._inputs.setdefault((source, title), []).append(_Input(machine, name, given, key))
            self._found[source][title] = {}
            if given.webhook is not None or given.topic is not None:
                self.ears.add(given)

    def remove(self, machine: Machine) -> None:
        for peer in machine.peers.values():
            self._followers[peer] = [pair for pair in self._followers[peer] if pair[0] is not machine]
        given = machine.detector.spec.inputs.values()
        for source, title in {heading(each) for each in given if each.detector is None}:
            left = self._inputs[source, title] = [
                one for one in self._inputs[source, title] if one.machine is not machine
            ]
            self._found[source][title] = {}
            if not left:
                del self._inputs[source, title], self._found[source][title]
                self.ears.remove((source, title))

    @property
    def names(self) -> Mapping[Source, Collection[str]]:
        """The names that concern a rule, by source; always as they are now."""
        return self._found

    def followers(self, detector: str) -> Sequence[tuple[Machine, str]]:
        """Who has this detector's state as an input, and under which name."""
        return self._followers.get(detector, ())

    def of(self, fact: Fact) -> tuple[Watch, ...]:
        """Where a fact goes; its name must be one of `names`. Costs three look-ups once the device is known."""
        devices = self._found[fact.source][fact.name]
        found = devices.get(fact.device)
        if found is None:
            if len(devices) >= MOST_DEVICES:
                devices.clear()
            found = devices[fact.device] = self._match(fact)
        return found

    def _match(self, fact: Fact) -> tuple[Watch, ...]:
        return tuple(
            Watch(one.machine, one.name, key, one.read)
            for one in self._inputs[fact.source, fact.name]
            if one.concerns(fact.device) and (key := self._key(one, fact.device))
        )

    def _key(self, one: _Input, device: str) -> str:
        """The instance; empty, so none, when the key's expression has no value for this device."""
        scope = self._scope
        scope.values, scope.windows = {}, {}
        scope.device, scope.input, scope.key, scope.timer = device, one.name, "", ""
        try:
            return one.key.text(scope)
        except Undecided:
            return ""


class _Input:
    """A compiled input."""

    __slots__ = ("_longest", "_pattern", "key", "machine", "name", "read")

    def __init__(self, machine: Machine, name: str, given: Input, key: Template) -> None:
        device = given.device
        if "/" not in device:
            device = device_id(machine.detector.metadata.namespace, device)
        self.machine = machine
        self.name = name
        self.key = key
        self.read: Reader = self._string if given.type == "string" else _READERS[given.type]
        self._longest = given.longest
        self._pattern = re.compile(translate(device.replace("[", "[[]")))

    def concerns(self, device: str) -> bool:
        """A message that names no device may concern any rule."""
        return not device or self._pattern.match(device) is not None

    def _string(self, fact: Fact) -> Scalar | None:
        return fact.value if len(fact.value) <= self._longest else None


def key_template(key: str) -> Template:
    """`device` alone means the device's id. Raises `Rejected`."""
    return Template("${device}" if key == "device" else key)


def _number(fact: Fact) -> Scalar | None:
    number = fact.number
    if number is None:
        try:
            number = float(fact.value)
        except ValueError:
            return None
    return float(number) if isfinite(number) else None


def _boolean(fact: Fact) -> Scalar | None:
    return _WORDS.get(fact.value.strip().lower())


_WORDS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
_READERS: dict[InputType, Reader] = {"number": _number, "boolean": _boolean}
