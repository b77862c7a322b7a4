"""What a detector looks at and what it asks for, over patterns of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from msgspec import Struct, structs

from rules.expression import Expression, Scope, Template, Undecided, show
from rules.lint.walk import actions_of
from rules.manifest.action import SetAction
from rules.manifest.detector import Detector
from twins.values import device_id

_WILD = frozenset("*?")


class Place(Struct, frozen=True):
    """A property of every device that fits: `namespace/name` with `*` and `?`."""

    device: str
    property: str

    def __str__(self) -> str:
        return f"{self.property} of {self.device}"

    def meets(self, other: Place) -> bool:
        """Whether some device fits both."""
        if self.property != other.property:
            return False
        left, right = self.device, other.device
        return left == right or (bool(_WILD & {*left, *right}) and _meet(left, right))


class Read(Struct, frozen=True):
    """An input, where it stands."""

    path: str
    place: Place


class Write(Struct, frozen=True):
    """A desired value, where it is asked; `value` as twins write it, `None` when it is computed from `source`."""

    path: str
    place: Place
    value: str | None
    source: str

    def differs(self, other: Write) -> bool:
        """Whether the two may ask for different values."""
        return self.value is None or self.value != other.value


class Effects(Struct, frozen=True):
    """Of one detector, which must be without errors."""

    rule: str
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]


def effects(detector: Detector, path: Callable[[str], str] = str) -> Effects:
    """`path` says where a path of the detector's stands in the manifest that it was made of."""
    writes = (structs.replace(write, path=path(write.path)) for write in _writes(detector))
    return Effects(detector.id, tuple(_reads(detector)), tuple(writes))


def _reads(detector: Detector) -> Iterator[Read]:
    for name, given in detector.spec.inputs.items():
        if given.series():  # what comes by a webhook or on a topic is of nobody here
            yield Read(f"spec.inputs.{name}", Place(_full(detector, given.device), given.series()))


def _writes(detector: Detector) -> Iterator[Write]:
    for path, action in actions_of(detector):
        if action.set is not None:
            value = _constant(action.set.value)
            for place in _places(detector, action.set):
                yield Write(f"{path}.set", place, value, action.set.value)


def _places(detector: Detector, action: SetAction) -> list[Place]:
    """Which devices: those of the inputs where it is the one that reported, else all that the text may name."""
    if action.device.replace(" ", "") == "${device}":
        devices = [given.device for given in detector.spec.inputs.values()]
    else:
        pattern = action.device
        for part in Template(action.device).expressions:
            pattern = pattern.replace("${" + part.source + "}", "*", 1)
        devices = [pattern]
    return [Place(each, action.property) for each in dict.fromkeys(_full(detector, each) for each in devices)]


def _full(detector: Detector, device: str) -> str:
    return device if "/" in device else device_id(detector.metadata.namespace, device)


def _constant(source: str) -> str | None:
    expression = Expression(source)
    if expression.names() or expression.functions():
        return None
    try:
        return show(expression.value(_nothing()))
    except Undecided:
        return None


@lru_cache(maxsize=1)
def _nothing() -> Scope:
    """A scope in which there is nothing to see."""
    return Scope()


@lru_cache(maxsize=65536)
def _meet(left: str, right: str) -> bool:
    """Whether some text fits both patterns of `*` and `?`: the patterns are walked side by side."""
    reached = {0}  # places in `right` that what was read of `left` can lead to
    reached = _skipped(right, reached)
    for sign in left:
        if sign == "*":
            reached = _skipped(right, set(range(min(reached), len(right) + 1)))
        else:
            after = {at for at in reached if right[at : at + 1] == "*"}
            after |= {at + 1 for at in reached if at < len(right) and _same(sign, right[at])}
            reached = _skipped(right, after)
        if not reached:
            return False
    return len(right) in reached


def _same(left: str, right: str) -> bool:
    return left == right or (right != "*" and "?" in {left, right})


def _skipped(pattern: str, places: set[int]) -> set[int]:
    """These places, and those behind the stars that stand there: a star may stand for nothing."""
    found = set(places)
    for at in sorted(places):
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return found
