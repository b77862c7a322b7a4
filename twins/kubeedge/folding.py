"""Keys in any case, as Go's JSON reads them: the second look at a body in which something was not found."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
LIMIT = 16 * 1024
"""Bytes of a body that is looked at twice: it costs more than to read it once."""


def folded(payload: bytes, type_: type[T]) -> T:
    """The body with all keys in small letters, but names of properties. Raises `msgspec.DecodeError`."""
    return msgspec.convert(_fold(msgspec.json.decode(payload)), type_)


def _fold(value: Any, *, names: bool = False) -> Any:
    if not isinstance(value, dict):
        return value
    if names:
        return {name: _fold(one) for name, one in value.items()}
    small = ((key.lower(), one) for key, one in value.items())
    return {key: _fold(one, names=key == "twin") for key, one in small}
