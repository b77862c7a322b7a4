"""The formats: each a pure decoder of bytes to frames, in a module of its own, and here the list of them.

A decoder raises `Rejected` for what it cannot read, with the reason, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from devices.telemetry.formats import cbor, line, plain, senml
from devices.telemetry.frame import BODY_LIMIT, Frame
from twins.errors import Rejected

Format = Literal["auto", "json", "number", "text", "line", "senml", "cbor"]
Decoder = Callable[[bytes, int], Sequence[Frame]]
"""`(payload, now)`; `now` in microseconds is what a relative time is relative to."""

_DECODERS: dict[Format, Decoder] = {
    "auto": plain.auto,
    "json": plain.json,
    "number": plain.number,
    "text": plain.text,
    "line": line.decode,
    "senml": lambda payload, now: (cbor.records if payload[:1] > b"\x7f" else senml.decode)(payload, now),
    "cbor": cbor.decode,
}
LABELLED: frozenset[Format] = frozenset({"line", "senml"})
"""Formats whose frames have labels."""


def decoder(name: Format) -> Decoder:
    """The decoder of a format; it refuses what is longer than `BODY_LIMIT` unread."""
    decode = _DECODERS[name]

    def limited(payload: bytes, now: int) -> Sequence[Frame]:
        if len(payload) > BODY_LIMIT:
            raise Rejected(f"the body has {len(payload)} bytes, more than the {BODY_LIMIT} allowed")
        return decode(payload, now)

    return limited
