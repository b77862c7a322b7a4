"""Payloads and datatypes: bytes of another make, a round trip, and what is refused."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.sparkplug import datatype as types
from devices.sparkplug.payload import METRICS, Metric, Payload, command, decode, encode
from devices.sparkplug.wire.sparkplug_pb2 import Payload as Wire
from devices.telemetry.frame import BODY_LIMIT
from twins.errors import Rejected

AT = 1_795_255_200_000
NBIRTH = bytes.fromhex(
    "0880d2b1ec9f3412120a0562645365711881d2b1ec9f342004580712210a144e6f646520436f6e74726f6c2f526562697274681881d2b1ec"
    "9f34200b700012160a0454656d7010011881d2b1ec9f342009653333ab4112130a034c6f7710021881d2b1ec9f34200150ff01121d0a0543"
    "6f756e7410031881d2b1ec9f34200858ffffffffffffffffff011800"
)
"""By pysparkplug 0.6.1, as all of these: bdSeq 7, the button, a Float, an Int8 of -1, the greatest UInt64."""
DDATA = bytes.fromhex(
    "0885d2b1ec9f34120c10021881d2b1ec9f34509c01120b10011881d2b1ec9f343801120d10031881d2b1ec9f34280158051801"
)
"""By alias: -100, null, and 5 of the past."""
ARRAYS = bytes.fromhex(
    "0880d2b1ec9f3412150a034931361881d2b1ec9f3420178201040100feff12150a01421881d2b1ec9f34202082010609000000b0801214"
    "0a01531881d2b1ec9f3420218201056100c3bc0012130a01461881d2b1ec9f34201e8201040000003f1802"
)
REBIRTH = bytes.fromhex("0880d2b1ec9f3412210a144e6f646520436f6e74726f6c2f526562697274681880d2b1ec9f34200b7001")


def test_a_birth_of_another_make_is_read() -> None:
    said = decode(NBIRTH)
    assert (said.at, said.seq) == (AT, 0)
    bd, button, temp, low, count = said.metrics
    assert (bd.name, bd.value, button.value) == ("bdSeq", 7, False)
    assert (temp.name, temp.alias, temp.at, temp.datatype) == ("Temp", 1, AT + 1, 9)
    assert [types.text(m.datatype, m.value) for m in (temp, low, count) if m.value is not None] == [
        "21.4",
        "-1",
        "18446744073709551615",
    ]


def test_data_of_another_make_is_read_by_alias_with_null_and_the_past() -> None:
    low, temp, count = decode(DDATA).metrics
    assert low == Metric("", 2, AT + 1, 0, 156)
    assert types.text(1, 156) == "-100"
    assert (temp.alias, temp.value, count.historical, count.value) == (1, None, True, 5)


def test_arrays_of_another_make_are_json() -> None:
    told = {m.name: types.text(m.datatype, m.value) for m in decode(ARRAYS).metrics if m.value is not None}
    bits = "[true,false,true,true,false,false,false,false,true]"
    assert told == {"I16": "[1,-2]", "B": bits, "S": '["a","ü"]', "F": "[0.5]"}


def test_a_request_for_a_birth_is_the_same_bytes_as_anothers() -> None:
    assert command([Metric("Node Control/Rebirth", None, AT, types.BOOLEAN, value=True)], AT) == REBIRTH


TEXTS = st.text(max_size=30)
VALUES = st.one_of(
    *(
        st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1).map(lambda v, t=t: (t, v))
        for t, size in ((1, 8), (2, 16), (3, 32), (4, 64))
    ),
    *(
        st.integers(0, 2**size - 1).map(lambda v, t=t: (t, v))
        for t, size in ((5, 8), (6, 16), (7, 32), (8, 64), (13, 64))
    ),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda v: (9, v)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: (10, v)),
    st.booleans().map(lambda v: (11, v)),
    *(TEXTS.map(lambda v, t=t: (t, v)) for t in (12, 14, 15)),
    *(st.binary(max_size=30).map(lambda v, t=t: (t, v)) for t in (17, 18)),
)
METRIC = st.builds(
    lambda name, alias, at, said, past: Metric(name, alias, at, said[0], said[1], past),
    TEXTS,
    st.none() | st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    VALUES | st.integers(1, 34).map(lambda t: (t, None)),
    st.booleans(),
)


@given(st.lists(METRIC, max_size=5), st.none() | st.integers(0, 255), st.integers(0, 2**64 - 1))
def test_what_is_written_is_read_back(metrics: list[Metric], seq: int | None, at: int) -> None:
    said = decode(encode(Payload(tuple(metrics), seq, at)))
    assert (said.seq, said.at, len(said.metrics)) == (seq, at, len(metrics))
    for one, back in zip(metrics, said.metrics, strict=True):
        assert (back.name, back.alias, back.at, back.datatype, back.historical) == (
            *(one.name, one.alias, one.at, one.datatype, one.historical),
        )
        assert (one.value is None) == (back.value is None)
        if one.value is not None and back.value is not None:
            text = types.text(one.datatype, back.value)
            assert text is not None
            said_again = Metric("again", None, 0, one.datatype, types.value(one.datatype, text))
            assert decode(encode(Payload((said_again,)))).metrics[0].value == back.value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_refused(body: bytes) -> None:
    try:
        said = decode(body)
    except Rejected:
        return
    for metric in said.metrics:
        if metric.value is not None:
            try:
                assert isinstance(types.text(metric.datatype, metric.value), str | None)
            except Rejected:
                continue


@given(st.integers(0, len(NBIRTH) - 1))
def test_a_payload_that_is_cut_short_is_never_more_than_its_whole(end: int) -> None:
    try:
        said = decode(NBIRTH[:end])
    except Rejected:
        return
    assert said.metrics == decode(NBIRTH).metrics[: len(said.metrics)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bytes(BODY_LIMIT + 1), f"more than the {BODY_LIMIT} allowed"),
        (bytes(1_000_000), f"more than the {BODY_LIMIT} allowed"),
        (b"\x12\xff\xff", "cut short, or no protobuf"),
        (b'{"temperature": 21.5}', "cut short, or no protobuf"),
        (b"\x12\x04\x0a\x02\xff\xfe", "cut short, or no protobuf"),  # a name that is no UTF-8
        (b"\x12\x00" * (METRICS + 1), f"more than {METRICS} metrics"),
    ],
)
def test_what_is_no_payload_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        decode(body)


def test_properties_of_a_metric_are_read() -> None:
    whole = Wire()
    metric = whole.metrics.add(name="Level", datatype=9)
    for key, value in (("engUnit", {"string_value": "°C"}), ("readOnly", {"boolean_value": True}), ("none", {})):
        metric.properties.keys.append(key)
        metric.properties.values.add(**value)
    assert decode(whole.SerializeToString()).metrics[0].properties == {"engUnit": "°C", "readOnly": True}


@pytest.mark.parametrize(
    ("datatype", "raw", "text"),
    [
        (1, 0xFFFFFFFF, "-1"),  # two's complement of the field, as Tahu writes it
        (2, 0xFFF9, "-7"),
        (3, 2**64 - 5, "-5"),
        (7, 2**32 - 1, "4294967295"),
        (13, AT, str(AT)),
        (9, struct.unpack("<f", struct.pack("<f", 0.1))[0], "0.1"),
        (9, struct.unpack("<f", struct.pack("<f", 16777217.5))[0], "16777218"),
        (10, 1e-7, "1e-07"),
        (9, float("nan"), None),
        (10, float("inf"), None),
        (17, b"\x00\xff", base64.b64encode(b"\x00\xff").decode()),
    ],
)
def test_a_value_is_text_as_its_datatype_has_it(datatype: int, raw: types.Raw, text: str | None) -> None:
    assert types.text(datatype, raw) == text


@pytest.mark.parametrize(
    ("datatype", "raw"),
    [
        *((1, 128 + 256), (5, 256), (7, 2**32), (3, 2**33), (11, 1), (11, "true"), (12, 5), (9, 1), (10, "1.5")),
        *((17, "text"), (4, 1.5), (1, True), (16, b""), (0, 1), (99, 1), (25, b"123"), (32, b"\x09\x00\x00\x00\x00")),
        (33, b"\xff\x00"),
    ],
)
def test_a_value_of_another_datatype_is_refused(datatype: int, raw: types.Raw) -> None:
    with pytest.raises(Rejected, match=f"no value of Sparkplug's datatype {datatype}"):
        types.text(datatype, raw)


@pytest.mark.parametrize(
    ("datatype", "said"),
    [
        (1, "128"),
        (5, "-1"),
        (3, "1.5"),
        (11, "True"),
        (10, "nan"),
        (9, "warm"),
        (9, "1e39"),
        (17, "%"),
        (22, "[1]"),
        (19, "x"),
    ],
)
def test_what_a_datatype_cannot_say_is_not_sent(datatype: int, said: str) -> None:
    with pytest.raises(Rejected, match=f"no value of Sparkplug's datatype {datatype}"):
        types.value(datatype, said)
