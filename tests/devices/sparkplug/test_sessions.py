"""What births, data and deaths mean, in order and out of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from devices.sparkplug.heard import Arrival, Heard
from devices.sparkplug.payload import Metric, Payload, decode
from devices.sparkplug.sessions import Sessions
from devices.sparkplug.topic import Place, filters, granted, place_of, read, unfolded
from twins.errors import Rejected
from twins.stimuli import Recorded, Seen, Updated

NODE, MOTOR, PUMP = Place("g", "n"), Place("g", "n", "motor"), Place("g", "n", "pump")
SEEN = 1_795_255_200_000_000
AT = SEEN // 1000 - 50
INT, FLOAT, BOOLEAN, STRING, TEMPLATE = 3, 9, 11, 12, 19


class Book:
    """Every device is free but those that are `taken`; `declared` are those that have manifests."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.declared: dict[str, Place] = {}

    def claim(self, device: str, place: Place) -> None:
        if device in self.taken:
            raise Rejected(f"{device} is another's")

    def devices(self, place: Place) -> Iterable[str]:
        return [d for d, p in self.declared.items() if p == place or (not place.device and p.above == place)]


class Wire:
    """Speaks to sessions as a node does, counting its messages."""

    def __init__(self) -> None:
        self.book = Book()
        self.sessions = Sessions(self.book)
        self.seq = 0

    def say(self, verb: str, place: Place, *metrics: Metric, again: bool = False, **more: Any) -> Heard:
        seq = None if verb == "NDEATH" else self.seq
        if verb != "NDEATH" and not again:
            self.seq = (self.seq + 1) % 256
        said = Payload(metrics, **{"seq": seq, "at": AT} | more)
        device = f"default/{place.name}"
        return self.sessions.read(verb, place, device, said, Arrival("c", SEEN, 77, again))

    def born(self, number: int = 1) -> Wire:
        """Node and motor, with names and with aliases."""
        self.seq = 0
        self.say("NBIRTH", NODE, Metric("bdSeq", None, AT, 4, number), Metric("Load", None, AT, INT, 1))
        aliased = (Metric("Speed", 1, AT, INT, 5), Metric("On", 2, AT, BOOLEAN, value=False))
        self.say("DBIRTH", MOTOR, *aliased, Metric("Shape", 3, AT, TEMPLATE, None))
        return self


def values(heard: Heard) -> list[dict[str, str | None]]:
    """The reported values, moment by moment."""
    return [{n: e.reported for n, e in s.edits.items() if e} for s in heard.stimuli if isinstance(s, Updated)]


def test_a_birth_declares_a_device_with_values_and_says_that_it_is_there() -> None:
    wire = Wire()
    wire.say("NBIRTH", NODE, Metric("bdSeq", None, AT, 4, 1))
    unit = {"engUnit": "rpm", "readOnly": True}
    heard = wire.say(
        "DBIRTH",
        MOTOR,
        Metric("Speed", 1, AT, INT, 2**32 - 5, properties=unit),
        Metric("Note", None, AT, STRING, None),
        Metric("Device Control/Reboot", None, AT, BOOLEAN, value=False),
    )
    assert heard.birth is not None
    assert [(d.name, d.kind, d.writable, d.unit) for d in heard.birth.metrics] == [
        ("Speed", "int", False, "rpm"),
        ("Note", "string", True, ""),
    ]
    update, here = heard.stimuli
    assert isinstance(update, Updated)
    assert isinstance(here, Seen)
    edit = update.edits["Speed"]
    assert edit is not None
    assert (update.device, edit.reported, edit.kind, edit.at) == ("default/g.n.motor", "-5", "int", AT * 1000)
    assert (here.state, heard.ask) == ("online", "")


def test_data_by_alias_and_by_name_becomes_values_with_their_own_times() -> None:
    wire = Wire().born()
    assert values(wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 2))) == [{"Load": "2"}]
    heard = wire.say("DDATA", MOTOR, Metric("", 1, AT + 1, 0, 9), Metric("", 2, 0, 0, value=True))
    assert values(heard) == [{"Speed": "9", "On": "true"}]
    (update,) = heard.stimuli
    assert isinstance(update, Updated)
    assert [e.at for e in update.edits.values() if e] == [(AT + 1) * 1000, AT * 1000]
    assert (heard.ask, wire.sessions.counts.gaps) == ("", 0)


def test_several_values_of_one_metric_are_several_moments_in_their_order() -> None:
    heard = Wire().born().say("NDATA", NODE, *(Metric("Load", None, AT + n, INT, n) for n in range(3)))
    assert values(heard) == [{"Load": "0"}, {"Load": "1"}, {"Load": "2"}]
    assert len({s.seq for s in heard.stimuli if isinstance(s, Updated)}) == 3


def test_null_and_no_number_leave_a_value_as_it_is() -> None:
    wire = Wire()
    wire.say("NBIRTH", NODE, Metric("T", None, AT, FLOAT, float("nan")))
    assert values(wire.say("NDATA", NODE, Metric("T", None, AT, FLOAT, None))) == []


