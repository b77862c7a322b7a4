"""CloudHub's messages, made and read: one JSON text frame each."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

Json = dict[str, Any]
ROUTED = ("subscribe", "unsubscribe", "publish")
"""What the rule router may ask of the event bus of a node."""


def message(
    source: str,
    group: str,
    operation: str,
    resource: str,
    content: object,
    *,
    parent: str = "",
    version: str = "",
) -> Json:
    """A message with a fresh id."""
    header: Json = {"msg_id": str(uuid.uuid4())}
    if parent:
        header["parent_msg_id"] = parent
    header["timestamp"] = milliseconds()
    if version:
        header["resourceversion"] = version
    route = {"source": source, "group": group, "operation": operation, "resource": resource}
    return {"header": header, "route": route, "content": content}


def membership(device: Json, *, added: bool) -> Json:
    """The device is bound to the node, or no more; it carries neither twins nor attributes."""
    meta = device["metadata"]
    member = {"id": f"{meta['namespace']}/{meta['name']}", "name": meta["name"]}
    if description := meta.get("labels", {}).get("description"):
        member["description"] = description
    content = {
        "event_id": str(uuid.uuid4()),
        "timestamp": milliseconds(),
        "added_devices": [member] if added else None,
        "removed_devices": None if added else [member],
    }
    return message("devicecontroller", "twin", "update", "membership", content)


def routed(operation: str, topic: str, payload: str | None = None) -> Json:
    """What the rule router tells the event bus of a node; only a publication has a content."""
    return message("router_eventbus", "user", operation, topic, payload)


def encode(value: Json) -> str:
    """The text frame; like Go's encoder it ends with a new line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def content(value: object) -> Json:
    """Content is an object, or a string that holds one."""
    read = json.loads(value) if isinstance(value, str) else value
    if not isinstance(read, dict):
        reason = "content is not a JSON object"
        raise TypeError(reason)
    return read


def milliseconds() -> int:
    return time.time_ns() // 1_000_000
