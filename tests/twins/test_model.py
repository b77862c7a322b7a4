"""`Twins` against a model that is too simple to be wrong: updates, deletions, questions, repeats and restarts."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Struct

from tests.twins.sides import outcome, told
from twins.instructions import Answer, Delta, Instruction, Persist, Refuse, Revision
from twins.stimuli import Asked, Edit, Joined, Reply, Updated
from twins.twin import Twins
from twins.values import Property, Value

D = "default/d1"
START = 1_795_243_950_000_000
NAMES = ("a", "b", "c")
VALUES = ("1", "2", "x", "")
EDITS = st.none() | st.builds(
    Edit,
    reported=st.sampled_from((None, *VALUES)),
    desired=st.sampled_from((None, *VALUES)),
    kind=st.sampled_from((None, "int", "string", "float64")),
    optional=st.sampled_from((None, True, False)),
)


class Side(Struct):
    """A value, and how often it was counted."""

    value: str
    count: int


class Model(Struct):
    """A property: its sides, whether it lives, what it is."""

    reported: Side | None = None
    desired: Side | None = None
    kind: str = "string"
    optional: bool = True
    lives: bool = False


class Refused(Exception):
    """With the code of the answer."""


def after(old: Model, edit: Edit | None, *, strict: bool) -> Model:
    """The property after an edit."""
    if edit is None:
        if not old.lives:
            return old
        if not old.optional:
            if strict:
                return old
            raise Refused(409)
        gone = {
            side: one and Side("", one.count + 1)
            for side, one in (("reported", old.reported), ("desired", old.desired))
        }
        reported = gone["reported"] or Side("", 1)  # a deletion has a version, whatever there was
        return Model(reported, gone["desired"], "deleted", old.optional)
    kind = old.kind if old.lives else (edit.kind or "string")
    nothing = edit.reported is None and edit.desired is None and edit.optional is not False
    if old.lives and nothing and not (strict and edit.kind):
        return old
    if kind not in {"int", "string"}:
        raise Refused(400)
    if kind == "int" and {edit.reported, edit.desired} & {"x", ""}:
        raise Refused(400)
    optional = (old.optional or not old.lives) and edit.optional is not False
    sides = [
        said(last, value, old.lives and not strict)
        for last, value in ((old.reported, edit.reported), (old.desired, edit.desired))
    ]
    return Model(sides[0], sides[1], kind, optional, lives=True)


def said(last: Side | None, value: str | None, only_changes: bool) -> Side | None:
    if value is None:
        return last
    if last is None:
        return Side(value, 1)
    return last if only_changes and last.value == value else Side(value, last.count + 1)


class Default(RuleBasedStateMachine):
    """One device of the default mode."""

    strict: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.numbers = 0
        self.twins = Twins(strict=self.strict)
        self.twins.handle(Joined(D, "c", self.now, {}))
        self.models: dict[str, Model] = {}
        self.digests: list[int] = []
        self.taken: list[Updated] = []

    @rule(edits=st.dictionaries(st.sampled_from(NAMES), EDITS))
    def update(self, edits: dict[str, Edit | None]) -> None:
        self.numbers += 1
        self.now += 1_000_000
        reply = Reply(f"e{self.numbers}")
        s = Updated(D, "c", self.now, edits, self.now, self.numbers, repeats=True, reply=reply, named=True)
        body = told(self.twins.encoded(D))
        models, code = self._after(edits)
        if code:
            assert [i.code for i in self._handle(s) if isinstance(i, Refuse)] == [code]
            assert told(self.twins.encoded(D)) == body, "all of a message is taken, or nothing"
            return
        before, self.models = self.models, self.models | {n: m for n, m in models.items() if m != Model()}
        self._told(s, before, self._handle(s))
        if edits:
            self.taken.append(s)

    @precondition(lambda self: self.taken)
    @rule(pick=st.integers(0, 31))
    def repeat(self, pick: int) -> None:
        body = told(self.twins.encoded(D))
        (answer,) = self._handle(self.taken[pick % len(self.taken)])
        assert isinstance(answer, Answer)
        assert told(self.twins.encoded(D)) == body

    @rule()
    def ask(self) -> None:
        (answer,) = self._handle(Asked(D, "c", self.now, Reply("ask")))
        assert isinstance(answer, Answer)
        assert {n: shown(p) for n, p in answer.properties.items()} == {n: m for n, m in self.models.items() if m.lives}

    @rule()
    def restart(self) -> None:
        body = self.twins.encoded(D)
        assert body is not None
        self.twins = Twins(strict=self.strict)
        assert self.twins.restore({D: body}, self.digests) == []

    @invariant()
    def the_twin_is_the_model(self) -> None:
        twin = self.twins.get(D)
        assert twin is not None
        assert {name: shown(p) for name, p in twin.properties.items()} == self.models

    def _after(self, edits: dict[str, Edit | None]) -> tuple[dict[str, Model], int]:
        """What the edited properties become, or the code of the refusal."""
        try:
            return {n: after(self.models.get(n, Model()), e, strict=self.strict) for n, e in edits.items()}, 0
        except Refused as refused:
            return {}, int(refused.args[0])

    def _handle(self, s: Updated | Asked) -> list[Instruction]:
        out = self.twins.handle(s)
        self.digests += [i.digest for i in out if isinstance(i, Revision) and i.digest]
        return out

    def _told(self, s: Updated, before: dict[str, Model], out: list[Instruction]) -> None:
        """An update makes a revision, which tells of what it touched, and a delta where one is due."""
        living = {n for n, m in self.models.items() if m.lives}
        if not s.edits:
            assert outcome([i for i in out if not isinstance(i, Delta)]) in ([Persist, Answer], [Answer])
        else:
            (revision,) = (i for i in out if isinstance(i, Revision))
            reported = {n: e.reported for n, e in s.edits.items() if e is not None and e.reported is not None}
            points = {n: c.current.reported for n, c in revision.changes.items() if c.at is not None}
            assert {n: value and value.value for n, value in points.items()} == reported
            assert revision.changes.keys() <= living
            assert not revision.gone.keys() & living
            for name, change in revision.changes.items():
                assert change.last is None or shown(change.last) == before[name]
                assert shown(change.current) == self.models[name]
        drifts = {n for n in living if differs(self.models[n])}
        deltas = [i for i in out if isinstance(i, Delta)]
        assert len(deltas) <= 1
        asked = {
            n for n in drifts & set(s.edits) if value(self.models[n].desired) != value(before.get(n, Model()).desired)
        }
        if not drifts:
            assert not deltas
        elif asked or not s.edits:
            assert {n for n, p in deltas[0].properties.items() if p.drifts} == drifts

    def teardown(self) -> None:
        self.ask()


class Strict(Default):
    """As EdgeCore counts: every message is a change."""

    strict = True


def shown(p: Property | None) -> Model:
    assert p is not None
    return Model(side(p.reported), side(p.desired), p.kind, p.optional, not p.deleted)


def side(value: Value | None) -> Side | None:
    assert value is None or value.version.cloud == 0
    return None if value is None else Side(value.value, value.version.edge)


def value(one: Side | None) -> str:
    return one.value if one is not None else ""


def differs(model: Model) -> bool:
    return bool(value(model.desired)) and (model.reported is None or model.reported.value != value(model.desired))


STEPS = settings(max_examples=100, stateful_step_count=30, deadline=None, report_multiple_bugs=False)
TestDefault = Default.TestCase
TestDefault.settings = STEPS
TestStrict = Strict.TestCase
TestStrict.settings = STEPS
