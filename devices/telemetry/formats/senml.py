"""SenML, RFC 8428: a list of records, resolved: base fields added, times made absolute.

    [{"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1795255200, "n": "t", "u": "Cel", "v": 21.5}, {"n": "rh", "v": 40}]

Records of one base name and one time are a frame `{name: value}`; the base name is its label `base`, and the name of a
record that has no other. A sum stands as `{name}.sum`, data (`vd`) as the text it is sent as.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from devices.telemetry.frame import FRAMES, VALUES, Frame
from twins.errors import Rejected

VERSION = 10
"""What the RFC describes; a later one may mean something else by the same words."""
_RELATIVE = 2**28
"""Seconds; a smaller time is relative to now."""
_FOREVER = 2**42
_ENDLESS = 1e300
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-:./_]*")
_BASES = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_VALUES = ("v", "vs", "vb", "vd")
_decode = msgspec.json.Decoder(list[dict[str, object]]).decode


class _Key(NamedTuple):
    """What the records of one frame have in common."""

    base: str
    at: int | None


def decode(payload: bytes, now: int) -> list[Frame]:
    """The frames of a SenML pack as JSON. `Rejected` with the number of the bad record."""
    try:
        return frames(_decode(payload), now)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"no SenML, which is a list of records: {error}") from None


def frames(records: list[dict[str, object]], now: int) -> list[Frame]:
    """The frames of records that have the RFC's JSON labels."""
    if len(records) > VALUES:
        raise Rejected(f"more than {VALUES} records in a pack; send them in parts")
    pack = _Pack(now)
    for number, record in enumerate(records, 1):
        try:
            pack.add(record)
        except Rejected as error:
            raise Rejected(f"record {number}: {error.reason}") from None
    return pack.frames


class _Pack:
    """What was read of a pack, and the base fields that hold for the next record."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._base: dict[str, object] = {}
        self._frames: dict[_Key, tuple[dict[str, object], dict[str, str]]] = {}

    @property
    def frames(self) -> list[Frame]:
        return [
            Frame(body, key.at, units, {"base": key.base} if key.base else {})
            for key, (body, units) in self._frames.items()
        ]

    def add(self, record: dict[str, object]) -> None:
        for key in record:
            if key in _BASES:
                self._base[key] = record[key]
            elif key.endswith("_"):
                raise Rejected(f"the field {key[:40]!r} must be understood, and is not")
        if _number(self._base, "bver") > VERSION:
            raise Rejected(f"version {self._base['bver']} is later than the {VERSION} known here")
        if not _BASES.issuperset(record):
            self._take(record)

    def _take(self, record: dict[str, object]) -> None:
        base, own = _text(self._base, "bn"), _text(record, "n")
        if _NAME.fullmatch(base + own) is None:
            raise Rejected(f"{(base + own)[:80]!r} is no name: letters, digits and -:./_ after a letter or digit are")
        key = _Key(base, self._at(record))
        if key not in self._frames and len(self._frames) >= FRAMES:
            raise Rejected(f"more than {FRAMES} times and base names in a pack; send them in parts")
        body, units = self._frames.setdefault(key, ({}, {}))
        name = own or base
        given = [label for label in _VALUES if label in record]
        if len(given) > 1:
            raise Rejected(f"it has {' and '.join(given)}: one value is meant")
        if "s" in record or "bs" in self._base:
            body[f"{name}.sum"] = _number(self._base, "bs") + _number(record, "s")
        elif not given and "bv" not in self._base:
            raise Rejected("it has no value: v, vs, vb, vd or s is one")
        if given or "bv" in self._base:
            body[name] = self._value(record, given[0] if given else "v")
        if unit := _text(record, "u") or _text(self._base, "bu"):
            units[name] = unit

    def _value(self, record: dict[str, object], label: str) -> object:
        if label == "v":
            return _number(self._base, "bv") + _number(record, "v")
        value = record[label]
        if not isinstance(value, bool if label == "vb" else str):
            raise Rejected(f"{label} is {str(value)[:40]}: {'true or false' if label == 'vb' else 'text'} is meant")
        return value

    def _at(self, record: dict[str, object]) -> int | None:
        """Microseconds; `None` for a time that is roughly now."""
        seconds = _number(self._base, "bt") + _number(record, "t")
        if seconds == 0:
            return None
        if not abs(seconds) < _FOREVER:
            raise Rejected(f"the time {seconds} is out of all bounds")
        return round(seconds * 1_000_000) + (self._now if seconds < _RELATIVE else 0)


def _number(record: dict[str, object], label: str) -> int | float:
    value = record.get(label, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _ENDLESS:
        raise Rejected(f"{label} is {str(value)[:40]}: a number is meant")
    return value


def _text(record: dict[str, object], label: str) -> str:
    value = record.get(label, "")
    if not isinstance(value, str):
        raise Rejected(f"{label} is {str(value)[:40]}: text is meant")
    return value
