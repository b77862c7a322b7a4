"""Which facts concern which instances: an index by property, then by device, filled as devices show up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from fnmatch import translate
from math import isfinite
from typing import NamedTuple

from rules.expression import Scope, Template, Undecided
from rules.machine import Machine
from rules.manifest.form import InputType, Scalar
from rules.manifest.input import Input
from twins.bound import LONGEST_TEXT
from twins.instructions import Fact
from twins.values import device_id

MOST_DEVICES = 100_000
"""Devices remembered per property; beyond that the index starts afresh."""

Reader = Callable[[Fact], Scalar | None]


class Watch(NamedTuple):
    """A fact's way into one instance: `read` gives its value, or `None` when the input's type does not fit."""

    machine: Machine
    name: str
    key: str
    read: Reader


class Watches:
    """All inputs of all detectors."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._inputs: dict[str, list[_Input]] = {}
        self._found: dict[str, dict[str, tuple[Watch, ...]]] = {}

    def add(self, machine: Machine) -> None:
        key = key_template(machine.detector.spec.key)
        for name, given in machine.detector.spec.inputs.items():
            one = _Input(machine, name, given, key)
            self._inputs.setdefault(given.property, []).append(one)
            self._found[given.property] = {}

    def remove(self, machine: Machine) -> None:
        for name in {given.property for given in machine.detector.spec.inputs.values()}:
            self._inputs[name] = [one for one in self._inputs[name] if one.machine is not machine]
            self._found[name] = {}
            if not self._inputs[name]:
                del self._inputs[name], self._found[name]

    @property
    def names(self) -> Collection[str]:
        """The properties that concern a rule; always as it is now."""
        return self._found.keys()

    def of(self, fact: Fact) -> tuple[Watch, ...]:
        """Where a fact goes; its name must be one of `names`. Costs two look-ups once the device is known."""
        devices = self._found[fact.name]
        found = devices.get(fact.device)
        if found is None:
            if len(devices) >= MOST_DEVICES:
                devices.clear()
            found = devices[fact.device] = self._match(fact)
        return found

    def _match(self, fact: Fact) -> tuple[Watch, ...]:
        return tuple(
            Watch(one.machine, one.name, key, _READERS[one.type])
            for one in self._inputs[fact.name]
            if one.pattern.match(fact.device) and (key := self._key(one, fact.device))
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

    __slots__ = ("key", "machine", "name", "pattern", "type")

    def __init__(self, machine: Machine, name: str, given: Input, key: Template) -> None:
        device = given.device
        if "/" not in device:
            device = device_id(machine.detector.metadata.namespace, device)
        self.machine = machine
        self.name = name
        self.type = given.type
        self.key = key
        self.pattern = re.compile(translate(device.replace("[", "[[]")))


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


def _string(fact: Fact) -> Scalar | None:
    return fact.value if len(fact.value) <= LONGEST_TEXT else None


_WORDS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
_READERS: dict[InputType, Reader] = {"number": _number, "boolean": _boolean, "string": _string}
