"""The trials of one search, as they are kept: what was set, what came of it, what is best. Pure.

    start --> [proposed -->] measuring --> measured | broken | void          (advise: proposed, a person approves)

Trial 0 is what was found, measured and not set. One trial at most is open. When the budget is used up, the best is set
once more and measured (`check`): what is best of many noisy means looks better than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from learning.tuning.space import Configuration

TUNING = "tuning:"
"""What the key of its row begins with."""
State = Literal["proposed", "measuring", "measured", "broken", "void", "rejected"]
Purpose = Literal["start", "trial", "check"]


class Bound(Struct, frozen=True):
    """What a series has to stay within."""

    series: str
    least: float | None = None
    most: float | None = None

    def fault(self, number: float) -> str:
        """In words, what is wrong with a number; empty for nothing."""
        if self.least is not None and number < self.least:
            return f"{self.series} is {number:.6g}, below {self.least:g}"
        if self.most is not None and number > self.most:
            return f"{self.series} is {number:.6g}, above {self.most:g}"
        return ""


class Trial(Struct, frozen=True):
    """`at` it was proposed, or set once it is measured; `objective` and `means` (of the constraints) are means over the
    time of measuring. `kept`: all constraints were. `who` approved or rejected it."""

    number: int
    purpose: Purpose
    values: Configuration
    state: State
    at: int
    objective: float | None = None
    means: tuple[float, ...] = ()
    kept: bool = False
    reason: str = ""
    who: str = ""


class Campaign(Struct, frozen=True):
    """`values` are what is set now, `best` the number of the best trial, `stopped` why it goes on no more."""

    question: int
    limits: tuple[Bound, ...]
    values: Configuration
    trials: tuple[Trial, ...] = ()
    best: int = 0
    stopped: str = ""

    @property
    def open(self) -> Trial | None:
        """The trial that is proposed or under way."""
        last = self.trials[-1] if self.trials else None
        return last if last is not None and last.state in {"proposed", "measuring"} else None

    @property
    def watched(self) -> int | None:
        """Since when limits are looked at: while a trial is under way, or values are set that are not the best."""
        if not self.trials or self.stopped:
            return None
        last = self.trials[-1]
        return last.at if last.state == "measuring" or self.values != self.home else None

    @property
    def used(self) -> int:
        """How much of the budget is: a trial that was never made costs nothing."""
        return sum(each.purpose == "trial" and each.state not in {"proposed", "rejected"} for each in self.trials)

    @property
    def home(self) -> Configuration:
        """The best configuration that is known."""
        return self.trials[self.best].values

    @property
    def checked(self) -> Trial | None:
        """The last measurement of the best, where there is one."""
        last = self.trials[-1] if self.trials else None
        return last if last is not None and last.purpose == "check" and last is not self.open else None

    def begin(self, values: Configuration, purpose: Purpose, at: int, *, ask: bool = False) -> Campaign:
        """With a trial that is set now, or first proposed."""
        assert self.open is None, "one trial at a time"
        trial = Trial(len(self.trials), purpose, values, "proposed" if ask else "measuring", at)
        return replace(self, trials=(*self.trials, trial), values=self.values if ask else values)

    def approve(self, at: int, who: str) -> Campaign:
        """The proposed trial is set now."""
        trial = self._last("proposed")
        return self._with(replace(trial, state="measuring", at=at, who=who), trial.values)

    def reject(self, who: str) -> Campaign:
        return self._with(replace(self._last("proposed"), state="rejected", who=who), self.values)

    def measured(
        self, objective: float, means: Sequence[float], bounds: Sequence[Bound], *, sign: float, fall: float
    ) -> Campaign:
        """The open trial came to its end: it is best, or not; it stays set unless it is bad."""
        faults = [said for bound, mean in zip(bounds, means, strict=True) if (said := bound.fault(mean))]
        reason, trial = "; ".join(faults), self._last("measuring")
        best = self.trials[self.best]
        bad = bool(faults)
        if trial.purpose == "start":
            bad = False
        elif not faults and best.kept and best.objective is not None and best is not trial:
            loss = sign * (best.objective - objective)
            if loss > fall * abs(best.objective):
                bad, reason = True, f"the objective is {objective:.6g}, the best known {best.objective:.6g}"
            better = loss < 0
        else:
            better = not faults
        done = replace(trial, state="measured", objective=objective, means=tuple(means), kept=not faults, reason=reason)
        after = self._with(done, self.values)
        if trial.purpose == "trial" and not bad and better:
            after = replace(after, best=trial.number)
        if trial.purpose == "check" and (faults or self._lost(objective, sign)):
            bad, after = True, replace(after, best=self._second(trial.values, sign))
        return replace(after, values=after.home) if bad else after

    def broken(self, reason: str) -> Campaign:
        """A limit was broken: back at once."""
        return self._ended("broken", reason)

    def void(self, reason: str) -> Campaign:
        """There is no measurement: back, and nothing is learned of it."""
        return self._ended("void", reason)

    def prefer(self, number: int) -> Campaign:
        """Another trial is the best, by what a model makes of all of them; one that broke nothing."""
        trial = self.trials[number] if 0 <= number < len(self.trials) else None
        return self if trial is None or trial.state != "measured" or not trial.kept else replace(self, best=number)

    def back(self) -> Campaign:
        """The best that is known is set."""
        return replace(self, values=self.home)

    def stop(self, reason: str) -> Campaign:
        return replace(self, stopped=reason)

    def resume(self, values: Configuration) -> Campaign:
        """It goes on, from the values as they are now."""
        return replace(self, stopped="", values=values)

    @property
    def body(self) -> bytes:
        return msgspec.msgpack.encode(self)

    def _lost(self, objective: float, sign: float) -> bool:
        """Whether this is worse than what was found."""
        start = self.trials[0]
        return start.kept and start.objective is not None and sign * (objective - start.objective) < 0

    def _second(self, values: Configuration, sign: float) -> int:
        """The best trial of other values that kept all constraints; the present best where there is none."""
        others = [(sign * (t.objective or 0.0), t.number) for t in self.trials if t.kept and t.values != values]
        return max(others)[1] if others else self.best

    def _ended(self, state: State, reason: str) -> Campaign:
        after = self._with(replace(self._last("measuring"), state=state, reason=reason), self.values)
        return replace(after, values=after.home)

    def _last(self, state: State) -> Trial:
        trial = self.trials[-1]
        assert trial.state == state, f"the last trial is {trial.state}"
        return trial

    def _with(self, trial: Trial, values: Configuration) -> Campaign:
        return replace(self, trials=(*self.trials[:-1], trial), values=values)


read = msgspec.msgpack.Decoder(Campaign).decode
"""Raises `msgspec.MsgspecError`."""
