"""MQTT messages to stimuli: bodies through typed decoders with limits."""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET, Struct, UnsetType

from twins.digest import digest
from twins.errors import Rejected
from twins.instructions import CLOUD_TOPIC
from twins.kubeedge.address import Address, Addresses
from twins.kubeedge.folding import LIMIT, folded
from twins.kubeedge.wishes import BAD_SYNC, KEY, NO_VALUE, synchronised
from twins.stimuli import Asked, Edit, Listed, Refused, Reply, Seen, Stimulus, Updated
from twins.values import PROPERTIES

BODY_LIMIT = 256 * 1024
REASON_LIMIT = 200
"""Characters of a reason that are kept."""
KEYS = 10_000
"""Names of properties that are known to be right."""
BAD_BODY = "Unmarshal update request body failed, please check the request"
NO_TWIN = "Update twin error, key:twin does not exist"
BAD_KEY = (
    "The key of twin must only include upper or lowercase letters, number, english, and special letter "
    "- _ . , : / @ # and the length of key should be less than 128 bytes"
)
BAD_VALUE = (
    "The value of twin must only include upper or lowercase letters, number, english, and special letter "
    "- _ . , : / @ # and the length of value should be less than 512 bytes"
)
CLOUD_ONLY = "twin/cloud_updated is the cloud's topic: publish twin/update instead"

STRICT_VALUE = re.compile(r"[a-zA-Z0-9\-_.,:/@#]{0,512}")
"""What a value may be in strict mode."""


class _Stamp(Struct, gc=False):
    timestamp: int | None = None


class _Side(Struct, gc=False):
    value: str | int | float | bool | None = None
    metadata: _Stamp | None = None


class _Type(Struct, gc=False):
    type: str | None = None


class _Twin(Struct, gc=False):
    expected: _Side | None = None
    actual: _Side | None = None
    optional: bool | None = None
    metadata: _Type | None = None


class _Update(Struct, gc=False):
    event_id: str | None = None
    timestamp: int | None = None
    twin: dict[str, _Twin | None] | None = None


class _Request(Struct, gc=False):
    event_id: str | None = None
    timestamp: int | None = None


class _Named(Struct, gc=False):
    event_id: str | None = None


class _State(Struct, gc=False):
    event_id: str | None = None
    state: str | UnsetType = UNSET
    reason: object = None  # ours: a last will may say why, in words


_update = msgspec.json.Decoder(_Update).decode
_request = msgspec.json.Decoder(_Request).decode
_named = msgspec.json.Decoder(_Named).decode
_state = msgspec.json.Decoder(_State).decode
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Early(Rejected):
    """A body that EdgeCore refuses before it knows who asks."""


