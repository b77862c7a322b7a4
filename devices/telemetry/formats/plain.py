"""JSON, a bare number, bare text, and `auto`: whichever of the three it is."""

from __future__ import annotations

import math
import re

import msgspec

from devices.telemetry.frame import Frame
from twins.errors import Rejected
from twins.kinds import VALUE_LIMIT

_decode = msgspec.json.Decoder().decode
_NUMBER = re.compile(rb"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,18}")


def json(payload: bytes, now: int = 0) -> list[Frame]:
    """Any JSON value; of a key that is there twice the last holds. NaN and infinity are no JSON."""
    try:
        return [Frame(_decode(payload))]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"no JSON: {error}") from None


def number(payload: bytes, now: int = 0) -> list[Frame]:
    """A finite decimal number, white space around it."""
    bare = payload.strip()
    if _NUMBER.fullmatch(bare) is None:
        raise Rejected(f"{_shown(bare)} is no number such as 21.5")
    value = int(bare) if _INTEGER.fullmatch(bare) else float(bare)
    if not math.isfinite(value):
        raise Rejected(f"{_shown(bare)} is too large for a number")
    return [Frame(value)]


def text(payload: bytes, now: int = 0) -> list[Frame]:
    """UTF-8 without control characters other than white space, which is taken off both ends."""
    if len(payload) > 4 * VALUE_LIMIT:
        raise Rejected(f"the text has {len(payload)} bytes; a value has up to {VALUE_LIMIT} characters")
    try:
        value = payload.decode().strip()
    except UnicodeDecodeError:
        raise Rejected("the text is not UTF-8") from None
    if not value or not (value.isprintable() or "".join(value.split()).isprintable()):
        raise Rejected(f"{_shown(payload)} is no text: it is empty or has control characters")
    return [Frame(value)]


def auto(payload: bytes, now: int = 0) -> list[Frame]:
    """JSON where it begins as an object, list or quoted text, or is true, false or null; else a number, else text."""
    bare = payload.strip()
    if bare[:1] in (b"{", b"[", b'"') or bare in (b"true", b"false", b"null"):
        return json(bare)
    return number(bare) if _NUMBER.fullmatch(bare) else text(bare)


def _shown(payload: bytes) -> str:
    return repr(payload[:40].decode("utf-8", "replace"))
