"""What clouds of KubeEdge's older protocol say of a device's twin: `twin/cloud_updated`, and members with twins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from twins.errors import Rejected
from twins.stimuli import Reply, Synchronised, Wish
from twins.values import Attribute, Version

KEY = re.compile(r"[a-zA-Z0-9\-_.,:/@#]{1,128}")
"""What a property may be called."""
NO_VALUE = "value is missing"
COUNT = 2**53
"""The largest version: what all readers of JSON agree on. It counts on from there, within the 64 bits of the disk."""
BAD_SYNC = "unmarshal update request body failed, Please check the request"


_Count = Annotated[int, Meta(ge=-COUNT, le=COUNT)]


class _Side(Struct, gc=False):
    value: str | None = None


class _Type(Struct, gc=False):
    type: str | None = None


class _Version(Struct, gc=False):
    cloud: _Count = 0
    edge: _Count = 0


class CloudTwin(Struct, gc=False):
    """KubeEdge's MsgTwin, as far as a cloud's word counts: reported values are the edge's."""

    expected: _Side | None = None
    optional: bool | None = None
    metadata: _Type | None = None
    expected_version: _Version | None = None
    actual_version: _Version | None = None


class CloudAttribute(Struct, gc=False):
    """KubeEdge's MsgAttr."""

    value: str
    optional: bool | None = None
    metadata: _Type | None = None


class _Update(Struct, gc=False):
    event_id: str | None = None
    twin: dict[str, CloudTwin | None] | None = None


_update = msgspec.json.Decoder(_Update).decode


def synchronised(device: str, payload: bytes, cause: str, seen: int, reply: Reply | None = None) -> Synchronised:
    """The body of a `twin/cloud_updated`; `Rejected` with EdgeCore's reason when it is none."""
    try:
        body = _update(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Rejected(BAD_SYNC) from None
    if body.twin is None or not all(map(KEY.fullmatch, body.twin)):
        raise Rejected(BAD_SYNC)
    event = body.event_id or ""
    answer = None if reply is None else Reply(event, reply.short)
    return Synchronised(device, cause, seen, wishes(body.twin), event, answer)


def wishes(twin: Mapping[str, CloudTwin | None]) -> dict[str, Wish]:
    """What is desired of each property. A twin without `metadata`, which stops EdgeCore, leaves the type as it is.

    Raises `Rejected` for a side without a value, which stops EdgeCore too.
    """
    return {name: _wish(one) for name, one in twin.items() if one is not None}


def attributes(said: Mapping[str, CloudAttribute | None]) -> dict[str, Attribute]:
    """The attributes of a member."""
    kinds = {name: one.metadata.type if one.metadata else None for name, one in said.items() if one is not None}
    return {n: Attribute(one.value, one.optional, kinds[n]) for n, one in said.items() if one is not None}


def _wish(one: CloudTwin) -> Wish:
    if one.expected is not None and one.expected.value is None:
        raise Rejected(NO_VALUE)
    return Wish(
        one.expected.value if one.expected else None,
        _version(one.expected_version),
        one.metadata.type if one.metadata else None,
        one.optional,
        _version(one.actual_version),
    )


def _version(one: _Version | None) -> Version | None:
    return None if one is None else Version(one.edge, one.cloud)
