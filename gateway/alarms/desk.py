"""The desk: commands to alarms, of whichever door, are stimuli of the sequencer and answered after their commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.alarms.board import Board
from gateway.core import Core
from rules.alarms.order import order, written
from runtime.clock import Clock
from twins.duration import Duration
from twins.errors import Rejected
from twins.stimuli import Ordered
from web.views import AlarmView


class Desk:
    """Implements `web.alarms.Desk`."""

    def __init__(self, board: Board, core: Core, clock: Clock, next_cause: Callable[[], str]) -> None:
        self._board = board
        self._core = core
        self._clock = clock
        self._next_cause = next_cause

    def views(self, state: str, limit: int) -> Sequence[AlarmView]:
        return self._board.views(state, limit, well=True)

    async def command(self, alarm: str, key: str, command: str, *, who: str, note: str, length: Duration | None) -> str:
        text = written(order(command, who=who, note=note, length=length))
        cause = self._next_cause()
        outcome = await self._core.ask(Ordered("", cause, self._clock.now(), alarm, key, text))
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)
        return cause