def test_the_past_is_recorded_and_reported_nowhere() -> None:
    wire = Wire().born()
    old = [Metric("", 1, at, 0, 3, historical=True) for at in (5, AT, AT + 10_000_000)]
    (heard,) = wire.say("DDATA", MOTOR, *old).stimuli
    assert isinstance(heard, Recorded)
    assert [(p.series, p.at, p.number) for p in heard.points] == [
        ("default/g.n.motor/Speed", at, 3.0) for at in (5000, AT * 1000, SEEN)
    ]


def test_a_gap_forgets_what_the_node_was_known_by_and_asks_for_its_birth() -> None:
    wire = Wire().born()
    wire.seq += 1
    heard = wire.say("DDATA", MOTOR, Metric("", 1, AT, 0, 9))
    assert (heard.stimuli, heard.ask) == ([], "message 3 came where 2 was to come")
    assert wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 2)).ask == "its birth was not heard"
    assert values(wire.say("DBIRTH", MOTOR, Metric("Speed", 4, AT, INT, 6))) == [{"Speed": "6"}]
    assert values(wire.say("DDATA", MOTOR, Metric("", 4, AT, 0, 7))) == [{"Speed": "7"}]
    counts = wire.sessions.counts
    assert (counts.gaps, counts.unborn) == (1, 2)


def test_the_numbers_go_round_and_a_repeat_is_no_gap() -> None:
    wire = Wire().born()
    for n in range(600):
        assert not wire.say("NDATA", NODE, Metric("Load", None, AT, INT, n)).ask
    wire.seq -= 1
    again = wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 599), again=True)
    assert [s.repeats for s in again.stimuli if isinstance(s, Updated)] == [True]
    wire.seq += 1
    assert not wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 0)).ask


def test_without_a_birth_nothing_is_taken() -> None:
    wire = Wire()
    for verb, place in (("NDATA", NODE), ("DDATA", MOTOR), ("DBIRTH", MOTOR)):
        heard = wire.say(verb, place, Metric("Load", 1, AT, INT, 1))
        assert (heard.stimuli, heard.ask) == ([], "its birth was not heard")
    wire.born()
    assert wire.say("DDATA", PUMP, Metric("Load", 1, AT, INT, 1)).ask == "its birth was not heard"


def test_an_alias_counts_for_the_device_whose_birth_gave_it() -> None:
    wire = Wire().born()
    wire.say("DBIRTH", PUMP, Metric("Flow", 9, AT, INT, 1))
    heard = wire.say("DDATA", PUMP, Metric("", 1, AT, 0, 666), Metric("", 9, AT, 0, 2))
    assert values(heard) == [{"Flow": "2"}]
    assert heard.ask == "it speaks of a metric that its birth did not name"


def test_metrics_that_no_twin_can_hold_are_passed_over_and_ask_for_nothing() -> None:
    heard = Wire().born().say("DDATA", MOTOR, Metric("", 3, AT), Metric("Shape", None, AT, TEMPLATE))
    assert (heard.stimuli, heard.ask) == ([], "")


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (Metric("", 1, AT, 0, "fast"), "Speed: 'fast' is no value of Sparkplug's datatype 3"),
        (Metric("", 1, AT, BOOLEAN, value=True), "Speed: datatype 11 is not its birth's 3"),
        (Metric("", 1, AT, 0, 2**40), "Speed: '1099511627776' is no value"),
    ],
)
def test_a_value_of_another_datatype_refuses_its_message_and_no_other(metric: Metric, reason: str) -> None:
    wire = Wire().born()
    with pytest.raises(Rejected, match=reason):
        wire.say("DDATA", MOTOR, Metric("", 2, AT, 0, value=True), metric)
    heard = wire.say("DDATA", MOTOR, Metric("", 1, AT, 0, 8))
    assert (values(heard), heard.ask) == ([{"Speed": "8"}], "")


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ([Metric("", 1, AT, INT, 1)], "'' is no name of a metric"),
        ([Metric("x" * 129, 1, AT, INT, 1)], "is no name of a metric"),
        ([Metric("a\n", 1, AT, INT, 1)], "is no name of a metric"),
        ([Metric("a", 1, AT, 0, 1)], "a: a birth gives every metric a datatype"),
        ([Metric("a", 1, AT, INT, 1), Metric("b", 1, AT, INT, 1)], "b: its alias 1 is that of a too"),
        ([Metric("a", 1, AT, INT, "1")], "a: '1' is no value"),
    ],
)
def test_a_birth_that_is_not_whole_is_refused(metrics: list[Metric], reason: str) -> None:
    wire = Wire().born()
    with pytest.raises(Rejected, match=reason):
        wire.say("DBIRTH", MOTOR, *metrics)
    assert wire.say("DDATA", MOTOR, Metric("", 1, AT, 0, 8)).ask == "its birth was not heard"


@pytest.mark.parametrize("seq", [None, 256, 2**63])
def test_a_number_that_is_none_is_refused(seq: int | None) -> None:
    wire = Wire().born()
    for verb, place in (("NDATA", NODE), ("DDEATH", MOTOR), ("NBIRTH", NODE)):
        with pytest.raises(Rejected, match=f"seq is {seq}: 0 to 255 is meant"):
            wire.say(verb, place, seq=seq)


