"""Names and choices of objects as people type them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from twins.errors import Rejected
from twins.values import device_id


def device_name(text: str, namespace: str = "") -> str:
    """`namespace/name` of `name` or `namespace/name`."""
    return text if "/" in text else device_id(namespace or "default", text)


def device_path(text: str, namespace: str = "") -> str:
    """The same, for a URL."""
    return "/".join(quote(part, safe="") for part in device_name(text, namespace).split("/", 1))


def matches(labels: Mapping[str, str], selector: str) -> bool:
    """Whether labels fit `key=value,key!=value,key,!key`, as kubectl has it. Raises `Rejected` for another form."""
    return all(_matches(labels, term.strip()) for term in selector.split(",") if term.strip())


def _matches(labels: Mapping[str, str], term: str) -> bool:
    for sign in ("!=", "==", "="):
        key, found, value = term.partition(sign)
        if found:
            return (labels.get(key.strip()) == value.strip()) is (sign != "!=")
    if not term.lstrip("!") or " " in term:
        raise Rejected(f"-l {term!r}: write key=value, key!=value, key or !key, with commas between")
    return term[1:] not in labels if term.startswith("!") else term in labels
