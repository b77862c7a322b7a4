from __future__ import annotations

import time
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.telemetry.formats import Format, decoder
from devices.telemetry.frame import BODY_LIMIT, FRAMES, PROPERTIES, Frame
from tests.crowding import crowding
from twins.errors import Rejected

NOW = 1_795_255_200_000_000
FORMATS: tuple[Format, ...] = get_args(Format)


def bodies(name: Format, payload: bytes) -> list[object]:
    return [frame.body for frame in decoder(name)(payload, NOW)]


@pytest.mark.parametrize(
    ("name", "payload", "body"),
    [
        ("json", b'{"a": {"b": [1, 2.5, null]}, "on": true}', {"a": {"b": [1, 2.5, None]}, "on": True}),
        ("json", b" 21.5\n", 21.5),
        ("json", b'"open"', "open"),
        ("json", b'{"a": 1, "a": 2}', {"a": 2}),
        ("number", b"21.50", 21.5),
        ("number", b" -7\r\n", -7),
        ("number", b"+.5e3", 500.0),
        ("number", b"9223372036854775808", 9223372036854775808.0),
        ("text", " zu weit auf ☂\n".encode(), "zu weit auf ☂"),
        ("text", b"21.5 C", "21.5 C"),
        ("auto", b'{"a": 1}', {"a": 1}),
        ("auto", b"[1]", [1]),
        ("auto", b'"21.5"', "21.5"),
        ("auto", b"true", True),
        ("auto", b"null", None),
        ("auto", b"21.5", 21.5),
        ("auto", b"007", 7),
        ("auto", b"ON", "ON"),
        ("auto", b"weather t=1", "weather t=1"),
    ],
)
def test_plain_bodies_are_read_as_what_they_are(name: Format, payload: bytes, body: object) -> None:
    assert bodies(name, payload) == [body]


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("json", b"", "no JSON"),
        ("json", b"{", "no JSON"),
        ("json", b"\xff", "no JSON"),
        ("json", b'{"t": NaN}', "no JSON"),
        ("json", b'{"t": 1e400}', "no JSON"),
        ("json", b"[" * 100_000, "no JSON"),
        ("number", b"", "'' is no number such as 21.5"),
        ("number", b"nan", "is no number"),
        ("number", b"inf", "is no number"),
        ("number", b"1e999", "too large"),
        ("number", b"1_000", "is no number"),
        ("number", b"21,5", "is no number"),
        ("number", "٣".encode(), "is no number"),
        ("text", b"", "is no text"),
        ("text", b" \n", "is no text"),
        ("text", b"\x1b[31m", "control characters"),
        ("text", b"\xff", "not UTF-8"),
        ("text", b"x" * 40_000, "40000 bytes"),
        ("auto", b'{"t": 1', "no JSON"),
        ("auto", b"", "is no text"),
        ("auto", b"\x00\x01", "control characters"),
    ],
)
def test_what_is_none_of_them_is_refused_with_its_reason(name: Format, payload: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as refused:
        bodies(name, payload)
    assert len(refused.value.reason) < 200


# -- line protocol -----------------------------------------------------------------------------------------------------


def lines(text: str) -> list[Frame]:
    return list(decoder("line")(text.encode(), NOW))


def test_a_line_has_a_measurement_tags_fields_and_a_time() -> None:
    (frame,) = lines('weather,station=roof,zone=n temp=21.5,wet=f,count=3i,n=7u,sky="clear" 1795255200123456789')
    assert frame.body == {"weather": {"temp": 21.5, "wet": False, "count": 3, "n": 7, "sky": "clear"}}
    assert (frame.at, frame.labels) == (1_795_255_200_123_456, {"station": "roof", "zone": "n"})


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (r"my\ mea\,sure f=1", {"my mea,sure": {"f": 1.0}}),
        (r"m=x f=1", {"m=x": {"f": 1.0}}),
        (r"m a\ b\,c\=d=1", {"m": {"a b,c=d": 1.0}}),
        (r'm f="a, b=\"c\" \\ d"', {"m": {"f": 'a, b="c" \\ d'}}),
        ('m f="two\nlines"', {"m": {"f": "two\nlines"}}),
        (r"m\n f=1", {r"m\n": {"f": 1.0}}),
        ("m f=T", {"m": {"f": True}}),
        ("m f=-1.5e-3", {"m": {"f": -0.0015}}),
        ("m f=.5", {"m": {"f": 0.5}}),
        ("m f=-9223372036854775808i", {"m": {"f": -(2**63)}}),
        ("m f=18446744073709551615u", {"m": {"f": 2**64 - 1}}),
        ("  m f=1  ", {"m": {"f": 1.0}}),
        ("m f=1\r", {"m": {"f": 1.0}}),
        ("m  f=1   ", {"m": {"f": 1.0}}),
        ("ä ö=1", {"ä": {"ö": 1.0}}),
    ],
)
def test_names_and_values_are_escaped_as_influxdb_has_it(text: str, body: object) -> None:
    (frame,) = lines(text)
    assert frame.body == body


