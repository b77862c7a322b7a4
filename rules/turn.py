"""One evaluation under way: what it looks at, what it collects."""

from __future__ import annotations

from rules.account import effects
from rules.explain import Evaluation, Verdict
from rules.expression import Expression, Scope, Undecided
from rules.instance import Record
from rules.instructions import Command, Decided, Explained, Instruction, Raise, Wake
from rules.lint.plan import Plan
from rules.manifest.form import Scalar


class Turn:
    """Passed through the state graph's callbacks; instructions gather in `out` until `finish`."""

    __slots__ = ("_alerts", "_chosen", "_state", "_wakes", "assigned", "cause", "id", "now", "out", "plan", "record",
                 "rule", "scope", "source", "steady", "trigger", "value", "verdicts")  # fmt: skip

    def __init__(
        self, rule: str, record: Record, scope: Scope, plan: Plan, *, trigger: str, cause: str, now: int, steady: int
    ) -> None:
        """`now` is wall time, for stamps; timers are due in `steady` time."""
        self.rule = rule
        self.record = record
        self.id = f"{rule}/{record.key}"
        self.scope = scope
        self.trigger = trigger
        self.cause = cause
        self.plan = plan
        self.now = now
        self.steady = steady
        self.source = ""
        self.value: Scalar | None = None
        self.out: list[Instruction] = []
        self.verdicts: list[Verdict] = []
        self.assigned: dict[str, Scalar] = {}
        self._state = record.state
        self._chosen = ""
        self._alerts = 0
        self._wakes: dict[str, int | None] = {}  # lengths by name

    def holds(self, label: str, when: Expression | None) -> bool:
        """Evaluate a condition. What cannot be evaluated is false, and is noted."""
        if when is None:
            return True
        scope = self.scope
        scope.heard.clear()
        try:
            holds = when.holds(scope)
        except Undecided as fault:
            self.fault(label, when, fault)
            return False
        self.verdicts.append(Verdict(label, when.source, holds, "", scope.given(when.uses)))
        return holds

    def fault(self, label: str, what: Expression | str, fault: Undecided) -> None:
        """Note an expression without a usable value, or what else could not be done."""
        source, given = (what, {}) if isinstance(what, str) else (what.source, self.scope.given(what.uses))
        self.verdicts.append(Verdict(label, source, False, str(fault), given, fault.reason))

    def command(self, device: str, name: str, value: str) -> None:
        self.out.append(Command(device, {name: value}, self.cause, self.id))

    def raise_(self, event: Raise) -> None:
        self.out.append(event)

    def arm(self, timer: str, length: int) -> None:
        """Start a timer, or start it again: so many microseconds from now."""
        record = self.record
        record.timers[timer] = self.steady + length
        self._wakes[timer] = length
        if timer in self.plan.restarted:
            record.lengths = {**record.lengths, timer: length}

    def clear(self, timer: str) -> None:
        if self.record.timers.pop(timer, None) is not None:
            self._wakes[timer] = None

    def decide(self, name: str, before: str, after: str) -> None:
        """Note that an event or transition was chosen."""
        self._chosen = f"{self._chosen}, {name}" if self._chosen else name
        self.out.append(Decided(self.rule, self.record.key, name, before, after, self.cause))

    def next_alert(self) -> int:
        """The number of an alert within this evaluation."""
        self._alerts += 1
        return self._alerts

    def finish(self) -> Evaluation:
        """Add the timers to be written, before all else: a command may lead to another evaluation of this instance.

        What decided something explains itself, before that.
        """
        if self._wakes:
            cause = self.cause.encode()
            self.out[:0] = [self._wake(timer, length, cause) for timer, length in self._wakes.items()]
        out, record = self.out, self.record
        evaluation = Evaluation(
            self.now, self.cause, record.key, self.trigger, self._state, record.state, self._chosen,
            tuple(self.verdicts), effects(out, self.assigned, self.now - self.steady) if out else (), self.rule,
            self.source, self.value,
        )  # fmt: skip
        if out:
            out.insert(0, Explained(evaluation))
        return evaluation

    def _wake(self, timer: str, length: int | None, cause: bytes) -> Wake:
        name = f"{self.id}#{timer}"
        if length is None:
            return Wake(name, None)
        return Wake(name, self.steady + length, cause, timer in self.plan.pausing)
