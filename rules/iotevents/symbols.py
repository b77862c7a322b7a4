"""The inputs and variables of a model under the names that they have in our expressions."""

from __future__ import annotations

from collections.abc import Iterable

from rules.iotevents import inputs
from rules.iotevents.inputs import Options
from rules.iotevents.kinds import Kinds
from rules.iotevents.naming import Names
from rules.iotevents.syntax import Reference
from rules.manifest.form import InputType, Scalar

_BEGIN: dict[InputType, Scalar] = {"number": 0, "string": "", "boolean": False}


class Symbols:
    """`key` is the path in the payload that tells instances apart, `()` for none; `our_key` the manifest's."""

    def __init__(self, options: Options, kinds: Kinds, key: tuple[str, ...], our_key: str) -> None:
        self.options = options
        self.kinds = kinds
        self._key = key
        self.our_key = our_key
        self._names = Names()
        self.inputs: dict[str, Reference] = {}
        """References by our name; the attribute that is the key is none of them."""
        self.variables: dict[str, InputType] = {}
        """The variables by our name, those that the translation adds among them."""
        self.timers = Names()
        self.used: set[str] = set()
        """Our names that expressions have asked for."""
        self._tracked: dict[str, str] = {}

    def declare(self, references: Iterable[Reference]) -> None:
        """Note the types that are known beforehand."""
        for each in references:
            said = inputs.source(self.options, each) if each.kind == "input" else None
            if self.is_key(each):
                self.kinds.declare(each, "string")
            elif said is not None and said.type is not None:
                self.kinds.declare(each, said.type)

    def add(self, references: Iterable[Reference]) -> None:
        """Name all of them: variables first, whose names are the person's own."""
        found = sorted(set(references), key=lambda each: (each.kind == "input", each.path))
        for each in found:
            if each.kind == "variable":
                self.variables[self._names.of(str(each), each.path[0])] = self.kinds.of(each)
            elif not self.is_key(each):
                own = each.path[-1]
                self.inputs[self._names.of(str(each), own, f"{each.path[0]}_{own}", "_".join(each.path))] = each

    def is_key(self, reference: Reference) -> bool:
        """True for the attribute that tells instances apart, unless a property was said for it."""
        return (
            bool(self._key)
            and reference.kind == "input"
            and reference.path[1:] == self._key
            and inputs.source(self.options, reference) is None
        )

    def cel(self, reference: Reference) -> str:
        """How our expressions write it."""
        if self.is_key(reference):
            return 'part(device, "/", 1)' if self.our_key == "device" else "key"
        name = self._names.of(str(reference))
        self.used.add(name)
        return name

    def of_input(self, name: str) -> list[str]:
        """Our inputs that an input of the model became."""
        found = [ours for ours, each in self.inputs.items() if each.path[0] == name]
        self.used.update(found)
        return found

    def track(self, variable: Reference) -> str:
        """The variable that says whether another has a value yet."""
        name = self._names.of(str(variable))
        if name not in self._tracked:
            self._tracked[name] = self._beside(name, "known", "boolean")
        return self._tracked[name]

    def assigned(self, variable: Reference, value: str) -> dict[str, str]:
        """What an assignment to a variable of the model assigns."""
        name = self._names.of(str(variable))
        return {name: value} | ({self._tracked[name]: "true"} if name in self._tracked else {})

    def former(self, variable: Reference) -> str:
        """The variable that has another's value from before the events of an input."""
        return self._beside(self.cel(variable), "before", self.kinds.of(variable))

    def begin(self) -> dict[str, Scalar]:
        """The variables with what they begin as."""
        return {name: _BEGIN[kind] for name, kind in self.variables.items()}

    def sources(self) -> dict[str, dict[str, str]]:
        """The manifest's inputs: those that its expressions use."""
        return {name: self._source(each) for name, each in self.inputs.items() if name in self.used}

    def _source(self, reference: Reference) -> dict[str, str]:
        said = inputs.source(self.options, reference)
        found = {} if said is None or said.device == "*" else {"device": said.device}
        found["property"] = reference.path[-1] if said is None or said.property is None else said.property
        kind = self.kinds.of(reference)
        return found if kind == "number" else found | {"type": kind}

    def _beside(self, variable: str, suffix: str, kind: InputType) -> str:
        """A variable of the translation's own, beside one of the model."""
        name = self._names.of(f"{variable} {suffix}", f"{variable}_{suffix}")
        self.variables[name] = kind
        return name