def test_several_lines_are_several_moments_and_comments_are_none() -> None:
    frames = lines("# a comment\n\nm f=1 1000\n  \nm f=2 -2000\n#\nm f=3")
    assert [(frame.body, frame.at) for frame in frames] == [
        ({"m": {"f": 1.0}}, 1),
        ({"m": {"f": 2.0}}, -2),
        ({"m": {"f": 3.0}}, None),
    ]
    assert lines("") == lines("# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m", "line 1: a space and fields are missing"),
        ("m ", "line 1: a field is missing"),
        ("m f", "line 1: the field 'f' has no value"),
        ("m f=", "line 1: f= is no number"),
        ("m f=one", "line 1: f=one is no number"),
        ("m f=nan", "f=nan is no number"),
        ("m f=-Inf", "f=-Inf is no number"),
        ("m f=1e999", "is no number"),
        ("m f=9223372036854775808i", "is no number"),
        ("m f=-1u", "is no number"),
        ("m f=1.5i", "is no number"),
        ('m f="open', "is no number"),
        ('m f="a"b', "where a time in nanoseconds or the end belongs"),
        ("m f=1 soon", "'soon' where a time"),
        ("m f=1 1.5", "'.5' where a time"),
        ("m f=1 99999999999999999999", "where a time"),
        ("m f=1 1 2", "'2' where a time"),
        ("m,t f=1", "line 1: the tag 't' has no value"),
        ("m,t= f=1", "value of the tag t is missing"),
        (",t=1 f=1", "line 1: a measurement is missing"),
        ("m f=1,", "a field is missing"),
        ("m\nf=1", "line 1: a space and fields are missing"),
        ("m f=1\n\nm f=2\nm g", "line 4: the field 'g' has no value"),
        ('m f="a\nb"\nm g', "line 3: the field 'g' has no value"),
        ("m " + ",".join(f"f{n}=1" for n in range(PROPERTIES + 1)), f"more than {PROPERTIES} fields"),
        (("m " + ",".join(f"f{n}=1" for n in range(250)) + "\n") * 9, "more than 2000 values"),
        ("m" + "".join(f",t{n}=1" for n in range(33)) + " f=1", "more than 32 tags"),
        ("m,t=1,t=2 f=1", "the tag 't' is there twice"),
        ("m f=1,f=2", "the field 'f' is there twice"),
        ("m f=1\n" * (FRAMES + 1), f"more than {FRAMES} lines"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_reason(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        lines(text)
    with pytest.raises(Rejected, match="UTF-8"):
        decoder("line")(b"\xff" + text.encode(), NOW)


def escaped(text: str, signs: str) -> str:
    return "".join(f"\\{sign}" if sign in signs else sign for sign in text)


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


letters = st.characters(exclude_characters="\\\r\n\t", exclude_categories=["Cs"])
words = st.text(letters, min_size=1, max_size=6).filter(lambda word: word[0] != "#")
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
fields = st.dictionaries(
    words, values.filter(lambda v: not isinstance(v, str) or "\x00" not in v), min_size=1, max_size=4
)


@given(words, st.dictionaries(words, words, max_size=3), fields, st.none() | st.integers(-(2**62), 2**62))
def test_what_a_writer_escapes_is_read_back(
    measurement: str, tags: dict[str, str], fields: dict[str, Any], at: int | None
) -> None:
    head = escaped(measurement, ", ")
    head += "".join(f",{escaped(k, ',= ')}={escaped(v, ',= ')}" for k, v in tags.items())
    body = ",".join(f"{escaped(k, ',= ')}={shown(v)}" for k, v in fields.items())
    (frame,) = lines(f"{head} {body}" + ("" if at is None else f" {at}"))
    assert (frame.body, frame.labels) == ({measurement: fields}, tags)
    assert frame.at == (None if at is None else at // 1000)


# -- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@given(st.binary(max_size=200))
@example(b"")
@example(b"m f=1")
@example(b"\x00")
def test_any_bytes_are_refused_or_become_frames(name: Format, payload: bytes) -> None:
    try:
        frames = decoder(name)(payload, NOW)
    except Rejected:
        return
    for frame in frames:
        assert frame.at is None or abs(frame.at) < 2**63


@pytest.mark.parametrize("name", FORMATS)
def test_a_body_beyond_the_limit_is_refused_unread(name: Format) -> None:
    with pytest.raises(Rejected, match=f"{BODY_LIMIT + 1} bytes, more than the {BODY_LIMIT} allowed"):
        decoder(name)(b"1" * (BODY_LIMIT + 1), NOW)


COSTLY = {
    "deep lists": b"[" * BODY_LIMIT,
    "deep objects": b'{"a":' * (BODY_LIMIT // 5),
    "many keys, then nothing": b"{" + b",".join(b'"%d":1' % n for n in range(20_000)),
    "one long text": b'"' + b"\\u00e4" * (BODY_LIMIT // 6 - 1),
    "digits": b"9" * BODY_LIMIT,
    "backslashes": b"\\" * BODY_LIMIT,
    "spaces": b" " * BODY_LIMIT,
    "quotes": b'm f="' + b'\\"' * (BODY_LIMIT // 2 - 3),
    "equals": b"m " + b"=" * (BODY_LIMIT - 2),
    "commas": b"m" + b"," * (BODY_LIMIT - 1),
    "tags": b"m" + b",t=1" * (BODY_LIMIT // 4 - 1),
    "lines": b"m,a=1 f=1,g=2,h=3 1\n" * FRAMES + b"m",
    "fields": b"m " + b",".join(b"f%d=1" % n for n in range(PROPERTIES)) + b",",
    "values": (b"m " + b",".join(b"f%d=1" % n for n in range(200)) + b"\n") * 100,
    "a blank end": b"m f=1" + b" " * (BODY_LIMIT - 6) + b"x",
    "zeros": bytes(BODY_LIMIT),
    "records": b"[" + b",".join([b'{"n":"a","v":1}'] * 1999) + b",7]",
    "many records": b"[" + b",".join([b"{}"] * 80_000) + b"]",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("payload", COSTLY.values(), ids=COSTLY)
def test_bad_input_is_refused_within_5_ms(name: Format, payload: bytes) -> None:
    decode = decoder(name)
    costs = []
    for _ in range(25):  # the best of some: others use the same caches
        before = time.thread_time()
        try:
            decode(payload, NOW)
        except Rejected:
            pass
        costs.append(time.thread_time() - before)
    assert min(costs) < 0.005 * crowding()
