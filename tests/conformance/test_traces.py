"""The gateway in strict mode against recorded traffic of a real EdgeCore: as it was, and of others in other orders.

A replay plays the whole recording for several devices at once: each has a cast of its own (ids, names of properties,
event ids and values are replaced, consistently, by those of a seed), what does not depend on its place is moved
elsewhere, and the casts take turns by chance. Everything is sent without waiting; the gateway's answers must come in
the order of the questions, each with the recorded body. Times and fresh ids are places; what else may differ stands in
`DIFFERENCES`.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec import Struct

from tests.assets import ASSETS
from tests.conformance.likeness import NOW, TIME, UUID, Place, differs, is_uuid, starts
from tests.conformance.recording import Exchange, exchanges
from tests.conformance.stage import Stage

NODE = "edge-node"
VOID = "$hw/events/device//twin/update/result"
NAMES = ("dev1", "dev2", "nobody")
Answers = list[tuple[str, Any]]


class Difference(Struct, frozen=True):
    """Where we differ from the recording: `ours` makes our answers of EdgeCore's."""

    name: str
    why: str
    applies: Callable[[Exchange], bool]
    ours: Callable[[Exchange, Answers], Answers]


def _told_twice(one: Exchange, answers: Answers) -> Answers:
    return [(f"{one.topic}/result", body) for _, body in answers] + answers


def _own_text(one: Exchange, answers: Answers) -> Answers:
    def text(body: dict[str, Any]) -> Place:
        return starts(f"{_reason(body).partition(' info ')[0]} info {one.payload} failed , err: ")

    return [(topic, body | {"reason": text(body)}) for topic, body in answers]


def _missing(one: Exchange, answers: Answers) -> Answers:
    body = {
        "event_id": json.loads(one.payload)["event_id"],
        "timestamp": NOW,
        "code": 400,
        "reason": "value is missing",
    }
    return [(f"{one.topic}/result", body)]


DIFFERENCES = (
    Difference(
        "told twice",
        "EdgeCore answers a bad body on a topic without a device, where nobody listens; we answer to the device too",
        lambda one: any(topic == VOID for topic, _ in one.answers),
        _told_twice,
    ),
    Difference(
        "texts of the parser",
        "after `err: ` stands the text of Go's JSON parser, or of ours",
        lambda one: any(", err: " in _reason(body) for _, body in one.answers),
        _own_text,
    ),
    Difference(
        "an answer to nobody",
        "a member that is added again makes EdgeCore publish a 400 that nobody asked for; we find nothing to say",
        lambda one: one.way == "cloud" and any("code" in body for _, body in one.answers),
        lambda one, answers: [],
    ),
    Difference(
        "the crash",
        "a side without a value stops EdgeCore for minutes; we refuse it",
        lambda one: one.file.startswith("99") and '"actual":{}' in one.payload,
        _missing,
    ),
)


def _reason(body: dict[str, Any]) -> str:
    return str(body.get("reason", ""))


@pytest.fixture(scope="module")
def recorded() -> list[Exchange]:
    folder = ASSETS / "reference/kubeedge/traces/mqtt"
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder}: set GEMELO_ASSETS")
    found = exchanges(folder)
    assert len(found) > 70
    return _without_what_a_crash_swallowed(found)


def _without_what_a_crash_swallowed(found: list[Exchange]) -> list[Exchange]:
    """The question after the crash was never answered: ours is answered as all others, which other exchanges prove."""
    return [one for one in found if not (one.file.startswith("99") and one.topic.endswith("/twin/get"))]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("traces"), strict=True, node=NODE) as stage:
        yield stage


