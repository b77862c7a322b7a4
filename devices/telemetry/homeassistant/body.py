"""The body of a discovery message: a JSON object with short or full keys, and `~` for what its topics share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twins.errors import Rejected

BODY_LIMIT = 32 * 1024
"""Bytes."""
_SHORT = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "stat_cla": "state_class",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "stat_on": "state_on",
    "stat_off": "state_off",
    "avty": "availability",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "dev": "device",
    "ids": "identifiers",
    "t": "topic",
}


def config_of(payload: bytes) -> dict[str, Any]:
    """The body with long keys and whole topics. Raises `Rejected`."""
    if len(payload) > BODY_LIMIT:
        raise Rejected(f"the body has {len(payload)} bytes, more than the {BODY_LIMIT} allowed")
    try:
        body = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"no JSON object: {error}") from None
    base = body.get("~")
    config = long(body)
    return _based(config, base) if isinstance(base, str) else config


def long(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same with full keys for short ones."""
    return {_SHORT.get(key, key): value for key, value in body.items()}


def _based(value: Any, base: str) -> Any:
    """`~` at the beginning or end of a topic is the base."""
    if isinstance(value, dict):
        topics = {k: v for k, v in value.items() if k in {"t", "topic"} or k.endswith("_topic") or k == "availability"}
        return value | {key: _based(topic, base) for key, topic in topics.items()}
    if isinstance(value, list):
        return [_based(item, base) for item in value]
    if isinstance(value, str):
        value = base + value[1:] if value.startswith("~") else value
        return value[:-1] + base if value.endswith("~") else value
    return value
