"""Sparkplug's payloads: bytes to metrics, and commands to bytes. Imported when first needed: it brings protobuf.

Nothing is judged here but the form; what a value means depends on the birth (`sessions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from msgspec import Struct

from devices.sparkplug.datatype import Raw, field
from devices.sparkplug.wire.sparkplug_pb2 import Metric as Wire
from devices.sparkplug.wire.sparkplug_pb2 import Payload as Whole
from devices.sparkplug.wire.sparkplug_pb2 import Properties
from devices.telemetry.frame import BODY_LIMIT
from twins.errors import Rejected

METRICS = 4096
"""Metrics in one message: as many as a twin has properties."""
_TAG = b"\x12"


class Metric(Struct, frozen=True):
    """One metric; `name` is empty and `alias`, `datatype` are 0 or `None` where it gives none. `at` is in ms, 0: none.

    `value` is as the payload has it, integers unsigned; `None` for null.
    """

    name: str = ""
    alias: int | None = None
    at: int = 0
    datatype: int = 0
    value: Raw | None = None
    historical: bool = False
    properties: dict[str, Raw] = {}


class Payload(Struct, frozen=True):
    """One message; `at` is in ms, 0: none."""

    metrics: tuple[Metric, ...] = ()
    seq: int | None = None
    at: int = 0


def decode(body: bytes) -> Payload:
    """A message. Raises `Rejected` when it is none, or too large."""
    if len(body) > BODY_LIMIT:
        raise Rejected(f"the body has {len(body)} bytes, more than the {BODY_LIMIT} allowed")
    if body.count(_TAG) > 4 * METRICS:  # each metric begins with it: so many are not even parsed
        raise Rejected(f"the message has more than {METRICS} metrics")
    try:
        whole = Whole.FromString(body)
    except (DecodeError, RecursionError):
        raise Rejected("no Sparkplug payload: the body is cut short, or no protobuf") from None
    if len(whole.metrics) > METRICS:
        raise Rejected(f"the message has more than {METRICS} metrics")
    return Payload(tuple(map(_metric, whole.metrics)), whole.seq if whole.HasField("seq") else None, whole.timestamp)


def encode(payload: Payload) -> bytes:
    """The bytes of a message; integers of its metrics may be signed."""
    whole = Whole(metrics=map(_wire, payload.metrics))
    if payload.at:
        whole.timestamp = payload.at
    if payload.seq is not None:
        whole.seq = payload.seq
    return whole.SerializeToString()


def command(metrics: Iterable[Metric], at: int) -> bytes:
    """The body of a command of the moment `at` (ms)."""
    return encode(Payload(tuple(metrics), at=at))


def _metric(wire: Wire) -> Metric:
    which = wire.WhichOneof("value")
    return Metric(
        wire.name,
        wire.alias if wire.HasField("alias") else None,
        wire.timestamp,
        wire.datatype,
        None if which is None or wire.is_null else getattr(wire, which),
        wire.is_historical,
        _properties(wire.properties) if wire.HasField("properties") else {},
    )


def _properties(told: Properties) -> dict[str, Raw]:
    table = zip(told.keys, told.values, strict=False)
    return {key: getattr(value, which) for key, value in table if (which := value.WhichOneof("value"))}


def _wire(metric: Metric) -> Wire:
    wire = Wire(is_null=True) if metric.value is None else Wire()
    if metric.value is not None:
        setattr(wire, *field(metric.datatype, metric.value))
    if metric.name:
        wire.name = metric.name
    if metric.alias is not None:
        wire.alias = metric.alias
    if metric.at:
        wire.timestamp = metric.at
    if metric.datatype:
        wire.datatype = metric.datatype
    if metric.historical:
        wire.is_historical = True
    return wire
