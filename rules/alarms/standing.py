"""How alarms stand: what people and programs are shown of each."""

from __future__ import annotations

from msgspec import Struct

from rules.alarms import variables
from rules.alarms.order import STANDING
from rules.alarms.variables import SNOOZE
from rules.manifest.form import Scalar
from rules.view import InstanceView
from twins.exchange import Severity


class Standing(Struct, frozen=True):
    """One alarm of one key. `since` is when it came into its state, `raised` when it was raised last, 0 for never.

    `until` ends its snooze, 0 for none. `count` is how often its condition began to hold since it was raised, `level`
    how often it was escalated; `who` gave the last command since then, and `note` says why. Times are µs UTC.
    """

    alarm: str
    key: str
    state: str
    severity: Severity
    since: int
    message: str = ""
    raised: int = 0
    until: int = 0
    count: int = 0
    level: int = 0
    who: str = ""
    note: str = ""
    device: str = ""
    cause: str = ""

    @property
    def stands(self) -> bool:
        """It was raised, and is not cleared."""
        return self.state in STANDING

    @property
    def matters(self) -> bool:
        """It is not as it would be had nothing happened to it."""
        return self.state not in {"", "Normal", "Disabled"} or (self.state == "Disabled" and self.who != "")


def standing(alarm: str, view: InstanceView) -> Standing:
    """An instance of the detector of the alarm `namespace/name`."""
    values = view.values
    return Standing(
        alarm,
        view.key,
        view.state,
        variables.severity(values),
        view.since,
        str(values.get(variables.MESSAGE, "")),
        _whole(values.get(variables.RAISED)),
        view.timers.get(SNOOZE, 0),
        _whole(values.get(variables.COUNT)),
        _whole(values.get(variables.LEVEL)),
        str(values.get(variables.WHO, "")),
        str(values.get(variables.NOTE, "")),
        view.device,
        str(values.get(variables.CAUSE, "")),
    )


def _whole(value: Scalar | None) -> int:
    return int(value) if isinstance(value, float) else 0
