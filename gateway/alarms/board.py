"""Which alarms matter now, kept as their events tell, so that nobody has to look at all that are well."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from msgspec import structs

from rules.alarms.alarms import Alarms
from rules.alarms.notes import standing_of
from rules.alarms.standing import Standing
from twins.errors import Rejected
from twins.exchange import Event
from twins.schema import nearest
from web.views import AlarmView

STATES = ("Active", "Acknowledged", "Latched", "SnoozeDisabled", "Disabled", "Normal")
"""Those first that people have to deal with."""
SEVERITIES = ("error", "alert", "warning", "info")
SHOWN = 200
"""Alarms that the page shows."""


class Board:
    """Reads how alarms stand from the rules, as all that is shown is read from what the core has."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._mattering: dict[tuple[str, str], None] = {}

    def restore(self) -> None:
        """Take up all of them."""
        self._mattering = {(each.alarm, each.key): None for each in self._alarms.standings() if each.matters}

    def note(self, events: Iterable[Event]) -> list[Standing]:
        """What changed: each alarm that these events tell of, as it stood after the last of them."""
        told = [each for event in events if (each := standing_of(event)) is not None]
        for each in told:
            if each.matters:
                self._mattering[each.alarm, each.key] = None
            else:
                self._mattering.pop((each.alarm, each.key), None)
        return list({(each.alarm, each.key): each for each in told}.values())

    def mattering(self) -> list[Standing]:
        """All that matter, the worst first, then the newest."""
        found = (self._alarms.standing(*each) for each in self._mattering)
        return sorted((each for each in found if each is not None), key=_rank)

    def views(self, state: str = "", limit: int = SHOWN, *, well: bool = False) -> tuple[AlarmView, ...]:
        """At most `limit` of those that matter, the worst first, then those that are `well`. Raises `Rejected`."""
        if state and state not in STATES:
            raise Rejected(f"alarms have no state {state[:40]!r}: {nearest(state, STATES)}")
        others = (each for each in self._alarms.standings() if (each.alarm, each.key) not in self._mattering)
        every = chain(self.mattering(), others if well else ())
        return tuple(map(self._view, islice((each for each in every if state in ("", each.state)), limit)))

    def _view(self, each: Standing) -> AlarmView:
        return AlarmView(**structs.asdict(each), commands=self._alarms.commands(each))


def _rank(each: Standing) -> tuple[int, int, int]:
    return STATES.index(each.state), SEVERITIES.index(each.severity), -each.since