def test_a_device_that_is_anothers_is_not_born() -> None:
    wire = Wire()
    wire.book.taken.add("default/g.n")
    with pytest.raises(Rejected, match="another's"):
        wire.say("NBIRTH", NODE, Metric("Load", None, AT, INT, 1))
    assert wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 1)).stimuli == []
    assert wire.say("DBIRTH", MOTOR, Metric("Speed", 1, AT, INT, 5)).birth is not None


def deaths(heard: Heard) -> dict[str, str]:
    return {s.device: s.reason for s in heard.stimuli if isinstance(s, Seen) and s.state == "offline"}


def test_a_node_takes_its_devices_with_it_and_a_device_goes_alone() -> None:
    wire = Wire().born()
    wire.book.declared = {"plant/old": Place("g", "n", "old"), "plant/other": Place("g", "m", "old")}
    assert deaths(wire.say("DDEATH", MOTOR)) == {"default/g.n.motor": "its node lost it (DDEATH)"}
    assert wire.say("DDATA", MOTOR, Metric("", 1, AT, 0, 8)).ask == "its birth was not heard"
    gone = deaths(wire.say("NDEATH", NODE, Metric("bdSeq", None, 0, 4, 1)))
    assert gone == dict.fromkeys(("default/g.n", "plant/old"), "its node ended, or lost its connection (NDEATH)")
    assert wire.say("NDATA", NODE, Metric("Load", None, AT, INT, 1)).ask == "its birth was not heard"


@pytest.mark.parametrize(
    ("birth", "death", "dies"),
    [(5, 5, True), (5, 4, False), (0, 255, False), (255, 0, True), (5, 6, True), (0, None, True)],
)
def test_the_last_will_of_an_earlier_session_ends_no_later_one(birth: int, death: int | None, dies: bool) -> None:
    wire = Wire().born(birth)
    heard = wire.say("NDEATH", NODE, *([] if death is None else [Metric("bdSeq", None, 0, 4, death)]))
    assert (set(deaths(heard)) == {"default/g.n", "default/g.n.motor"}) is dies
    assert wire.sessions.counts.stale == (not dies)


def test_a_node_of_which_nothing_is_known_dies_with_the_devices_that_are_declared() -> None:
    wire = Wire()
    wire.book.declared = {"plant/old": MOTOR}
    assert set(deaths(wire.say("NDEATH", NODE, Metric("bdSeq", None, 0, 4, 9)))) == {"plant/old"}


def test_an_empty_body_is_a_message_without_a_number() -> None:
    with pytest.raises(Rejected, match="seq is None"):
        Sessions(Book()).read("NBIRTH", NODE, "d/g.n", decode(b""), Arrival("c", SEEN))


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("spBv1.0/Line 1/NDATA/Press A", ("NDATA", Place("Line 1", "Press A"))),
        ("spBv1.0/g/DBIRTH/n/d", ("DBIRTH", Place("g", "n", "d"))),
        *((t, None) for t in ("spBv1.0/g/NCMD/n", "spBv1.0/g/DDATA/n", "spBv1.0/g/NDATA/n/d", "spBv1.0/STATE/h", "x")),
    ],
)
def test_topics_name_who_speaks(topic: str, found: object) -> None:
    assert read(topic) == found


def test_names_are_words_of_their_own_joined_by_dots() -> None:
    assert Place("Line 1", "Press.A", "Motor/2".replace("/", "_")).name == "line-1.press-a.motor-2"
    assert place_of("Line 1/Press A") == Place("Line 1", "Press A")
    assert [place_of(text) for text in ("", "a", "a/b/c/d", "a/+", "a//b", "a/\n")] == [None] * 6
    assert unfolded("line-1.press") == Place("line-1", "press")
    assert [unfolded(name) for name in ("line-1", "a.b.c", "a.", ".b", "-a.b", "A.b")] == [None] * 6
    for word in ("", "\x00", "a+", "x" * 129):
        with pytest.raises(Rejected, match="is no name of a group, node or device"):
            read(f"spBv1.0/g/NDATA/{word}")


def test_a_node_may_write_its_own_and_nothing_where_mosquitto_would_read_another_name() -> None:
    own = granted(Place("g", "n"))
    assert set(own.writes) == {
        *(f"spBv1.0/g/{verb}/n" for verb in ("NBIRTH", "NDATA", "NDEATH")),
        *(f"spBv1.0/g/{verb}/n/+" for verb in ("DBIRTH", "DDATA", "DDEATH")),
    }
    assert own.reads == ("spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/+", "spBv1.0/STATE/+")
    for place in (Place("g", "n "), Place(" g", "n"), MOTOR):
        assert granted(place).writes == ()


def test_what_is_subscribed_to_is_what_nodes_say_of_themselves() -> None:
    assert filters(("g",)) == {
        *(f"spBv1.0/g/{verb}/+" for verb in ("NBIRTH", "NDATA", "NDEATH")),
        *(f"spBv1.0/g/{verb}/+/+" for verb in ("DBIRTH", "DDATA", "DDEATH")),
    }
