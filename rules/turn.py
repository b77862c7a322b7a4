"""One evaluation under way: what it looks at, what it collects."""

from __future__ import annotations

from hashlib import blake2b

from rules.account import effects
from rules.explain import Evaluation, Verdict
from rules.expression import Expression, Scope, Undecided
from rules.instance import Record
from rules.instructions import Act, Decided, Explained, Held, Instruction, Raise, Wake
from rules.lint.plan import Plan
from rules.manifest.form import Scalar
from rules.tasks import Task
from twins.exchange import Event, Severity


class Turn:
    """Passed through the state graph's callbacks; instructions gather in `out` until `finish`."""

    __slots__ = ("_chosen", "_marks", "_seed", "_state", "_wakes", "assigned", "cause", "id", "now", "out", "plan",
                 "record", "rule", "scope", "source", "steady", "trigger", "value", "verdicts")  # fmt: skip

    def __init__(
        self,
        rule: str,
        record: Record,
        scope: Scope,
        plan: Plan,
        *,
        trigger: str,
        cause: str,
        now: int,
        steady: int,
        at: int = 0,
    ) -> None:
        """`now` is wall time, for stamps; timers are due in `steady` time.

        `at` tells two inputs of one name and one cause apart: the time of the fact.
        """
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
        self._marks = 0
        self._seed = at
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

    def sign(self) -> str:
        """The id of the next action: a digest of cause, instance, device, trigger and number, so a repeat is known."""
        self._marks += 1
        seed = f"{self.cause}|{self.id}|{self.record.device}|{self.trigger}|{self._seed}|{self._marks}"
        return blake2b(seed.encode(), digest_size=12).hexdigest()

    def act(self, task: Task) -> None:
        """Have something done outside."""
        self.out.append(Act(self.sign(), self.id, self.cause, self.now, task))

    def passes(self, label: str, times: int, per: int) -> bool:
        """Whether an action may be done once more: at most so many `times` at once and in `per` microseconds."""
        limits = {name: full for name, full in (self.record.limits or {}).items() if full > self.now}
        step = per // times
        full = min(max(limits.get(label, 0), self.now), self.now + per)  # the clock may have gone back
        passes = full - self.now <= per - step
        limits[label] = full + step if passes else full
        self.record.limits = limits
        return passes

    def hold(self, label: str, what: str, per: int) -> None:
        """Note an action that does not pass; people are told once in `per` microseconds."""
        self.out.append(Held(self.id, self.cause, what))
        if self.passes(f"{label}:told", 1, per):
            self.note("warning", f"{self.id} holds back: {what}; more than its limit")

    def note(self, severity: Severity, message: str) -> None:
        """Tell people of an action."""
        event = Event(self.sign(), self.now, "action", self.rule, severity, message, self.cause)
        self.out.append(Raise(event))

    def add(self, instruction: Instruction) -> None:
        self.out.append(instruction)

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
