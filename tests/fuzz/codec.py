"""What must be so whatever bytes come: one function, for a fuzzer that looks at coverage and for plain tests alike.

The first byte of an input chooses the door and the mode, the rest is the body; with `TOPIC` set the body ends at the
first line feed, and what follows it is the topic.
"""

from __future__ import annotations

import json
import time
from typing import Any, NoReturn

import msgspec

from devices.mqtt import telemetry
from devices.sparkplug.declaration import joined, manifests
from devices.sparkplug.heard import Arrival
from devices.sparkplug.payload import decode
from devices.sparkplug.sessions import Sessions
from devices.sparkplug.topic import Place
from devices.telemetry.formats import decoder
from twins.errors import Rejected
from twins.instructions import Answer
from twins.kubeedge import Reader, Writer
from twins.stimuli import Joined, Recorded, Stimulus, Updated
from twins.twin import Twins

NOW = 1_795_243_950_123_000
DEVICE = "default/d1"
DOORS = (
    f"$hw/events/device/{DEVICE}/twin/update",
    f"$hw/events/device/{DEVICE}/twin/get",
    f"$hw/events/device/{DEVICE}/state/update",
    f"$hw/events/device/{DEVICE}/twin/cloud_updated",
    "$hw/events/node/n1/membership/get",
    "$hw/events/device/d1/twin/update",
    f"gemelo/telemetry/{DEVICE}",
    f"gemelo/telemetry/{DEVICE}/value",
)
FORMATS = ("auto", "json", "number", "text", "line", "senml", "cbor", "sparkplug")
"""How mappings read bodies, behind the doors; and Sparkplug's."""
STRICT, TOPIC = 0x80, 0x40
SLOW = 0.05
"""Seconds of processor time that no input may cost, on a machine that does other things too and counts coverage."""


class Wrong(AssertionError):
    """An input does what none may."""


def check(data: bytes) -> None:
    """Take one input through reader, twins and writer. Raises `Wrong` when something that must be so is not."""
    head, body = (data[0], data[1:]) if data else (0, b"")
    kind = head & 0x3F
    cost = _cost(head, kind, body)
    if cost > SLOW and (cost := min(_cost(head, kind, body) for _ in range(3))) > SLOW:
        raise Wrong(f"it costs {cost * 1000:.0f} ms")


def _cost(head: int, kind: int, body: bytes) -> float:
    """Seconds of processor time; what is checked meanwhile counts too."""
    began = time.process_time()
    if kind >= len(DOORS):
        name = FORMATS[kind % len(FORMATS)]
        _sparkplug(body) if name == "sparkplug" else _formats(name, body)
        return time.process_time() - began
    topic = DOORS[kind]
    if head & TOPIC:
        body, _, name = body.partition(b"\n")
        topic += name.decode("utf-8", "replace")
    _door(topic, body, strict=bool(head & STRICT))
    return time.process_time() - began


def _door(topic: str, body: bytes, *, strict: bool) -> None:
    twins, writer = Twins(strict=strict), Writer("n1", strict=strict)
    twins.handle(Joined(DEVICE, "fuzz", NOW, {}))
    stimulus = _read(topic, body, strict=strict)
    if stimulus is None:
        return
    for i in twins.handle(stimulus):
        said = [(name, _json(payload)) for name, payload in writer.write(i, NOW)]
        for name, _ in said:
            if not 0 < len(name.encode()) <= 65_535 or set(name) & {"+", "#", "\0"}:
                raise Wrong(f"{name!r} is no topic to publish to")
        if isinstance(i, Answer) and isinstance(stimulus, Updated):
            _shows(stimulus, said[0][1])
    _kept(twins, strict=strict)
    if isinstance(stimulus, Updated) and not strict:
        _said_again(stimulus)


