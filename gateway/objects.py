"""Names of objects as people type them."""

from __future__ import annotations

from urllib.parse import quote

from twins.values import device_id


def device_name(text: str) -> str:
    """`namespace/name` of `name` or `namespace/name`."""
    return text if "/" in text else device_id("default", text)


def device_path(text: str) -> str:
    """The same, for a URL."""
    return "/".join(quote(part, safe="") for part in device_name(text).split("/", 1))