class Reader:
    """MQTT messages to stimuli. One per gateway; remembers the topics it has read.

    `strict`: as EdgeCore since 1.17, which knows no topics without a namespace, and obeys whoever speaks as the cloud.
    """

    def __init__(self, node: str, *, strict: bool = False) -> None:
        self._node = node
        self._strict = strict
        self._addresses = Addresses(short=not strict)
        self._keys: set[str] = set()

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Stimulus | None:
        """The stimulus a message means, `None` when nobody is to hear of it.

        `packet` and `duplicate` are MQTT's packet id and DUP flag: they tell a redelivery from a device that says the
        same thing again.
        """
        where = self._addresses.find(topic)
        if where is None:
            return None
        try:
            return self._read(where, payload, cause, seen, packet, duplicate)
        except Rejected as error:
            early = isinstance(error, Early)
            nameless = self._strict and (early or where.verb not in {"twin/update", CLOUD_TOPIC})
            reply = Reply("" if nameless else _event_of(payload), where.short)
            return Refused(where.device, cause, seen, error.code, error.reason, where.verb, reply, early)

    def _read(
        self, where: Address, payload: bytes, cause: str, seen: int, packet: int, duplicate: bool
    ) -> Stimulus | None:
        if len(payload) > BODY_LIMIT:
            raise Rejected(f"the body has {len(payload)} bytes, more than the {BODY_LIMIT} allowed")
        match where.verb:
            case "twin/update":
                return self._update(where, payload, cause, seen, packet, duplicate)
            case "twin/get":
                return Asked(where.device, cause, seen, Reply(_ask(payload, "twin"), where.short))
            case "state/update":
                return _seen(where, payload, cause, seen, packet)
            case "membership/get":
                if where.device != self._node and not self._strict:
                    return None
                return Listed("", cause, seen, Reply(_ask(payload, "get membership"), where.short))
            case _:
                if not self._strict:
                    raise Rejected(CLOUD_ONLY, 403)
                return _synchronised(where, payload, cause, seen)

    def _update(self, where: Address, payload: bytes, cause: str, seen: int, packet: int, duplicate: bool) -> Stimulus:
        try:
            body = _update(payload)
            if body.twin is None and len(payload) <= LIMIT:
                body = folded(payload, _Update)
        except _BAD_JSON:
            raise Early(BAD_BODY) from None
        edits = self._edits(body)
        event = body.event_id or ""
        named = bool(event) and (body.timestamp or 0) > 0  # a device without a clock says the same twice
        seq = digest(where.device, payload, 0 if named else packet)
        at = seen if body.timestamp is None else body.timestamp * 1000
        reply = Reply(event, where.short)
        return Updated(
            where.device, cause, seen, edits, at, seq, named or duplicate, "device", reply, named, where.topic
        )

    def _edits(self, body: _Update) -> dict[str, Edit | None]:
        if body.twin is None:
            raise Early(NO_TWIN)
        if len(body.twin) > PROPERTIES:
            raise Rejected(f"the message has {len(body.twin)} properties, more than the {PROPERTIES} a twin may have")
        return {key: self._edit(key, twin) for key, twin in body.twin.items()}

    def _edit(self, key: str, twin: _Twin | None) -> Edit | None:
        if key not in self._keys:
            if KEY.fullmatch(key) is None:
                raise Early(BAD_KEY)
            if len(self._keys) < KEYS:
                self._keys.add(key)
        if twin is None:
            return None
        actual, expected = twin.actual, twin.expected
        at = None
        if actual is not None and actual.metadata is not None and actual.metadata.timestamp:
            at = actual.metadata.timestamp * 1000
        return Edit(
            None if actual is None else self._value(actual),
            None if expected is None else self._value(expected),
            None if twin.metadata is None else twin.metadata.type,
            twin.optional,
            at,
        )

    def _value(self, side: _Side) -> str:
        value = side.value
        if type(value) is str:
            if self._strict and STRICT_VALUE.fullmatch(value) is None:
                raise Early(BAD_VALUE)
            return value
        if value is None:
            raise Rejected(NO_VALUE)
        if self._strict:
            raise Early(BAD_BODY)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)


def _synchronised(where: Address, payload: bytes, cause: str, seen: int) -> Stimulus:
    try:
        return synchronised(where.device, payload, cause, seen, Reply(short=where.short))
    except Rejected as error:
        raise (Early(BAD_SYNC) if error.reason == BAD_SYNC else error) from None


def _seen(where: Address, payload: bytes, cause: str, seen: int, packet: int) -> Seen:
    try:
        body = _state(payload)
        if body.state is UNSET and len(payload) <= LIMIT:
            body = folded(payload, _State)
    except _BAD_JSON as error:
        raise Rejected(f"Unmarshal state info failed, err: {error}") from None
    state = body.state
    reply = Reply(body.event_id or "", where.short)
    seq = digest(where.device, payload, packet)
    reason = body.reason[:REASON_LIMIT] if isinstance(body.reason, str) else ""
    return Seen(where.device, cause, seen, "" if state is UNSET else state, reply, reason, seq)


def _ask(payload: bytes, what: str) -> str:
    try:
        return _request(payload).event_id or ""
    except _BAD_JSON as error:
        shown = payload[:256].decode("utf-8", "replace")
        raise Rejected(f"Unmarshal {what} info {shown} failed , err: {error}") from None


def _event_of(payload: bytes) -> str:
    """The event id of a body that is wrong otherwise, so that its sender sees the answer."""
    if len(payload) > BODY_LIMIT:
        return ""
    try:
        return _named(payload).event_id or ""
    except _BAD_JSON:
        return ""
