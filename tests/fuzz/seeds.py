"""What a fuzzer begins with: the bodies of the protocol's case table, and what telemetry looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.conformance.cases import CASES
from tests.conformance.likeness import Place
from tests.conformance.words import Ago, FromCloud, Say
from tests.fuzz.codec import DOORS, FORMATS, STRICT, TOPIC

LONGEST = 16 * 1024
_AFTER = -(-len(DOORS) // len(FORMATS)) * len(FORMATS)
"""The first kind of input that is a body of the first format, behind all doors."""
_VERBS = ("twin/update", "twin/get", "state/update", "twin/cloud_updated", "membership/get")
_TELEMETRY = (
    b'{"temperature": 21.5, "door": "open", "at": 1795243950296, "id": "a", "deep": {"er": [1, null, true]}}',
    b"21.5",
    b"-1e-7",
    b'"text"',
    b'weather,station=roof,a\\ b=c temp=21.5,wet=f,count=3i,text="a \\"b\\"" 1795243950296000000\n# no\nw v=1u',
    b'[{"bn":"urn:dev:ow:1;","bt":1.276020076e9,"bu":"A","n":"v","u":"V","v":120.1},{"n":"c","t":-5,"vs":"x"}]',
    bytes.fromhex("a2617418de61662ff5fb4035800000000000"[:24]),
    bytes.fromhex(
        "83a3216c75726e3a6465763a6f773a3122fb41d303a15b00106223614100a2006176 02fb405e066666666666".replace(" ", "")
    ),
    bytes.fromhex("a26474656d70f94d606464 6f6f72646f70656e".replace(" ", "")),
)
_SPARKPLUG = (
    "0880d2b1ec9f3412120a0562645365711881d2b1ec9f342004580712160a0454656d7010011881d2b1ec9f342009653333ab4112130a034c6f"
    "7710021881d2b1ec9f34200150ff01121d0a05436f756e7410031881d2b1ec9f34200858ffffffffffffffffff011800",
    "0885d2b1ec9f34120c10021881d2b1ec9f34509c01120b10011881d2b1ec9f343801120d10031881d2b1ec9f34280158051801",
    "12150a034931361881d2b1ec9f3420178201040100feff12150a01421881d2b1ec9f34202082010609000000b0801214"
    "0a01531881d2b1ec9f3420218201056100c3bc001802",
)
_TOPICS = (b"\n/x", b"\n$", b"\n/../#", "\n/ü/\ud7ff".encode())


def seeds() -> Iterator[bytes]:
    """Each once."""
    yield from dict.fromkeys(_seeds())


def _seeds() -> Iterator[bytes]:
    for case in CASES:
        for step in (*case.given, *case.when):
            if isinstance(step, FromCloud) and step.resource.endswith("twin/cloud_updated"):
                yield bytes([_VERBS.index("twin/cloud_updated") | STRICT]) + _body(step.content)
            if isinstance(step, Say) and (verb := next((v for v in _VERBS if step.topic.endswith(v)), None)):
                body = _body(step.body)
                if len(body) <= LONGEST:
                    yield bytes([_VERBS.index(verb)]) + body
                    yield bytes([_VERBS.index(verb) | STRICT]) + body
    for body in _TELEMETRY:
        for door in range(len(DOORS) - 2, len(DOORS) + len(FORMATS)):
            yield bytes([door]) + body
    for said in _SPARKPLUG:
        yield bytes([FORMATS.index("sparkplug") + _AFTER]) + bytes.fromhex(said)
    for number, topic in enumerate(_TOPICS):
        yield bytes([number | TOPIC]) + b'{"event_id":"e","twin":{"k":{"actual":{"value":"1"}}}}' + topic


def _body(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, Ago):
        return 1_795_243_950_123 - 1000 * value.seconds
    assert isinstance(value, Place)
    return str(value)
