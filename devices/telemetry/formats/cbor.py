"""CBOR (RFC 8949) as the tree that JSON would give, and SenML in it. Imports `cbor2` when first used.

Keys become text; byte strings and whatever else JSON has no word for are refused. So are tags, but for those of times,
which say no more than the text or number they stand at, and the one that says "this is CBOR".
"""

from __future__ import annotations

import io
import math
from typing import Any

from devices.telemetry.formats import senml
from devices.telemetry.frame import VALUES, Frame
from twins.errors import Rejected

LIMIT = 16 * 1024
"""Bytes: each can be a value of its own."""
DEPTH = 32
_TAKEN = (0, 1, 55799)
_REFUSED = (2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)
"""Others to which cbor2 gives a meaning of its own."""
_LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"}
_LABELS |= {0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd"}
_WORDS = {str(label): word for label, word in _LABELS.items()}


def decode(payload: bytes, now: int = 0) -> list[Frame]:
    """One CBOR item, and nothing after it."""
    return [Frame(_tree(payload))]


def records(payload: bytes, now: int) -> list[Frame]:
    """A SenML pack, by the numbers that RFC 8428 gives its fields in CBOR."""
    tree = _tree(payload)
    if not isinstance(tree, list) or not all(isinstance(record, dict) for record in tree):
        raise Rejected("no SenML, which is a list of records")
    return senml.frames([{_WORDS.get(key, key): value for key, value in record.items()} for record in tree], now)


def _tree(payload: bytes) -> Any:
    if len(payload) > LIMIT:
        raise Rejected(f"the body has {len(payload)} bytes, more than the {LIMIT} allowed of CBOR")
    import cbor2

    body = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        body,
        tag_hook=_refuse,
        semantic_decoders=dict.fromkeys(_REFUSED, _refuse) | dict.fromkeys(_TAKEN, lambda value, immutable: value),
        max_depth=DEPTH,
    )
    try:
        item = decoder.decode()
    except (cbor2.CBORError, ValueError, OverflowError) as error:
        raise Rejected(f"no CBOR: {str(error)[:120]}") from None
    if body.tell() != len(payload):
        raise Rejected(f"{len(payload) - body.tell()} bytes follow the CBOR item: one item is meant")
    return _Plain().plain(item)


class _Plain:
    """Makes what was decoded a tree as JSON has it, of `VALUES` values, lists and maps at most."""

    def __init__(self) -> None:
        self._count = 0

    def plain(self, value: Any) -> Any:
        self._count += 1
        if self._count > VALUES:
            raise Rejected(f"more than {VALUES} values in a body")
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise Rejected(f"{value} is no value: a number is finite")
            return value
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {_key(key): self.plain(item) for key, item in value.items()}
        raise Rejected(f"a {type(value).__name__.lower()} is no value that a twin can keep: send text or a number")


def _refuse(value: object, immutable: bool) -> object:
    raise ValueError("a tag other than that of a time is no value that a twin can keep")


def _key(key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise Rejected(f"a {type(key).__name__.lower()} is no key: text and integers are")
    return str(key)