class Cast:
    """Other names for all that a recording names; without a `seed` the same."""

    def __init__(self, seed: int | None) -> None:
        self.id = "default" if seed is None else f"site-{seed}"
        self._letters: dict[int, int] = {}
        self._names = {name: name for name in NAMES}
        if seed is None:
            return
        chance = random.Random(seed)
        self._names = {name: f"thing-{chance.getrandbits(32):08x}-{n}" for n, name in enumerate(NAMES)}
        for signs in (string.ascii_lowercase, string.ascii_uppercase, "123456789"):
            self._letters |= str.maketrans(signs, "".join(chance.sample(signs, len(signs))))

    def word(self, text: str) -> str:
        """A value, a name of a property, an event id: signs stay of their class, so that a number stays one."""
        return text if text in {"true", "True"} or is_uuid(text) else text.translate(self._letters)

    def place(self, text: str) -> str:
        """A topic, an id or a reason."""
        for name, other in self._names.items():
            text = text.replace(f"default/{name}", f"{self.id}/{other}")
        return self._names.get(text, text)

    def body(self, value: Any, key: str = "") -> Any:
        match value:
            case dict() if key in {"twin", "delta", "attributes"}:
                named = {self.word(name): one for name, one in value.items()}
                return {n: self.word(one) if key == "delta" else self.body(one) for n, one in named.items()}
            case dict():
                return {name: self.body(one, name) for name, one in value.items()}
            case list():
                return [self.body(one) for one in value]
            case str() if key in {"value", "event_id", "description"}:
                return self.word(value)
            case str() if key in {"id", "name", "reason"}:
                return self.place(value)
        return value

    def payload(self, text: str) -> str:
        """What to send: JSON with other names, or what is none as it is."""
        try:
            return json.dumps(self.body(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
        except json.JSONDecodeError:
            return text

    def exchange(self, one: Exchange) -> Exchange:
        """The exchange with other names."""
        answers = tuple((self.place(topic), self.body(_with_places(body))) for topic, body in one.answers)
        return Exchange(one.file, one.title, one.way, self.place(one.topic), self.payload(one.payload), answers)


class Question(Struct):
    """An exchange as a cast has it."""

    cast: Cast
    one: Exchange

    def ask(self, stage: Stage, qos: int) -> None:
        if self.one.way == "mqtt":
            stage.say(self.one.topic, self.one.payload.encode(), qos)
        else:
            stage.cloud("membership", json.loads(self.one.payload))

    def answers(self) -> Answers:
        """What the gateway has to answer."""
        answers = list(self.one.answers)
        for difference in DIFFERENCES:
            if difference.applies(self.one):
                answers = difference.ours(self.one, answers)
        return answers


def _with_places(value: Any, key: str = "") -> Any:
    match value:
        case int() if key == "timestamp":
            return NOW
        case str() if key in {"lastOnlineTime", "last_online"}:
            return TIME
        case str() if key == "event_id" and is_uuid(value):
            return UUID
        case dict():
            return {name: _with_places(one, name) for name, one in value.items()}
        case list():
            return [_with_places(one) for one in value]
    return value


def is_free(one: Exchange) -> bool:
    """True for what is answered alike wherever it stands: what is bad in itself, unknown devices, silence."""
    void = bool(one.answers) and all(topic == VOID for topic, _ in one.answers)
    stranger = "/nobody/" in one.topic
    bad_get = one.topic.endswith("/get") and any(", err: " in _reason(body) for _, body in one.answers)
    return one.way == "mqtt" and (void or stranger or bad_get or not one.answers) and not one.file.startswith("99")


def reordered(found: Sequence[Exchange], chance: random.Random) -> list[Exchange]:
    """The exchanges with what is free at other places; the states, which mix with nothing, among the rest."""
    states = [one for one in found if one.file.startswith("11") and not is_free(one)]
    rest = [one for one in found if not is_free(one) and one not in states]
    first = 1 + max(n for n, one in enumerate(rest) if one.file.startswith("02"))  # who lists the members sees states
    for place, one in zip(
        sorted(chance.choices(range(first, len(rest) + 1), k=len(states)), reverse=True), reversed(states), strict=True
    ):
        rest.insert(place, one)
    for one in filter(is_free, found):
        rest.insert(chance.randint(1, len(rest)), one)
    return rest


def interleaved(queues: list[list[Question]], chance: random.Random) -> list[Question]:
    """One order of all, in which each keeps its own."""
    turns = [n for n, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    waiting = [iter(queue) for queue in queues]
    return [next(waiting[n]) for n in turns]


def replay(stage: Stage, questions: Sequence[Question], qos: int) -> None:
    """Ask everything, and compare all that came with all that is due."""
    due: list[tuple[Question, tuple[str, Any]]] = []
    heard = []
    for question in questions:
        if question.one.way == "cloud":
            heard += stage.heard()  # another way in: what was asked before comes before
        question.ask(stage, qos)
        if question.one.way == "cloud":
            heard += stage.heard()
        due += [(question, answer) for answer in question.answers()]
    heard += stage.heard()
    for message, (question, (topic, body)) in zip(heard, due, strict=False):
        where = f"{question.one.file}, {question.one.title!r}"
        assert message.topic == topic, where
        fault = differs(_of(question.cast, body), _of(question.cast, message.body))
        assert not fault, f"{where}: {fault}"
        assert (message.qos, message.retained) == (1, False)
    assert len(heard) == len(due)


def _of(cast: Cast, body: Any) -> Any:
    """Of a list of members those of the cast: the others are there too, and their order means nothing."""
    if "devices" not in body:
        return body
    own = [device for device in body["devices"] if device["id"].startswith(f"{cast.id}/")]
    return body | {"devices": sorted(own, key=lambda device: str(device["id"]))}


def clear(stage: Stage, casts: Sequence[Cast]) -> None:
    members = [{"id": cast.place(f"default/{name}")} for cast in casts for name in NAMES]
    stage.cloud("membership", {"removed_devices": members})
    stage.heard()


@pytest.mark.parametrize("qos", [0, 1], ids=["qos0", "qos1"])
def test_the_recording_is_answered_as_it_was(stage: Stage, recorded: list[Exchange], qos: int) -> None:
    cast = Cast(None)
    try:
        replay(stage, [Question(cast, cast.exchange(one)) for one in recorded], qos)
    finally:
        clear(stage, [cast])


@pytest.mark.parametrize("seed", range(8))
def test_others_are_answered_alike_in_other_orders(stage: Stage, recorded: list[Exchange], seed: int) -> None:
    chance = random.Random(seed)
    casts = [Cast(100 * seed + n) for n in range(1, 5)]
    queues = [[Question(c, c.exchange(one)) for one in reordered(recorded, chance)] for c in casts]
    try:
        replay(stage, interleaved(queues, chance), qos=seed % 2)
    finally:
        clear(stage, casts)


def test_every_difference_is_one_that_happens(recorded: list[Exchange]) -> None:
    assert [d.name for d in DIFFERENCES if not any(map(d.applies, recorded))] == []


def test_a_cast_changes_what_it_may_and_nothing_else(recorded: list[Exchange]) -> None:
    cast = Cast(1)
    said = cast.body({"event_id": "u-1", "twin": {"mode": {"actual": {"value": "21"}, "metadata": {"type": "int"}}}})
    (name,) = said["twin"]
    assert name != "mode"
    assert said["twin"][name]["actual"]["value"].isdecimal()
    assert said["twin"][name]["metadata"] == {"type": "int"}
    assert cast.place("$hw/events/device/default/dev1/twin/get") != "$hw/events/device/default/dev1/twin/get"
    moved = reordered(recorded, random.Random(1))
    assert moved != recorded
    assert sorted(map(repr, moved)) == sorted(map(repr, recorded))
