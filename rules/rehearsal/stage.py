"""Rules in virtual time: facts go in, timers fall due as time passes, and a disk keeps what the rules want kept."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from contextlib import suppress

from rules.explain import Evaluation
from rules.instructions import Command, Decided, Drop, Instruction, Keep, Signal, Wake
from rules.late import Start
from rules.manifest.detector import Detector
from rules.rehearsal.decision import Decision, decisions
from rules.rules import DEPTH, Rules
from twins.errors import Rejected
from twins.instructions import Fact

STALE = 1024
"""Entries of changed timers that may lie in the heap; a watchdog leaves one behind with every message."""
REMEMBERED = 64
"""Evaluations that are told of after a restart."""


class Stage:
    """Some detectors from a clean start. `now` is the time, in microseconds UTC; it only goes forward.

    With `waits`, a device that was asked a value `within` a time has to report it, and the action's `else` comes where
    it does not: for a case, which tells all that devices report. A history need not have the actuators.
    """

    def __init__(
        self, detectors: Sequence[Detector], zone: str = "UTC", start: int = 0, *, waits: bool = False
    ) -> None:
        self.now = start
        self._waits = waits
        self._reported: dict[str, str] = {}
        self._asked: dict[str, Command] = {}
        self.inputs = 0
        self._detectors = detectors
        self._zone = zone
        self._states: dict[str, bytes] = {}
        self._due: dict[str, tuple[int, bytes]] = {}
        self._heap: list[tuple[int, str]] = []
        self._past: list[Evaluation] = []
        self.rules, _ = self._risen()

    def tell(self, fact: Fact) -> list[Decision]:
        """A fact arrives at its own time, or now if that has passed; what was decided until then comes first."""
        made = self.advance(fact.at)
        self.inputs += 1
        self._hear(fact)
        done = self._spread(self.rules.handle(fact, self.now), fact.device)
        self._carry_out(done)
        if not done:
            return made
        return [*made, *decisions(done, f"{fact.name} = {fact.value}", self.now, fact.device)]

    def advance(self, to: int) -> list[Decision]:
        """Let time pass; each timer runs at its deadline."""
        made: list[Decision] = []
        while self._heap and self._heap[0][0] <= to:
            due, timer = heapq.heappop(self._heap)
            pending = self._due.get(timer)
            if pending is None or pending[0] != due:
                continue  # it was taken back, or set anew
            del self._due[timer]
            self.now = max(self.now, due)
            if (asked := self._asked.pop(timer, None)) is not None:
                done = self._spread(self.rules.fail(asked.rule, asked.label, timer, asked.cause, self.now))
                trigger = f"{timer} was not reported"
            else:
                done = self._spread(self.rules.expire(timer, self.now, pending[1].decode()))
                trigger = f"timer {timer.rpartition('#')[2]}"
            self._carry_out(done)
            made += decisions(done, trigger, self.now)
        self.now = max(self.now, to)
        return made

    def story(self) -> list[Evaluation]:
        """The last evaluations in order of time, those before a restart too."""
        told = [each for name in self.rules.detectors for each in self.rules.explain(name)]
        return [*self._past, *sorted(told, key=lambda each: each.at)]

    def restart(self, away: int = 0) -> list[Decision]:
        """The process dies, and comes back from disk after `away` microseconds; what is overdue runs then."""
        self._past = self.story()[-REMEMBERED:]
        self._carry_out(self.rules.changes())
        self.now += away
        self.rules, made = self._risen(away)
        return [*made, *self.advance(self.now)]

    def _spread(self, decided: Sequence[Instruction], device: str = "", depth: int = 0) -> list[Instruction]:
        """What was decided, with what that leads to in rules that see each other's states, or are signalled."""
        done: list[Instruction] = []
        for each in decided:
            done.append(each)
            if depth >= DEPTH:
                continue
            following: list[Instruction] = []
            if isinstance(each, Decided) and self.rules.is_followed(each.rule):
                following = self.rules.follow(each, self.now)
            elif isinstance(each, Signal):
                with suppress(Rejected):  # nobody is there who could hear it: that is told at work, not here
                    following = self.rules.signal(each, device, self.now)
            done += self._spread(following, device, depth + 1)
        return done

    def _risen(self, away: int = 0) -> tuple[Rules, list[Decision]]:
        """The rules as a gateway starts them: what was kept, then the manifests. Both of its clocks show `now`."""
        rules = Rules(self._zone)
        timers = {timer: due for timer, due in self._due.items() if timer not in self._asked}
        done = rules.restore(dict(self._states), timers, Start(self.now, self.now, away))
        for detector in self._detectors:
            done += rules.apply(detector, self.now)
        self._carry_out(done)
        return rules, list(decisions(done, "the start", self.now))

    def _carry_out(self, instructions: Sequence[Instruction]) -> None:
        """Keep the books; what is to be done to the world is not done."""
        for each in instructions:
            match each:
                case Wake(timer, None):
                    self._due.pop(timer, None)
                case Wake(timer, int(due), body):
                    self._set(timer, due, body)
                case Command() if self._waits:
                    self._await(each)
                case Keep(key, body):
                    self._states[key] = body
                case Drop(key):
                    self._states.pop(key, None)
                case _:
                    pass

    def _set(self, timer: str, due: int, body: bytes) -> None:
        self._due[timer] = (due, body)
        heapq.heappush(self._heap, (due, timer))
        if len(self._heap) > 2 * len(self._due) + STALE:
            self._heap = [(due, timer) for timer, (due, _) in self._due.items()]
            heapq.heapify(self._heap)

    def _await(self, command: Command) -> None:
        """Begin to wait where that is wanted; who waited for an earlier value waits no more."""
        for name, value in command.values.items():
            key = f"{command.device}/{name}"
            self._forget(key)
            if command.within and self._reported.get(key) != value:
                self._asked[key] = command
                self._set(key, self.now + command.within, b"")

    def _hear(self, fact: Fact) -> None:
        """A device has reported what is asked of it: nobody need wait."""
        if self._waits:
            key = f"{fact.device}/{fact.name}"
            self._reported[key] = fact.value
            if (asked := self._asked.get(key)) is not None and asked.values[fact.name] == fact.value:
                self._forget(key)

    def _forget(self, key: str) -> None:
        if self._asked.pop(key, None) is not None:
            del self._due[key]
