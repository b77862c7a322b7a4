"""Why did it do that: the last evaluations of each detector, in two bounded rings.

Evaluations that decided something have a ring of their own, so that a chatty sensor does not push a rare decision out.
Those are kept on disk too (`rules/account.py`), with the values that were seen then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from rules.manifest.form import Scalar

Reason = Literal["", "missing", "mistyped", "failed"]
"""Why an expression has no usable value: a name has none, one is of another type, or it cannot be computed."""


class Verdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """One condition or value: where it stands, its source, what came out, and why it counts as false.

    `given` are the values that its names had then, and what each function that it called gave, as
    `{"temperature": 81.5, 'within("night")': True}`; a name without a value is not among them.
    """

    label: str
    source: str
    holds: bool
    fault: str = ""
    given: dict[str, Scalar] = {}
    reason: Reason = ""


class Counts(Struct):
    """What there was of one detector, or of all: evaluations, those that decided something, and conditions and values
    that had no usable one, by the reason.
    """

    evaluations: int = 0
    decisions: int = 0
    missing: int = 0
    mistyped: int = 0
    failed: int = 0

    @property
    def faults(self) -> int:
        return self.missing + self.mistyped + self.failed

    def add(self, other: Counts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Effect(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that was wanted.

    `set` a `value` of a `target`, `device/property`; `assign` a `value` to the variable `target`; `alert` a person of a
    `target`, `id` being that of the event; `wake` the timer `target` at `at`, `clear` it; `do` what `value` says, `id`
    being that of the action; `spare` what was held back or is a dry run; or what else rules want, by its name.
    """

    kind: str
    target: str = ""
    value: str = ""
    id: str = ""
    at: int = 0


class Evaluation(Struct, frozen=True, omit_defaults=True):
    """One input or timer and what it led to. `chosen` names the events and the transition, in order, or is empty.

    `trigger` is the input's name, or `timer NAME@DUE`; `source` the `device/property` that came with `value`, which is
    `None` when it could not be read; of a timer empty.
    """

    at: int
    cause: str
    key: str
    trigger: str
    before: str
    after: str
    chosen: str
    verdicts: tuple[Verdict, ...]
    effects: tuple[Effect, ...]
    rule: str = ""
    source: str = ""
    value: Scalar | None = None
    topic: str = ""
    """Where the input came in, of one that is kept."""


class Story:
    """The last evaluations of one detector, with the counts of all there were."""

    def __init__(self, length: int = 64) -> None:
        self.counts = Counts()
        self._all: deque[tuple[int, Evaluation]] = deque(maxlen=length)
        self._decided: deque[tuple[int, Evaluation]] = deque(maxlen=length)

    def add(self, evaluation: Evaluation) -> None:
        counts = self.counts
        counts.evaluations += 1
        entry = counts.evaluations, evaluation
        self._all.append(entry)
        for verdict in evaluation.verdicts:
            if verdict.reason:
                setattr(counts, verdict.reason, getattr(counts, verdict.reason) + 1)
        if evaluation.chosen:
            counts.decisions += 1
            self._decided.append(entry)

    def recall(self, evaluations: Iterable[Evaluation]) -> None:
        """Remember decisions of an earlier run, oldest first, before any of this one. They count no more."""
        found = [each for each in evaluations if each.chosen]
        self._decided.extendleft((at - len(found), each) for at, each in reversed(list(enumerate(found, 1))))

    def last(self, key: str | None = None) -> list[Evaluation]:
        """What is remembered of one instance, or of all, oldest first."""
        both = dict((*self._decided, *self._all))
        return [both[number] for number in sorted(both) if key is None or both[number].key == key]

    def why(self, cause: str) -> list[Evaluation]:
        """The remembered evaluations that a cause led to."""
        return [evaluation for evaluation in self.last() if evaluation.cause == cause]
