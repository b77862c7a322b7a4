"""When reported values were so at their source, which their twins do not keep; until the cloud has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from twins.instructions import Instruction, Revision
from twins.values import Twin, Value


class Sources:
    """By device and property: the version of a value, and its time in microseconds. Forgotten with the device."""

    def __init__(self, twin: Callable[[str], Twin | None]) -> None:
        self._twin = twin
        self._known: dict[str, dict[str, tuple[int, int]]] = {}

    def __len__(self) -> int:
        """Devices with a value that the cloud has not confirmed."""
        return len(self._known)

    def note(self, said: Sequence[Instruction], changed: Iterable[str]) -> None:
        """What was committed, and the devices that are otherwise now, or gone."""
        for i in said:
            if type(i) is Revision:
                for name, change in i.changes.items():
                    if change.at is not None and change.reported_changed and change.current.reported is not None:
                        self._known.setdefault(i.device, {})[name] = change.current.reported.version.edge, change.at
        for device in changed:
            if self._twin(device) is None:
                self._known.pop(device, None)

    def at(self, device: str, name: str, value: Value) -> int:
        """As far as that is known; else when the value arrived."""
        version, at = self._known.get(device, {}).get(name, (0, 0))
        return at if version == value.version.edge else value.at

    def confirmed(self, device: str, versions: Mapping[str, tuple[int, int]]) -> None:
        """The cloud has these versions (reported, desired)."""
        known = self._known.get(device, {})
        for name, (reported, _) in versions.items():
            if known.get(name, (reported + 1, 0))[0] <= reported:
                del known[name]
        if not known:
            self._known.pop(device, None)