def _read(topic: str, body: bytes, *, strict: bool) -> Stimulus | None:
    """Nothing may be raised but a refusal, and that by telemetry alone: all others are answered."""
    if not topic.startswith(telemetry.PREFIX):
        return Reader("n1", strict=strict).read(topic, body, "fuzz", NOW, packet=1)
    try:
        return telemetry.read(topic, body, "fuzz", NOW, packet=1)
    except Rejected as error:
        error.reason.encode()
        return None


def _formats(name: Any, body: bytes) -> None:
    """What a format reads is a tree that JSON can say, without NaN and infinity, or it is refused."""
    try:
        frames = decoder(name)(body, NOW)
    except Rejected as error:
        error.reason.encode()
        return
    for frame in frames:
        msgspec.json.encode((frame.body, frame.at, frame.units, frame.labels))


class _Free:
    """A book in which every device is free."""

    def claim(self, device: str, place: Place) -> None: ...

    def devices(self, place: Place) -> tuple[str, ...]:
        return (DEVICE,)


def _sparkplug(body: bytes) -> None:
    """What a node says is born, reported and ended, or it is refused; the twin can be kept."""
    twins, sessions, node = Twins(), Sessions(_Free()), Place("g", "n")
    twins.handle(Joined(DEVICE, "fuzz", NOW, {}))
    for verb in ("NBIRTH", "NDATA", "NDEATH", "NDATA"):
        try:
            heard = sessions.read(verb, node, DEVICE, decode(body), Arrival("fuzz", NOW, again=verb == "NDATA"))
        except Rejected as error:
            error.reason.encode()
            continue
        for stimulus in heard.stimuli:
            if not isinstance(stimulus, Recorded):
                twins.handle(stimulus)
        if heard.birth is not None:
            joined(heard.birth, tuple(manifests(heard.birth)), Arrival("fuzz", NOW))
    _kept(twins, strict=False)


def _shows(stimulus: Updated, answer: Any) -> None:
    """The answer tells each value that was taken, as it was said."""
    if "code" in answer:
        return
    for name, edit in stimulus.edits.items():
        if edit is not None and edit.reported:
            shown = answer["twin"][name]["actual"]["value"]
            if shown != edit.reported:
                raise Wrong(f"{name}: {edit.reported!r} is answered as {shown!r}")


def _kept(twins: Twins, *, strict: bool) -> None:
    """A twin comes back from the disk as it went there."""
    written = twins.encoded(DEVICE)
    assert written is not None
    again = Twins(strict=strict)
    if again.restore({DEVICE: written}, ()) or again.encoded(DEVICE) != written:
        raise Wrong(f"the twin comes back as another: {written!r}")


def _said_again(stimulus: Updated) -> None:
    """What was taken, written as an update in the usual form, means the same."""
    twin: dict[str, Any] = {}
    for name, edit in stimulus.edits.items():
        if edit is None:
            twin[name] = None
            continue
        one: dict[str, Any] = {"optional": edit.optional, "metadata": {"type": edit.kind}}
        if edit.reported is not None:
            one["actual"] = {"value": edit.reported}
            if edit.at is not None:
                one["actual"]["metadata"] = {"timestamp": edit.at // 1000}
        if edit.desired is not None:
            one["expected"] = {"value": edit.desired}
        twin[name] = one
    body = msgspec.json.encode({"event_id": stimulus.reply.event if stimulus.reply else "", "twin": twin})
    again = Reader("n1").read(DOORS[0], body, "fuzz", NOW)
    if stimulus.reply is None or len(body) > 256 * 1024:  # telemetry names properties more freely
        return
    if not isinstance(again, Updated) or again.edits != stimulus.edits:
        raise Wrong(f"{stimulus.edits!r} is read as {again!r}")


def _json(payload: bytes) -> Any:
    """JSON as strict as it can be: UTF-8, no NaN, no key twice."""
    return json.loads(payload.decode(), parse_constant=_no_number, object_pairs_hook=_once)


def _no_number(word: str) -> NoReturn:
    raise Wrong(f"{word} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Wrong("a key is there twice")
    return found


__all__ = ["DOORS", "FORMATS", "STRICT", "TOPIC", "Wrong", "check"]
