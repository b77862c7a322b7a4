"""Which alarms matter now, kept as their events tell, so that nobody has to look at all that are well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nsmallest
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
    """How alarms stand is read from the rules, as all that is shown is read from what the core has."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._mattering: dict[tuple[str, str], Standing] = {}

    def restore(self) -> None:
        """Take up all of them."""
        self._mattering = {(each.alarm, each.key): each for each in self._alarms.standings() if each.matters}

    def note(self, events: Iterable[Event]) -> bool:
        """Take up what events tell; whether they told of alarms."""
        told = [each for event in events if (each := standing_of(event)) is not None]
        for each in told:
            if each.matters:
                self._mattering[each.alarm, each.key] = each
            else:
                self._mattering.pop((each.alarm, each.key), None)
        return bool(told)

    def views(self, state: str = "", limit: int = SHOWN, *, well: bool = False) -> tuple[AlarmView, ...]:
        """At most `limit` of those that matter, the worst first, then those that are `well`. Raises `Rejected`.

        In a storm of alarms only those that are shown cost more than a look.
        """
        if state and state not in STATES:
            raise Rejected(f"alarms have no state {state[:40]!r}: {nearest(state, STATES)}")
        wanted = (each for each in self._mattering.values() if state in ("", each.state))
        first = (self._alarms.standing(each.alarm, each.key) for each in nsmallest(limit, wanted, key=_rank))
        every = chain((each for each in first if each is not None), self._well(state) if well else ())
        return tuple(map(self._view, islice(every, limit)))

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of now."""
        counts = Counter(each.state for each in self._mattering.values())
        yield "alarms_active", "Alarms that are raised and not acknowledged", counts["Active"]
        yield "alarms_acknowledged", "Alarms that are acknowledged, and not over", counts["Acknowledged"]
        yield "alarms_latched", "Alarms that are over, and wait to be reset", counts["Latched"]
        yield "alarms_snoozed", "Alarms that are silent for a time", counts["SnoozeDisabled"]

    def _well(self, state: str) -> Iterator[Standing]:
        if state not in ("", "Normal", "Disabled"):
            return  # all that are in another state matter
        for each in self._alarms.standings():
            if state in ("", each.state) and (each.alarm, each.key) not in self._mattering:
                yield each

    def _view(self, each: Standing) -> AlarmView:
        return AlarmView(**structs.asdict(each), commands=self._alarms.commands(each))


def _rank(each: Standing) -> tuple[int, int, int]:
    return STATES.index(each.state), SEVERITIES.index(each.severity), -each.since
