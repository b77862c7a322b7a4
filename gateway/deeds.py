"""What rules do within a turn: values they ask of devices, points they write, inputs of other rules.

All of it is on a chain of rules (`gateway.chains`); one that is too deep or runs away is cut, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import rules.instructions as wanted
from gateway import notices
from gateway.actions import record
from gateway.chains import START, Chain, Chains, longer, runs_away
from gateway.timers import Timers
from gateway.waits import Wait, Waits
from rules.expression import show
from rules.phrase import phrase
from rules.rules import DEPTH, LOOK_AGAIN, Rules
from twins.errors import Rejected
from twins.exchange import Batch, Event, Outcome
from twins.instructions import Fact
from twins.stimuli import Edit, Expired, Stimulus, Updated
from twins.twin import Twins

MOST = 2000
"""What one deed may set off at once: rules that each feed several would else grow in number with every round."""

Deed = wanted.Command | wanted.Signal | wanted.Write


class Carrier(Protocol):
    """The turn that it is part of."""

    def take_one(self, stimulus: Stimulus, depth: int) -> Outcome | None: ...

    def carry(self, decided: Sequence[wanted.Instruction], stimulus: Stimulus, depth: int) -> None: ...

    def hear(self, fact: Fact, stimulus: Stimulus, depth: int) -> None: ...

    def announce(self, event: Event) -> None: ...


class Counts(Protocol):
    """What is counted here."""

    commands: int
    loops_cut: int
    unreported: int


class Deeds:
    """Of one turn. `chain` is the one that what is decided now goes on with."""

    __slots__ = ("_batch", "_carrier", "_chains", "_counts", "_rules", "_spent", "_timers", "_told", "_twins",
                 "_waits", "chain")  # fmt: skip

    def __init__(
        self,
        carrier: Carrier,
        twins: Twins,
        rules: Rules,
        waits: Waits,
        chains: Chains,
        timers: Timers,
        counts: Counts,
        batch: Batch,
    ) -> None:
        self.chain = START
        self._spent = 0
        self._told = False
        self._carrier = carrier
        self._twins = twins
        self._rules = rules
        self._waits = waits
        self._chains = chains
        self._timers = timers
        self._counts = counts
        self._batch = batch

    def goes_on(self, fact: Fact) -> Chain:
        """What a fact leads to is on the chain that asked for it, if one did; the chain there was before."""
        before = self.chain
        if before is START:
            self.chain = self._chains.of(fact.device, fact.name)
        return before

    def reported(self, device: str, name: str) -> None:
        """A device has reported what is asked of it: nobody need wait."""
        self._waits.end(device, name, self._timers, self._batch)

    def expire(self, expired: Expired) -> bool:
        """Take a timer that is due, if it is a wait's.

        Nothing is wrong where the device has reported the value after all, or where something else is asked meanwhile.
        """
        wait = self._waits.expire(expired.timer)
        if wait is None:
            return False
        if self._rules.trouble("/".join(wait.rule.split("/", 2)[:2])):  # it waits on, as all timers of its rule
            self._waits.go_on(wait, expired.due + LOOK_AGAIN, self._timers, self._batch)
            return True
        twin = self._twins.get(wait.device)
        held = None if twin is None else twin.properties.get(wait.name)
        asked = None if held is None or held.desired is None else held.desired.value
        if held is None or (asked == wait.value and held.drifts):
            self._unreported(wait, expired)
        return True

    def do(self, deed: Deed, stimulus: Stimulus, depth: int) -> None:
        """Do it, unless its chain is to be cut."""
        before = self.chain
        if self._goes_on(deed.rule, deed.cause, stimulus, depth):
            match deed:
                case wanted.Command():
                    self._command(deed, stimulus, depth)
                case wanted.Signal():
                    self._signal(deed, stimulus, depth)
                case wanted.Write():
                    self._write(deed, stimulus, depth)
        self.chain = before

    def tell_followers(self, decided: wanted.Decided, stimulus: Stimulus, depth: int) -> None:
        """A detector changed its state: those that have it as an input are evaluated now, on the same chain."""
        if not self._rules.is_followed(decided.rule):
            return
        before, now = self.chain, stimulus.seen
        if self._goes_on(f"{decided.rule}/{decided.key}", decided.cause, stimulus, depth):
            following = self._rules.follow(decided, now, self._timers.steady.of(now))
            self._carrier.carry(following, stimulus, depth + 1)
        self.chain = before

    def _goes_on(self, rule: str, cause: str, stimulus: Stimulus, depth: int) -> bool:
        """Make the chain longer by this instance's detector; false where it is to be cut, which is told once of all
        that one deed set off.
        """
        if depth == 0:
            self._spent, self._told = 0, False
        self._spent += 1
        self.chain = chain = longer(self.chain, "/".join(rule.split("/", 2)[:2]), stimulus.seen)
        if depth < DEPTH and self._spent <= MOST and not runs_away(chain):
            return True
        self._counts.loops_cut += 1
        if self._told:
            return False
        self._told = True
        rounds = DEPTH if depth >= DEPTH else 0
        self._carrier.announce(notices.loop(rule, cause, rounds, str(chain), stimulus.seen))
        return False

    def _command(self, command: wanted.Command, stimulus: Stimulus, depth: int) -> None:
        """Its values are desired; a refusal is told, and is no answer to wait for."""
        seen, device = stimulus.seen, command.device
        self._counts.commands += 1
        for name in command.values:
            self._chains.note(device, name, self.chain)
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in command.values.items()}
        refused = self._carrier.take_one(Updated(device, command.cause, seen, edits, seen, origin="edge"), depth + 1)
        self._record(command, seen, refused)
        if refused is None:
            self._await(command, seen)
            return
        self._carrier.announce(notices.unheard(command, refused, seen))
        if command.within:
            (name,) = command.values  # a `set` asks for one
            self._fail(command.rule, command.label, f"{device}/{name}", stimulus, depth + 1)

    def _await(self, command: wanted.Command, seen: int) -> None:
        """Begin to wait where that is wanted; who waited for an earlier value waits no more."""
        twin = self._twins.get(command.device)
        for name in command.values:
            held = None if twin is None else twin.properties.get(name)
            if command.within and held is not None and held.drifts:
                self._waits.begin(
                    command, name, self._timers.steady.of(seen) + command.within, self._timers, self._batch
                )
            else:
                self.reported(command.device, name)

    def _unreported(self, wait: Wait, expired: Expired) -> None:
        self._counts.unreported += 1
        self._carrier.announce(notices.unreported(wait, expired.seen))
        self._fail(wait.rule, wait.label, f"{wait.device}/{wait.name}", Expired("", wait.cause, expired.seen, "", 0), 0)

    def _fail(self, rule: str, label: str, asked: str, stimulus: Stimulus, depth: int) -> None:
        now, steady = stimulus.seen, self._timers.steady.of(stimulus.seen)
        self._carrier.carry(self._rules.fail(rule, label, asked, stimulus.cause, now, steady), stimulus, depth)

    def _signal(self, signal: wanted.Signal, stimulus: Stimulus, depth: int) -> None:
        try:
            decided = self._rules.signal(signal, stimulus.device, stimulus.seen, self._timers.steady.of(stimulus.seen))
        except Rejected as error:
            self._record(signal, stimulus.seen, Outcome(error.reason, error.code))
            self._carrier.announce(notices.unsaid(signal, error.reason, stimulus.seen))
            return
        self._record(signal, stimulus.seen)
        self._carrier.carry(decided, stimulus, depth + 1)

    def _write(self, write: wanted.Write, stimulus: Stimulus, depth: int) -> None:
        """A point of the rule's own, and a fact for the others."""
        value, seen = write.value, stimulus.seen
        number = None if isinstance(value, str) else float(value)
        fact = Fact(write.device, write.cause, write.property, show(value), number, seen, record.number(write.id))
        self._carrier.hear(fact, stimulus, depth + 1)
        self._record(write, seen)

    def _record(self, deed: Deed, seen: int, refused: Outcome | None = None) -> None:
        outcome: record.Outcome = "asked" if refused is None else "refused"
        why = "" if refused is None else refused.refused or ""
        done = record.Done(deed.id, deed.rule, deed.cause, seen, phrase(deed), outcome, why)
        self._batch.points.append(record.point(done))
