"""What mappers report, as stimuli: a `ReportDeviceStatus` is an update of the twin, answered on MQTT too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from devices.dmi.wire import dmi_pb2 as pb
from twins.digest import digest
from twins.errors import Rejected
from twins.kubeedge.address import NAME_LIMIT
from twins.kubeedge.reader import BAD_KEY, BAD_VALUE, STRICT_VALUE
from twins.kubeedge.wishes import KEY
from twins.stimuli import Edit, Refused, Reply, Seen, Stimulus, Updated
from twins.values import PROPERTIES, device_id

NO_TWINS = "ReportDeviceStatusRequest does not have twin data"
NO_STATE = "ReportDeviceStatesRequest is invalid data"

_NAME = re.compile(r"[^/+#\0]+")


def updates(request: pb.ReportDeviceStatusRequest, cause: str, now: int, *, strict: bool) -> Sequence[Stimulus]:
    """One update of all twins in the report; strict: one each. Raises `Rejected` for a report that can't be read."""
    if not request.reportedDevice.twins:
        raise Rejected(NO_TWINS)
    device = named(request.deviceNamespace, request.deviceName)
    twins = request.reportedDevice.twins
    if len(twins) > PROPERTIES:
        raise Rejected(f"the report has {len(twins)} twins, more than the {PROPERTIES} a device may have")
    for twin in twins:
        _check_sides(twin)
    if strict:
        return [_alone(device, twin, cause, now) for twin in twins]
    together = {twin.propertyName: _edit(twin) for twin in twins}
    if len(together) < len(twins):
        raise Rejected("a property is there twice: report one value of each")
    is_named = all(edit.at is not None for edit in together.values())
    seq = digest(device, request.SerializeToString(deterministic=True))
    # Where every value has its source's time, the same bytes are the same report, sent again.
    return [Updated(device, cause, now, {**together}, now, seq, is_named, reply=Reply(), named=is_named)]


def state(request: pb.ReportDeviceStatesRequest, cause: str, now: int) -> Stimulus:
    """A device says how it is. Raises `Rejected` when one of the two is not said."""
    if not request.deviceName or not request.state:
        raise Rejected(NO_STATE)
    return Seen(named(request.deviceNamespace, request.deviceName), cause, now, request.state, Reply())


def named(namespace: str, name: str) -> str:
    """The id of a device. Raises `Rejected` for a name that would not fit into a topic."""
    for part in (namespace or "default", name):
        if len(part) > NAME_LIMIT or _NAME.fullmatch(part) is None:
            reason = f"{part[:80]!r} is no name of a device: 1 to {NAME_LIMIT} characters without / + # and NUL"
            raise Rejected(reason)
    return device_id(namespace or "default", name)


def _check_sides(twin: pb.Twin) -> None:
    """EdgeCore crashes where a side is not there at all, so that is refused in both modes."""
    for side in ("observedDesired", "reported"):
        if not twin.HasField(side):
            reason = f"{twin.propertyName}: {side} is missing; send it with an empty value when there is none"
            raise Rejected(reason)


def _edit(twin: pb.Twin) -> Edit:
    if KEY.fullmatch(twin.propertyName) is None:
        raise Rejected(BAD_KEY)
    metadata = twin.reported.metadata
    observed = twin.observedDesired.value
    return Edit(twin.reported.value, kind=metadata.get("type"), at=_time(metadata), observed=observed)


def _alone(device: str, twin: pb.Twin, cause: str, now: int) -> Stimulus:
    """EdgeCore makes an MQTT update of each twin, without its metadata, and refuses it there."""
    reported, observed = twin.reported.value, twin.observedDesired.value
    if KEY.fullmatch(twin.propertyName) is None:
        return Refused(device, cause, now, 400, BAD_KEY, "twin/update", Reply(), early=True)
    if STRICT_VALUE.fullmatch(reported) is None or STRICT_VALUE.fullmatch(observed) is None:
        return Refused(device, cause, now, 400, BAD_VALUE, "twin/update", Reply(), early=True)
    edit = Edit(reported, observed or None)  # an empty one says that nothing was asked, and undoes nothing
    return Updated(device, cause, now, {twin.propertyName: edit}, now, reply=Reply())


def _time(metadata: Mapping[str, str]) -> int | None:
    """The source's time in microseconds; `None` when it gives none, or one that is none."""
    text = metadata.get("timestamp", "")
    return int(text) * 1000 if re.fullmatch(r"[0-9]{1,15}", text) else None
