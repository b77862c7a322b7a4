"""Which devices there are."""

from __future__ import annotations

from tests.conformance.afterwards import starts_anew
from tests.conformance.likeness import NOW, TIME, starts
from tests.conformance.words import (
    ME,
    ME2,
    Case,
    Do,
    FromCloud,
    Say,
    get,
    got,
    joined,
    left,
    listed,
    members,
    refused,
    report,
    roster,
    twin,
)

A = {"a": {"value": "1"}}
B = {"b": {"value": "2", "optional": False, "metadata": {"type": "int"}}}
OBJECT = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "$NAME2", "namespace": "default", "uid": "u-$NAME2", "resourceVersion": "7"},
    "spec": {"deviceModelRef": {"name": "model"}, "nodeName": "n1", "properties": [{"name": "sw"}]},
}
CASES = [
    Case("MEM-01", "the members", (roster(),), (listed(ME),)),
    Case(
        "MEM-01",
        "with all that is known of them",
        (roster(),),
        (listed(ME2 | {"description": "text", "state": "online", "last_online": TIME, "attributes": A}),),
        given=(
            members([ME2 | {"description": "text", "attributes": A}]),
            Say("$D2/state/update", {"event_id": "e", "state": "online"}),
            Say("$D2/twin/update", {"event_id": "e", "twin": {"k": {"actual": {"value": "1"}}}}),
        ),
        device="absent",
        variant="full",
    ),
    Case("MEM-02", "no members", (roster(),), (listed(),), device="absent"),
    Case(
        "MEM-03",
        "no body",
        (Say("$NODE/membership/get", b""),),
        (refused(400, starts("Unmarshal get membership info  failed , err: "), "", "$NODE/membership/get/result"),),
    ),
    Case("MEM-04", "a device is added", (members([ME2]), roster()), (joined(ME2), listed(ME, ME2)), up=()),
    Case("MEM-05", "two are added", (members([ME, ME2]),), (joined(ME), joined(ME2)), device="absent"),
    Case(
        "MEM-06",
        "a device is removed",
        (members(None, [ME]), get(), roster()),
        (
            left(ME),
            refused(404, "Device $ID not found while getting twin", "g", "$D/twin/get/result"),
            listed(),
        ),
        given=(report(k="1"),),
    ),
    Case("MEM-07", "one that is no member is removed", (members(None, [ME2]), roster()), (listed(ME),)),
    Case(
        "MEM-08",
        "a member is added again, as after a restart of the cloud: EdgeCore sends a 400 to nobody's request",
        (members([ME]), roster(), get()),
        (),
        strict=(listed(ME | {"attributes": A}), got(k=twin("1"))),
        default=(listed(ME | {"attributes": A, "state": "online"}), got(k=twin("1"))),
        given=(members([ME | {"attributes": A}]), report(k="1")),
    ),
    Case(
        "MEM-09",
        "the whole list of an old cloud",
        (FromCloud("membership/detail", {"event_id": "x", "timestamp": 1, "devices": [ME]}), roster()),
        (left(ME2), listed(ME)),
        given=(members([ME2]),),
    ),
    Case(
        "MEM-10",
        "attributes",
        (members([ME2 | {"attributes": A}]), roster()),
        (
            ("$D2/updated", {"event_id": "", "timestamp": NOW, "attributes": A}),
            joined(ME2 | {"attributes": A}),
            listed(ME2 | {"attributes": A}),
        ),
        device="absent",
    ),
    Case(
        "MEM-10",
        "other attributes of a member",
        (members([ME | {"attributes": A | B}]), Do(starts_anew), roster()),
        (
            ("$D/updated", {"event_id": "", "timestamp": NOW, "attributes": B}),
            listed(ME | {"attributes": A | B}),
        ),
        given=(members([ME | {"attributes": A}]),),
        variant="changed",
    ),
    Case(
        "MEM-11",
        "a device that a reconciling cloud sends as an object alone",
        (FromCloud("default/device/$NAME2", OBJECT, "resource", "update", "edgecontroller"), roster()),
        (joined(ME2), listed(ME, ME2)),
    ),
]
