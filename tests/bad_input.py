"""Bad input by MQTT, as one table: what is published, and what the gateway answers in each mode.

Tests say it to a real gateway; `benches/bad_input.py` counts what each row costs. What the case table of the protocol
has already (`tests/conformance/table/bodies.py`) is not here again. `$D` stands for the topics of the row's device,
`$NAME` for its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from twins.kubeedge.reader import BAD_BODY, BAD_KEY, BAD_VALUE, BODY_LIMIT, CLOUD_ONLY
from twins.kubeedge.wishes import BAD_SYNC, NO_VALUE

VOID = "$hw/events/device//twin/update/result"
"""Where EdgeCore answers what it refuses before it knows who asks."""


class Bad(Struct, frozen=True):
    """Refused with this code, a reason that begins so, and the event id; `early` as EdgeCore, which forgets the id."""

    reason: str
    event: str = ""
    code: int = 400
    early: bool = False


class Good(Struct, frozen=True):
    """Taken, and answered with these reported values."""

    values: dict[str, str] = {}
    event: str = "e"


class Silent(Struct, frozen=True):
    """Nobody is answered: it is no topic of ours, or telemetry, which has no answers."""


Answer = Bad | Good | Silent


class Row(Struct, frozen=True):
    """`strict` takes the place of `then` in strict mode, where that differs."""

    says: str
    body: bytes
    then: Answer
    topic: str = "$D/twin/update"
    strict: Answer | None = None

    def expected(self, *, strict: bool) -> Answer:
        return self.strict if strict and self.strict is not None else self.then


FORMATS = ("auto", "line", "senml", "cbor")
MAPPINGS = [
    {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Mapping",
        "metadata": {"name": each},
        "spec": {"topic": f"plant/{{device}}/{each}", "format": each},
    }
    for each in FORMATS
]
"""How the rows of `plant/$NAME/…` are read."""


def _early(reason: str, event: str = "") -> dict[str, Any]:
    """What is refused before EdgeCore knows who asks: by default the answer has the event id where it can be read."""
    return {"then": Bad(reason, event), "strict": Bad(reason, early=True)}


def _one(value: bytes, key: bytes = b"k") -> bytes:
    """An update of one property, whose value is written so."""
    return b'{"event_id":"e","twin":{"' + key + b'":{"actual":{"value":' + value + b"}}}}"


def _with(more: bytes, value: bytes = b'"1"') -> bytes:
    """A good update with something more in it."""
    return b'{"event_id":"e",' + more + b',"twin":{"k":{"actual":{"value":' + value + b"}}}}"


def _properties(count: int, each: bytes) -> bytes:
    return b'{"event_id":"e","twin":{' + b",".join(b'"%x":%s' % (n, each) for n in range(count)) + b"}}"


ONE = Good({"k": "1"})
DEEP = 100_000
WIDE = f"the message has 22000 properties, more than the {4096} a twin may have"


def _unreadable() -> Iterator[Row]:
    yield Row("UTF-16", '{"event_id":"e","twin":{}}'.encode("utf-16"), **_early(BAD_BODY))
    yield Row("a byte order mark", b'\xef\xbb\xbf{"event_id":"e","twin":{}}', **_early(BAD_BODY))
    yield Row("more after the end", b'{"event_id":"e","twin":{}}{}', **_early(BAD_BODY))
    yield Row("cut off", _one(b'"1"')[:-2], **_early(BAD_BODY))
    for word in (b"NaN", b"Infinity", b"-Infinity"):
        yield Row(f"{word.decode()} is no JSON", _one(word), **_early(BAD_BODY))
    yield Row("1e400 is no number", _one(b"1e400"), **_early(BAD_BODY, "e"))
    yield Row("100,000 brackets", b"[" * DEEP, **_early(BAD_BODY))
    yield Row("100,000 brackets for a twin", b'{"twin":' + b"[" * DEEP, **_early(BAD_BODY))
    yield Row("100,000 brackets where nobody looks", b'{"x":' + b"[" * DEEP, **_early(BAD_BODY))
    closed = b"[" * DEEP + b"]" * DEEP
    yield Row("and all of them closed", b'{"event_id":"e","x":' + closed + b',"twin":{}}', **_early(BAD_BODY))
    yield Row("objects, 40,000 deep", b'{"x":' * 40_000, **_early(BAD_BODY))
    yield Row("brackets under a key of other letters", b'{"Twin":' + b"[" * 900 + b"]" * 900 + b"}", **_early(BAD_BODY))
    yield Row("a hundred brackets where nobody looks", _with(b'"x":' + b"[" * 100 + b"]" * 100), ONE)


def _texts() -> Iterator[Row]:
    for says, text in {
        "alone": b"\\ud800",
        "in the wrong order": b"\\udc00\\ud800",
        "as bytes": b"\xed\xa0\x80",
    }.items():
        event = "e" if says == "as bytes" else ""
        yield Row(f"a surrogate {says} in a value", _one(b'"' + text + b'"'), **_early(BAD_BODY, event))
        yield Row(f"a surrogate {says} in a key", _one(b'"1"', text), **_early(BAD_BODY, event))
        body = b'{"event_id":"' + text + b'","twin":{"k":{"actual":{"value":"1"}}}}'
        yield Row(f"a surrogate {says} in an event id", body, **_early(BAD_BODY))
    yield Row("an overlong byte", _one(b'"\xc0\x80"'), **_early(BAD_BODY, "e"))
    yield Row("a control character as it is", _one(b'"\x01"'), **_early(BAD_BODY))
    yield Row(
        "escaped it is a value",
        _one(b'"\\u0000\\u001b[2J"'),
        Good({"k": "\0\x1b[2J"}),
        strict=Bad(BAD_VALUE, early=True),
    )
    yield Row("right to left", _one(b'"\\u202e"'), Good({"k": "\u202e"}), strict=Bad(BAD_VALUE, early=True))
    yield Row("NUL in a key", _one(b'"1"', b"a\\u0000"), **_early(BAD_KEY, "e"))
    yield Row("an empty key", _one(b'"1"', b""), **_early(BAD_KEY, "e"))
    yield Row("a key of letters of all the world", _one(b'"1"', "ключ".encode()), **_early(BAD_KEY, "e"))
    yield Row(
        "an event id of control characters",
        b'{"event_id":"\\u0000\\n","twin":{"k":{"actual":{"value":"1"}}}}',
        Good({"k": "1"}, "\0\n"),
    )


def _long() -> Iterator[Row]:
    yield Row("a key of 250 KB", _one(b'"1"', b"k" * 250_000), **_early(BAD_KEY, "e"))
    value = "the value of k has 250000 characters, more than the 8192 allowed"
    yield Row(
        "a value of 250 KB", _one(b'"' + b"v" * 250_000 + b'"'), Bad(value, "e"), strict=Bad(BAD_VALUE, early=True)
    )
    yield Row(
        "a type of 250 KB",
        _one(b'"1"},"metadata":{"type":"' + b"t" * 250_000 + b'"'),
        Bad("the value type is not allowed", "e"),
    )
    event = "x" * 250_000
    yield Row(
        "an event id of 250 KB", _one(b'"1"').replace(b'"e"', b'"' + event.encode() + b'"'), Good({"k": "1"}, event)
    )
    yield Row("an unknown key of 250 KB", _with(b'"' + b"x" * 250_000 + b'":1'), ONE)
    for says, body in {
        "a key": _one(b'"1"', b"k" * 1_000_000),
        "an event id": _one(b'"1"').replace(b'"e"', b'"' + b"e" * 1_000_000 + b'"'),
        "brackets": b"[" * 1_000_000,
    }.items():
        yield Row(f"{says} of 1 MB", body, Bad(_limit(body)))
    just = b'{"event_id":"e","twin":{}}'.ljust(BODY_LIMIT + 1)
    yield Row("a byte too many", just, Bad(_limit(just)))
    yield Row("as many bytes as may be", just[:-1], Good())


def _limit(body: bytes) -> str:
    return f"the body has {len(body)} bytes, more than the {BODY_LIMIT} allowed"


def _many() -> Iterator[Row]:
    everything = (
        b'{"event_id":"e","twin":{' + b",".join(b'"%s":{}' % f"{n:05x}".encode()[-5:] for n in range(95_000)) + b"}}"
    )
    yield Row("95,000 properties", everything, Bad(_limit(everything)))
    bare = b'{"event_id":"e","twin":{' + b",".join(b'"%x":1' % n for n in range(100_000)) + b"}}"
    yield Row("100,000 properties that are numbers", bare, Bad(_limit(bare)))
    yield Row("22,000 properties", _properties(22_000, b"{}"), Bad(WIDE, "e"))
    yield Row("22,000 deletions", _properties(22_000, b"null"), Bad(WIDE, "e"))
    yield Row("4,096 deletions of nothing", _properties(4096, b"null"), Good())
    yield Row("one property 30,000 times", b'{"event_id":"e","twin":{' + b'"k":{},' * 30_000 + _one(b'"1"')[24:], ONE)
    yield Row("a twin 20,000 times", _with(b'"twin":{},' * 20_000 + b'"x":0'), ONE)
    yield Row("120,000 numbers where nobody looks", _with(b'"x":[' + b",".join([b"0"] * 120_000) + b"]"), ONE)
    found = b'{"event_id":"e",' + b",".join(b'"%X":0' % n for n in range(1700)) + b"}"
    yield Row("no twin among many keys", found, **_early("Update twin error, key:twin does not exist", "e"))
    other = b'{"event_id":"e","x":[' + b",".join([b'{"A":0}'] * 1900) + b"]}"
    yield Row("no twin among many objects", other, **_early("Update twin error, key:twin does not exist", "e"))


def _twice() -> Iterator[Row]:
    yield Row(
        "a property twice: the last counts",
        b'{"event_id":"e","twin":{"k":{"actual":{"value":"0"}},"k":{"actual":{"value":"1"}}}}',
        ONE,
    )
    yield Row("a value twice: the last counts", _one(b'"0","value":"1"'), ONE)
    yield Row(
        "a side twice: the last counts", b'{"event_id":"e","twin":{"k":{"actual":{},"actual":{"value":"1"}}}}', ONE
    )
    yield Row(
        "the last of two is bad",
        b'{"event_id":"e","twin":{"k":{"actual":{"value":"1"}},"k":{"actual":{}}}}',
        Bad(NO_VALUE, "e"),
    )
    yield Row("an event id twice: the last counts", _with(b'"event_id":"f"'), Good({"k": "1"}, "f"))


def _numbers() -> Iterator[Row]:
    digits = b"9" * 250_000
    yield Row("a number of 250,000 digits", _one(digits), **_early(BAD_BODY, "e"))
    yield Row(
        "a fraction of 250,000 digits", _one(b"0." + digits), Good({"k": "1.0"}), strict=Bad(BAD_BODY, early=True)
    )
    yield Row("a number of 4,000 digits", _one(b"9" * 4000), Good({"k": "9" * 4000}), strict=Bad(BAD_BODY, early=True))
    yield Row("a number too small", _one(b"1e-400"), Good({"k": "0.0"}), strict=Bad(BAD_BODY, early=True))
    for stamp in (b"-1", b"0", b"9223372036854775807", b"-9223372036854775808", b"1" + b"0" * 40):
        yield Row(f"a time of {stamp.decode()[:24]}", _with(b'"timestamp":' + stamp), ONE)
        metadata = b'"1","metadata":{"timestamp":' + stamp + b"}"
        yield Row(f"a time of {stamp.decode()[:24]} of a value", _one(metadata), ONE)
    for stamp in (b"1.5", b"1e3", b'"1"', b"true"):
        yield Row(f"a time that is {stamp.decode()}", _with(b'"timestamp":' + stamp), **_early(BAD_BODY, "e"))
    versions = b'{"cloud":' + b"9" * 100_000 + b',"edge":-1}'
    yield Row(
        "versions of 100,000 digits, which a device has not",
        _one(b'"1"},"actual_version":' + versions + b',"x":{'),
        ONE,
    )


_WHOLE: dict[str, Any] = {
    "event_id": "e",
    "timestamp": 1,
    "twin": {
        "k": {
            "expected": {"value": "1", "metadata": {"timestamp": 1}},
            "actual": {"value": "1", "metadata": {"timestamp": 1}},
            "optional": True,
            "metadata": {"type": "string"},
        }
    },
}
_SCALAR = ("text", "number", "truth", "nothing")
_PLACES = {
    "event_id": ("text", "nothing"),
    "timestamp": ("number", "nothing"),
    "twin": ("object", "nothing"),
    "twin.k": ("object", "nothing"),
    "twin.k.expected": ("object", "nothing"),
    "twin.k.expected.value": _SCALAR,
    "twin.k.actual": ("object", "nothing"),
    "twin.k.actual.value": _SCALAR,
    "twin.k.actual.metadata": ("object", "nothing"),
    "twin.k.actual.metadata.timestamp": ("number", "nothing"),
    "twin.k.optional": ("truth", "nothing"),
    "twin.k.metadata": ("object", "nothing"),
    "twin.k.metadata.type": ("text", "nothing"),
}
"""What may stand where. Each place with each of what may not is a row."""
_WRONG: dict[str, Any] = {"a list": [1], "object": {"a": 1}, "text": "x", "number": 7, "truth": True}


def _misplaced() -> Iterator[Row]:
    for place, fits in _PLACES.items():
        for what, value in _WRONG.items():
            if what not in fits:
                event = "" if place == "event_id" else "e"
                yield Row(
                    f"{what} for {place}", json.dumps(_replaced(place, value)).encode(), **_early(BAD_BODY, event)
                )
    for place in ("event_id", "timestamp", "twin.k.actual.metadata", "twin.k.optional", "twin.k.metadata.type"):
        event = "" if place == "event_id" else "e"
        yield Row(f"null for {place}", json.dumps(_replaced(place, None)).encode(), Good({"k": "1"}, event))
    for says, whole in {"a text": "x", "a number": 7, "a truth": True, "null": None}.items():
        yield Row(f"{says} and nothing else", json.dumps(whole).encode(), **_early(BAD_BODY))


def _replaced(place: str, value: object) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(_WHOLE))
    *way, last = place.split(".")
    here = whole
    for word in way:
        here = here[word]
    here[last] = value
    return whole


def _others() -> Iterator[Row]:
    """The other verbs of the protocol."""
    asked = "Unmarshal twin info "
    for says, body in {
        "brackets": b"[" * DEEP,
        "bytes": b"\xff" * 1000,
        "a number": b"7",
        "NaN": b'{"timestamp":NaN}',
    }.items():
        yield Row(f"{says} for a get", body, Bad(asked), "$D/twin/get")
        yield Row(f"{says} for a state", body, Bad("Unmarshal state info failed"), "$D/state/update", Silent())
        yield Row(
            f"{says} for the members",
            body,
            Bad("Unmarshal get membership info "),
            "$hw/events/node/edge-1/membership/get",
        )
    big = b'{"event_id":"' + b"x" * BODY_LIMIT + b'"}'
    yield Row("a get of more than 256 KiB", big, Bad(_limit(big)), "$D/twin/get")
    yield Row("a state of more than 256 KiB", big, Bad(_limit(big)), "$D/state/update", Silent())
    for says, state in {"a number": b"5", "a list": b"[]", "null": b"null"}.items():
        body = b'{"event_id":"e","state":' + state + b"}"
        yield Row(f"{says} for the state", body, Bad("Unmarshal state info failed", "e"), "$D/state/update", Silent())
    body = b'{"event_id":"e","state":"' + b"s" * 200_000 + b'"}'
    yield Row("a state of 200 KB", body, Bad(f"the state '{'s' * 64}' is not one of", "e"), "$D/state/update", Silent())
    body = b'{"event_id":"e","state":"\\u0000\\u001b[2J"}'
    yield Row(
        "a state that a terminal obeys", body, Bad(r"the state '\x00\x1b[2J' is not", "e"), "$D/state/update", Silent()
    )
    for says, said in {
        "brackets": b"[" * DEEP,
        "a version too large": _wish(b"9" * 30),
        "versions that are texts": _wish(b'"1"'),
    }.items():
        event = "" if says == "brackets" else "e"
        yield Row(
            f"{says} from nobody's cloud",
            said,
            Bad(CLOUD_ONLY, event, 403),
            "$D/twin/cloud_updated",
            Bad(BAD_SYNC, early=True),
        )


def _wish(version: bytes) -> bytes:
    return (
        b'{"event_id":"e","twin":{"k":{"expected":{"value":"1"},"metadata":{"type":"string"},'
        b'"expected_version":{"cloud":' + version + b',"edge":0}}}}'
    )


def _topics() -> Iterator[Row]:
    """Topics that a broker lets through. Names that no Kubernetes has cannot join by themselves."""
    good, device = _one(b'"1"'), "$hw/events/device"
    joins = "can't join by itself: a name is"
    yield Row("dots in a name", good, ONE, f"{device}/default/$NAME.a.b/twin/update")
    names = {
        "dollars": "$SYS",
        "letters of all the world": "größe",
        "blanks": "a b",
        "capitals": "Pump",
        "dots alone": "..",
        "quotes": "a'b\"c",
    }
    for says, name in names.items():
        yield Row(
            f"{says} in a name",
            good,
            Bad(f"{f'default/{name}'!r} {joins}", "e"),
            f"{device}/default/{name}/twin/update",
        )
        yield Row(
            f"{says} in a namespace", good, Bad(f"{f'{name}/x'!r} {joins}", "e"), f"{device}/{name}/x/twin/update"
        )
    yield Row("a name of 300 characters", good, Silent(), f"{device}/default/{'n' * 300}/twin/update")
    yield Row("a namespace of 300 characters", good, Silent(), f"{device}/{'n' * 300}/x/twin/update")
    yield Row("a name of 60,000 characters", good, Silent(), f"{device}/default/{'n' * 60_000}/twin/update")
    yield Row("no name", good, Silent(), f"{device}/default//twin/update")
    yield Row("no namespace", good, Silent(), f"{device}//$NAME/twin/update")
    yield Row("slashes in a name", good, Silent(), f"{device}/default/a/b/twin/update")
    yield Row("a verb of nobody", good, Silent(), "$D/twin/\ufffd")
    older = f"{device}/$NAME/twin/update"
    yield Row("brackets on the older topic", b"[" * DEEP, Bad(BAD_BODY), older, Silent())
    yield Row("a bad key on the older topic", _one(b'"1"', b"a b"), Bad(BAD_KEY, "e"), older, Silent())
    yield Row("1 MB on the older topic", b"[" * 1_000_000, Bad(_limit(b"[" * 1_000_000)), older, Silent())


def _telemetry() -> Iterator[Row]:
    """What has no answer: nothing comes, and nobody else notices."""
    bodies = {
        "brackets": b"[" * DEEP,
        "brackets in a value": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        "NaN": b"NaN",
        "NaN in an object": b'{"a":NaN}',
        "bytes": b"\xff" * 1000,
        "20,000 values": b"{" + b",".join(b'"%x":1' % n for n in range(20_000)) + b"}",
        "120,000 numbers": b"[" + b",".join([b"0"] * 120_000) + b"]",
        "a name of 250 KB": b'{"' + b"k" * 250_000 + b'":1}',
        "a value of 250 KB": b'{"k":"' + b"v" * 250_000 + b'"}',
        "a number of 250,000 digits": b"9" * 250_000,
        "1 MB": b'"' + b"x" * 1_000_000 + b'"',
        "a time that is absurd": b'{"k":1,"at":' + b"9" * 40 + b"}",
        "surrogates": b'{"k":"\\ud800"}',
        "CBOR that says it is long": b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        "CBOR, deep": b"\x81" * 16_000,
        "a tag of a large number": b"\xc2\x5a\x00\x00\x3f\xf0" + b"\xff" * 16_000,
        "lines": b"a b=1\n" * 40_000,
        "a line of many fields": b"a " + b",".join(b"f%d=1" % n for n in range(30_000)),
        "a line of backslashes": b"\\" * 250_000,
        "a line of quotes": b'a b="' + b'\\"' * 120_000,
        "SenML of many records": b"[" + b",".join([b'{"n":"a","v":1}'] * 16_000) + b"]",
    }
    for says, body in bodies.items():
        yield Row(f"{says} as telemetry", body, Silent(), "gemelo/telemetry/default/$NAME")
        for each in FORMATS:
            yield Row(f"{says} for a mapping of {each}", body, Silent(), f"plant/$NAME/{each}")
    yield Row("telemetry of nobody", b"1", Silent(), "gemelo/telemetry/a")
    yield Row("telemetry of a name that cannot be", b"1", Silent(), f"gemelo/telemetry/default/{'N' * 300}")


ROWS = [
    row
    for part in (_unreadable, _texts, _long, _many, _twice, _numbers, _misplaced, _others, _topics, _telemetry)
    for row in part()
]
