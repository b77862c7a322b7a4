"""The rules of one session, without any I/O."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from devices.offload.credit import Answer, Ledger, window_for


class Phone(RuleBasedStateMachine):
    """Any phone, honest or not, against a ledger: what it was granted, what it sent, what it was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Ledger[object] = Ledger(2, 4)
        self.granted = self.ledger.grant()
        self.sent: list[object] = []
        self.answers: list[Answer[object]] = []
        self.under_way: list[object] = []

    def take(self, answers: list[Answer[object]]) -> None:
        self.answers += answers
        self.granted += sum(answer.credit for answer in answers)

    @rule()
    def send(self) -> None:
        frame = object()
        self.sent.append(frame)
        self.take(self.ledger.arrive(frame))

    @rule()
    def start(self) -> None:
        if (frame := self.ledger.start()) is not None:
            self.under_way.append(frame)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), status=st.sampled_from(["OK", "BAD_INPUT", "DROPPED_DEADLINE"]))
    def finish(self, data: st.DataObject, status: str) -> None:
        frame = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(frame)
        answer = self.ledger.answer(frame, status)
        assert answer is not None
        self.take([answer])
        assert self.ledger.answer(frame, "OK") is None, "a frame is answered once"

    @rule(window=st.integers(-1, 9))
    def resize(self, window: int) -> None:
        self.ledger.resize(window)
        self.granted += self.ledger.grant()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.ledger.pause(paused)
        self.granted += self.ledger.grant()

    @invariant()
    def every_frame_is_answered_once_or_outstanding(self) -> None:
        answered = [answer.frame for answer in self.answers]
        assert len(set(map(id, answered))) == len(answered)
        assert {*map(id, answered), *map(id, self.ledger.outstanding)} == {*map(id, self.sent)}
        assert self.ledger.arrived == self.ledger.answered.total() + len(self.ledger.outstanding)

    @invariant()
    def credit_is_never_negative_nor_beyond_what_was_granted(self) -> None:
        charged = len(self.sent) - self.ledger.answered["REJECTED_BUSY"]
        assert self.ledger.available == self.granted - charged >= 0
        assert self.ledger.available + len(self.ledger.outstanding) <= self.ledger.limit

    @invariant()
    def at_most_one_frame_waits(self) -> None:
        assert len(self.ledger.outstanding) - len(self.under_way) == self.ledger.waiting <= 1


TestAnyPhone = Phone.TestCase


def test_a_newer_frame_takes_the_place_of_the_one_that_waits() -> None:
    ledger: Ledger[str] = Ledger(3)
    ledger.grant()
    for name in "abc":
        answers = ledger.arrive(name)
        if name == "a":
            ledger.start()
    assert [(answer.frame, answer.status, answer.credit) for answer in answers] == [("b", "DROPPED_NEWER", 1)]
    assert ledger.start() == "c"


def test_a_frame_without_credit_is_refused_and_grants_nothing() -> None:
    ledger: Ledger[str] = Ledger(1)
    ledger.grant()
    ledger.arrive("a")
    [answer] = ledger.arrive("b")
    assert (answer.status, answer.credit) == ("REJECTED_BUSY", 0)
    assert ledger.outstanding == ("a",)


def test_a_pause_withholds_credit_and_its_end_gives_it_back() -> None:
    ledger: Ledger[str] = Ledger(2)
    ledger.grant()
    ledger.arrive("a")
    ledger.pause(True)
    answer = ledger.answer("a", "OK")
    assert answer is not None
    assert answer.credit == 0
    ledger.pause(False)
    assert ledger.grant() == 1


def test_the_window_grows_with_a_network_slower_than_the_frames() -> None:
    assert window_for(network=0.005, interval=0.1, least=2) == 2
    assert window_for(network=0.12, interval=0.1, least=2) == 3
    assert window_for(network=0.25, interval=0.1, least=2) == 4
    assert window_for(network=0.25, interval=0.0, least=2) == 2
