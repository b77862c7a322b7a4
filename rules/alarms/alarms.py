"""All alarms of the gateway: manifests and commands in, what they mean to the rules out, and how each stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import structs

from rules.alarms import lint, notes
from rules.alarms.detector import command_property, name
from rules.alarms.order import Order, known, refusal, ways, written
from rules.alarms.standing import Standing, standing
from rules.instructions import Instruction, Raise
from rules.manifest.alarm import Alarm
from rules.manifest.detector import Detector
from rules.view import InstanceView
from twins.errors import Rejected
from twins.instructions import Fact
from twins.schema import nearest


class Detectors(Protocol):
    """The rules, as far as alarms need them."""

    def apply(self, detector: Detector, now: int, cause: str, *, checked: bool) -> list[Instruction]: ...

    def remove(self, name: str) -> list[Instruction]: ...

    def trouble(self, name: str) -> str: ...

    def instances_of(self, name: str) -> Iterator[InstanceView]: ...

    def instance(self, name: str, key: str) -> InstanceView | None: ...


class Alarms:
    """Each alarm is a detector among `detectors`; `zone` is the site's time zone."""

    def __init__(self, detectors: Detectors, zone: str) -> None:
        self._detectors = detectors
        self._zone = zone
        self._alarms: dict[str, Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._alarms.values())

    def apply(self, alarm: Alarm, cause: str, now: int) -> list[Instruction]:
        """Add an alarm or put it in place of its older self. Raises `Rejected`, and then nothing has changed.

        Those that stood and do not any more, for the new one has not their state or key, are cleared.
        """
        old = self._alarms.get(alarm.id)
        if old == alarm and not self._detectors.trouble(name(alarm.id)):
            return []
        before = [each for each in self._of(alarm.id) if each.matters]
        detector = lint.check(alarm, self._zone)
        if old is not None and old.spec.key != alarm.spec.key:
            detector = structs.replace(detector, spec=structs.replace(detector.spec, migration="reset"))
        decided = self._detectors.apply(detector, now, cause, checked=True)
        self._alarms[alarm.id] = alarm
        for each in before:
            found = self._find(alarm.id, each.key)
            if found is None or found.state != each.state:
                state = "" if found is None else found.state
                decided.append(Raise(notes.gone(each, state, "the alarm's manifest changed", cause, now)))
        return decided

    def remove(self, alarm: str, cause: str, now: int) -> list[Instruction]:
        """Remove the alarm `namespace/name`. Those of its that stand are cleared."""
        self._alarms.pop(alarm, None)
        told = _gone((each for each in self._of(alarm) if each.matters), "the alarm was deleted", cause, now)
        return [*told, *self._detectors.remove(name(alarm))]

    def forget(self, device: str, cause: str, now: int) -> list[Instruction]:
        """A device leaves, and its own alarms with it: those that stand are cleared."""
        own = [alarm for alarm, manifest in self._alarms.items() if manifest.spec.key == "device"]
        found = (each for alarm in own if (each := self._find(alarm, device)) is not None and each.matters)
        return _gone(found, "the device left", cause, now)

    def take(self, alarm: str, key: str, order: Order, cause: str, now: int) -> Fact:
        """The fact that a command is. Raises `Rejected`: 404 for what is not there, 409 for what makes no sense now.

        What is overdue of the instance must have been evaluated.
        """
        manifest = self._alarms.get(alarm)
        if manifest is None:
            raise Rejected(f"there is no alarm {alarm[:200]}: {nearest(alarm, self._alarms)}", 404)
        found = self._detectors.instance(name(alarm), key)
        if found is None:
            keys = [view.key for view in self._detectors.instances_of(name(alarm))]
            raise Rejected(f"alarm {alarm} has none of {key[:200]!r}: {nearest(key, keys)}", 404)
        if why := refusal(manifest, found.state, order.command):
            raise Rejected(why, 409)
        return Fact(found.device, cause, command_property(alarm), written(order), None, now, 0)

    def standings(self) -> Iterator[Standing]:
        """How every alarm stands, by alarm; others may come and go meanwhile."""
        return (each for alarm in tuple(self._alarms) for each in self._of(alarm))

    def standing(self, alarm: str, key: str) -> Standing | None:
        """How the alarm `namespace/name` of a key stands."""
        return self._find(alarm, key)

    def commands(self, each: Standing) -> tuple[str, ...]:
        """The commands that make sense now."""
        manifest = self._alarms.get(each.alarm)
        state = known(each.state)
        return () if manifest is None or state is None else tuple(ways(manifest.spec, state))

    def _of(self, alarm: str) -> Iterator[Standing]:
        return (standing(alarm, view) for view in self._detectors.instances_of(name(alarm)))

    def _find(self, alarm: str, key: str) -> Standing | None:
        view = self._detectors.instance(name(alarm), key)
        return None if view is None else standing(alarm, view)


def _gone(those: Iterable[Standing], why: str, cause: str, now: int) -> list[Instruction]:
    return [Raise(notes.gone(each, "", why, cause, now)) for each in those]
