"""Plain telemetry: JSON from a device that knows nothing of twins, to reported properties.

    gemelo/telemetry/{namespace}/{name}     {"temperature": 21.5, "door": "open", "at": 1795243950296}
    gemelo/telemetry/{namespace}/{name}/{property}     21.5

A message without an answer: what the broker has taken is ours to keep, what a killed broker swallows is nobody's.
`at` (milliseconds) and `id` are read where present; nested objects become `outer.inner`.
"""

from __future__ import annotations

import re

import msgspec

from devices.telemetry.frame import DEPTH, NAME, PROPERTIES
from devices.telemetry.leaves import flat, text
from devices.telemetry.route import NoDevice
from twins.digest import digest
from twins.errors import Rejected
from twins.kubeedge.reader import BODY_LIMIT
from twins.stimuli import Edit, Updated

__all__ = ["DEPTH", "NAME", "PREFIX", "PROPERTIES", "ROOT", "SUBSCRIPTIONS", "NoDevice", "read"]

ROOT = "gemelo/telemetry"
SUBSCRIPTIONS = (f"{ROOT}/#",)
"""All of it, so that a topic with a word too many or too few is heard, and refused aloud."""
PREFIX = f"{ROOT}/"
DEVICE = 253
"""Characters of a device's name and of its namespace, as Kubernetes counts them."""

_subdomain = re.compile(rf"(?=.{{1,{DEVICE}}}\Z)[a-z0-9]([-a-z0-9.]*[a-z0-9])?").fullmatch
_decode = msgspec.json.Decoder().decode


def read(topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False) -> Updated:
    """The reported values of one message. `Rejected` when it is no JSON object, number, text or boolean."""
    device, name = _address(topic)
    if len(payload) > BODY_LIMIT:
        raise Rejected(f"the body has {len(payload)} bytes, more than the {BODY_LIMIT} allowed")
    try:
        body = _decode(payload)
        if name:
            body = {name: body}
        if not isinstance(body, dict):
            raise Rejected(f'telemetry of {device} must be an object such as {{"temperature": 21.5}}')
        at, event = body.pop("at", None), body.pop("id", None)
        edits: dict[str, Edit | None] = {}
        for each, value in flat(body):
            if len(edits) >= PROPERTIES:
                raise Rejected(f"telemetry of {device} has more than {PROPERTIES} values")
            if (said := text(value)) is not None:
                edits[each] = Edit(reported=said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"telemetry of {device} is no JSON: {error}") from None
    stamped = type(at) is int and at > 0
    named = stamped and event is not None
    seq = digest(device, payload, 0 if named else packet)
    when = at * 1000 if stamped else seen
    return Updated(device, cause, seen, edits, when, seq, named or duplicate, named=named, topic=topic)


def _address(topic: str) -> tuple[str, str]:
    """Device and property of a topic; the property is empty where the body names them. Raises `NoDevice`."""
    words = topic.split("/")[2:]
    if len(words) not in (2, 3) or not all(words):
        raise NoDevice("the topic names no device: publish to gemelo/telemetry/NAMESPACE/NAME, or …/NAME/PROPERTY")
    for word in words[:2]:
        if not _subdomain(word):
            reason = (
                f"{word[:NAME]!r} cannot name a device or its namespace: 1 to {DEVICE} of a-z, 0-9, '-' and '.' can"
            )
            raise NoDevice(f"{reason}, with a letter or digit at both ends")
    return f"{words[0]}/{words[1]}", words[2] if len(words) == 3 else ""
