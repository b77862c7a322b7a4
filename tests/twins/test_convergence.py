"""Edge, cloud and a lossy wire between them: whatever the wire does, both sides agree once it is whole again."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloud import sync
from cloud.messages import Object
from tests.twins.sides import DECLARED, Cloud, D, Edge, Entry, Expected, outcome, told
from twins.instructions import Answer, Conflict, Forget, Instruction, Refuse, Revision
from twins.stimuli import Confirmed, Edit, Updated
from twins.values import Property, Value

TOPIC = f"$hw/events/device/{D}/twin/update"
SHORT = "$hw/events/device/d1/twin/update"
START = 1_795_243_950_000_000
NAMES = (*DECLARED, "local")
"""`local` is no property of the cloud's Device."""
GOOD = {"text": ["1", "2", "3", ""], "level": ["1", "2", "3"], "local": ["1", "2", "3"]}
BAD = {"text": ["x" * 8193], "level": ["101", "-1", "1.5", ""], "local": ["x" * 8193]}
ROUNDS = 8
"""Messages each way, at most, until two sides with a whole wire have nothing left to say."""


class Convergence(RuleBasedStateMachine):
    """The wire loses, repeats, delays and mixes up; the cloud looks at versions, as such a wire needs."""

    ordered: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.edge = Edge()
        self.cloud = Cloud(careful=not self.ordered)
        self.down: list[Object] = []
        self.up: list[tuple[int, str, sync.Report]] = []
        self.answers: list[int] = []
        self.said: list[bytes] = []
        self.forgotten: list[bytes] = []
        self.applied = 0
        self.numbers = 0
        self.expected: dict[str, Expected] = {}
        self.before: dict[tuple[str, str], tuple[Value, int]] = {}
        assert self.edge.takes_object(self.cloud.model(), self._tick()) is not None
        self.cloud.makes()
        self._object_comes(self.cloud.unanswered[0])

    # -- what happens at the two sides ---------------------------------------------------------------------------------

    @rule(
        edits=st.dictionaries(
            st.sampled_from(NAMES),
            st.one_of(
                st.none(),
                st.fixed_dictionaries(
                    {}, optional={"actual": st.integers(0, 3), "expected": st.integers(0, 3), "optional": st.booleans()}
                ),
            ),
            min_size=1,
        ),
        bad=st.sampled_from([None, None, None, None, *NAMES]),
        short=st.booleans(),
    )
    def the_device_speaks(self, edits: dict[str, Any], bad: str | None, short: bool) -> None:
        body = {name: _body(name, edit, bad) for name, edit in edits.items()}
        self.numbers += 1
        message = {"event_id": f"e{self.numbers}", "timestamp": self._tick() // 1000, "twin": body}
        self._update(SHORT if short else TOPIC, json.dumps(message).encode())

    @precondition(lambda self: self.said)
    @rule(pick=st.integers(0, 31))
    def the_device_repeats_itself(self, pick: int) -> None:
        earlier = told(self.edge.twins.encoded(D))
        out = self._says(TOPIC, self.said[pick % len(self.said)])
        assert outcome(out) == [Answer]
        assert told(self.edge.twins.encoded(D)) == earlier

    @precondition(lambda self: self.forgotten)
    @rule()
    def a_device_says_what_an_earlier_one_of_its_name_said(self) -> None:
        self._update(TOPIC, self.forgotten.pop())

    @rule(name=st.sampled_from(NAMES), pick=st.integers(0, 2))
    def somebody_at_the_edge_asks(self, name: str, pick: int) -> None:
        value = GOOD[name][pick]
        now = self._tick()
        out = self.edge.take(Updated(D, "web:1:1", now, {name: Edit(desired=value)}, now, origin="edge"))
        if not any(isinstance(i, Refuse) for i in out):
            self._expect(name, {"expected": {"value": value}})

    @precondition(lambda self: self.cloud.exists)
    @rule(name=st.sampled_from(DECLARED), value=st.sampled_from([None, "1", "2", "3"]))
    def the_cloud_asks(self, name: str, value: str | None) -> None:
        self.cloud.wants(name, value)
        self.down.append(self.cloud.unanswered[-1])

    @rule(arrives=st.booleans())
    def the_edge_reports(self, arrives: bool = False) -> None:
        report = self.edge.report(self._tick())
        if report is not None:
            self.numbers += 1
            self.edge.waiting[self.numbers] = report
            self.up.append((self.numbers, self.edge.uid(), report))
        while arrives and self.up:
            self._report_comes(*self.up.pop(0))

    @rule()
    def the_edge_starts_again(self) -> None:
        self.edge.restart()
        if self.ordered:
            self._reconnect()

    # -- what the wire does --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.down)
    @rule(pick=st.integers(0, 31), stays=st.booleans(), killed=st.booleans())
    def an_object_comes(self, pick: int, stays: bool, killed: bool) -> None:
        """`killed`: before its commit."""
        message = self._take_from(self.down, pick, stays)
        if killed:
            step = self.edge.catalog.step(message, "cloud:1:1", self._tick())
            for stimulus in step.stimuli if step is not None else ():
                self.edge.twins.handle(stimulus)
            self.the_edge_starts_again()
        else:
            self._object_comes(message)

    @precondition(lambda self: self.up)
    @rule(pick=st.integers(0, 31), stays=st.booleans())
    def a_report_comes(self, pick: int, stays: bool) -> None:
        self._report_comes(*self._take_from(self.up, pick, stays))

    @precondition(lambda self: self.answers)
    @rule(pick=st.integers(0, 31), stays=st.booleans())
    def an_answer_comes(self, pick: int, stays: bool) -> None:
        self._answer_comes(self._take_from(self.answers, pick, stays))

    @precondition(lambda self: self.down or self.up or self.answers)
    @rule(pick=st.integers(0, 31))
    def something_is_lost(self, pick: int) -> None:
        if self.ordered:  # a connection ends, and all that was on its way with it
            self._reconnect()
            return
        wire: list[Any] = [w for w in (self.down, self.up, self.answers) if w][pick % 3 % self._busy()]
        wire.pop(pick % len(wire))

    @rule()
    def the_cloud_repeats_itself(self) -> None:
        if not self.ordered:
            self._cloud_sends()

    @rule()
    def the_wire_is_whole_again(self) -> None:
        """Whatever is still on its way comes; then each side says what the other has not confirmed."""
        for _ in range(ROUNDS):
            while self.down:
                self._object_comes(self.down.pop(0))
            while self.up:
                self._report_comes(*self.up.pop(0))
            while self.answers:
                self._answer_comes(self.answers.pop(0))
            if not self.ordered:
                self._cloud_sends()
            self.the_edge_reports()
            if not (self.down or self.up):
                break
        self._converged()

    def teardown(self) -> None:
        self.the_wire_is_whole_again()

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def every_change_is_on_disk(self) -> None:
        assert told(self.edge.twin_bodies.get(D)) == told(self.edge.twins.encoded(D))

    @invariant()
    def the_twin_is_what_was_said_and_merged(self) -> None:
        properties = self.edge.properties()
        assert {n for n, p in properties.items() if not p.deleted} == {n for n, e in self.expected.items() if e.lives}
        for name, expected in self.expected.items():
            if expected.lives:
                p = properties[name]
                assert _text(p.reported) == (expected.reported or None), f"the device alone says what {name} is"
                assert _text(p.desired) == (expected.desired or None), f"by the table of merges for {name}"
                assert p.optional == expected.optional
            if expected.lives or name in properties:
                assert properties[name].synced.base == expected.base

    @invariant()
    def versions_count_every_change_and_never_go_back(self) -> None:
        for name, p in self.edge.properties().items():
            sides = (("reported", p.reported, p.synced.reported), ("desired", p.desired, p.synced.desired))
            for side, value, synced in sides:
                last, confirmed = self.before.get((name, side), (None, 0))
                assert confirmed <= synced <= (0 if value is None else value.version.edge)
                if last is not None:
                    assert value is not None
                    assert value.version.edge >= last.version.edge
                    assert value.version.cloud >= last.version.cloud
                    assert value.value == last.value or value.version != last.version
                if value is not None:
                    self.before[name, side] = value, synced

    def _converged(self) -> None:
        properties = self.edge.properties()
        assert self.edge.report(self.now) is None, "the edge has nothing more to say"
        assert (self.edge.twins.get(D) is not None) == self.cloud.exists
        if not self.cloud.exists:
            return
        assert set(self.cloud.entries) <= set(DECLARED)
        for name in DECLARED:
            p, entry, wanted = (
                properties.get(name, Property()),
                self.cloud.entries.get(name, Entry()),
                self.cloud.wanted[name],
            )
            reported, desired = _text(p.reported) or "", _text(p.desired) or ""
            assert reported == ("" if entry.gone else entry.actual[0])
            if p.deleted:
                assert entry.gone or entry == Entry()
            elif entry.gone:  # alive again by what the cloud asked, or without a value: nothing to tell
                assert desired in {wanted or "", ""}
            elif entry.expected[1]:
                assert desired == entry.expected[0], "what the cloud was told is desired is what is desired"
            else:
                assert desired == (wanted or "")
            assert p.synced.base == wanted

    # -- how -----------------------------------------------------------------------------------------------------------

    def _tick(self) -> int:
        self.now += 1000
        return self.now

    def _says(self, topic: str, payload: bytes) -> list[Instruction]:
        stimulus = self.edge.reader.read(topic, payload, f"mqtt:1:{self.now}", self.now)
        assert stimulus is not None
        return self.edge.take(stimulus)

    def _update(self, topic: str, payload: bytes) -> None:
        """A message that was not taken before: all of it is, or it is refused and changes nothing."""
        body = json.loads(payload)["twin"]
        fits = all(self._fits(name, one) for name, one in body.items())
        earlier = told(self.edge.twins.encoded(D))
        out = self._says(topic, payload)
        if earlier is None or not fits:
            assert outcome(out) == [Refuse]
            assert told(self.edge.twins.encoded(D)) == earlier, "what is refused changes nothing"
            return
        assert body == {} or any(isinstance(i, Revision) for i in out)
        self.said.append(payload)
        for name, one in body.items():
            self._expect(name, one)

    def _cloud_sends(self) -> None:
        """All that the edge has not answered; without order, its newest self."""
        self.down += self.cloud.unanswered if self.ordered else self.cloud.unanswered[-1:]

    def _object_comes(self, message: Object) -> None:
        out = self.edge.takes_object(message, self._tick())
        version = int(message.version)
        self.cloud.unanswered = [one for one in self.cloud.unanswered if int(one.version) > version]
        assert (out is None) == (version <= self.applied), "what is old or known is no news"
        if out is None:
            return
        self.applied = version
        if any(isinstance(i, Forget) for i in out):
            self.forgotten = self.said or self.forgotten
            self.expected, self.before, self.said = {}, {}, []
        if message.operation == "delete":
            return
        conflicts = []
        for one in json.loads(message.content)["spec"]["properties"]:
            wanted = one.get("desired", {}).get("value")
            expected = self.expected.setdefault(one["name"], Expected())
            if not (expected == Expected() and wanted is None) and expected.merge(wanted):
                conflicts.append(one["name"])
        assert [i.name for i in out if isinstance(i, Conflict)] == conflicts, "a conflict is told once"

    def _report_comes(self, number: int, uid: str, report: sync.Report) -> None:
        self.cloud.hears(uid, report)
        self.answers.append(number)

    def _answer_comes(self, number: int) -> None:
        report = self.edge.waiting.get(number)
        if report is not None:
            self.edge.take(Confirmed(D, "cloud:confirmed", self._tick(), dict(report.versions), report.joined))

    def _take_from(self, wire: list[Any], pick: int, stays: bool) -> Any:
        if self.ordered:
            return wire.pop(0)
        return wire[pick % len(wire)] if stays else wire.pop(pick % len(wire))

    def _reconnect(self) -> None:
        for wire in (self.down, self.up, self.answers):
            wire.clear()
        self.edge.waiting.clear()
        self._cloud_sends()

    def _busy(self) -> int:
        return sum(map(bool, (self.down, self.up, self.answers)))

    def _fits(self, name: str, edit: dict[str, Any] | None) -> bool:
        expected = self.expected.get(name, Expected())
        if edit is None:
            return expected.optional or not expected.lives
        return not {one["value"] for one in (edit.get("actual"), edit.get("expected")) if one} & {*BAD[name]}

    def _expect(self, name: str, edit: dict[str, Any] | None) -> None:
        expected = self.expected.setdefault(name, Expected())
        if edit is None:
            expected.reported = expected.desired = None
            expected.lives = False
            return
        if not expected.lives:
            expected.lives, expected.optional = True, True
        if "actual" in edit:
            expected.reported = edit["actual"]["value"]
        if "expected" in edit:
            expected.desired = edit["expected"]["value"] or None
        expected.optional &= edit.get("optional", True)


class OrderedConvergence(Convergence):
    """A wire that keeps its order while it lasts, and a cloud that looks at no versions; devices come and go."""

    ordered = True

    @rule(again=st.booleans(), soon=st.booleans())
    def the_cloud_removes_or_makes_the_device(self, again: bool, soon: bool) -> None:
        """`again`: makes another one of the name at once; `soon`: the edge hears of it before all else goes on."""
        known = len(self.cloud.unanswered)
        if self.cloud.exists:
            self.cloud.removes()
        if again or not known:
            self.cloud.makes()
        self.down += self.cloud.unanswered[known:]
        while soon and self.down:
            self._object_comes(self.down.pop(0))


def _body(name: str, edit: dict[str, Any] | None, bad: str | None) -> dict[str, Any] | None:
    if edit is None:
        return None
    values = BAD[name] if name == bad else GOOD[name]
    sides = {side: {"value": values[edit[side] % len(values)]} for side in ("actual", "expected") if side in edit}
    return sides | ({"optional": edit["optional"]} if "optional" in edit else {})


def _text(value: Value | None) -> str | None:
    return None if value is None or not value.value else value.value


STEPS = settings(max_examples=120, stateful_step_count=40, deadline=None, report_multiple_bugs=False)
TestConvergence = Convergence.TestCase
TestConvergence.settings = STEPS
TestOrderedConvergence = OrderedConvergence.TestCase
TestOrderedConvergence.settings = settings(STEPS, max_examples=100)
