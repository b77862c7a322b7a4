"""Asking for a twin."""

from __future__ import annotations

from tests.conformance.likeness import starts
from tests.conformance.words import Case, Say, get, got, refused, report, twin, update

CASES = [
    Case("GET-01", "no properties", (Say("$D/twin/get", {"event_id": "a", "timestamp": 1}),), (got("a"),)),
    Case("GET-02", "no event id", (Say("$D/twin/get", {}),), (got(""),)),
    Case("GET-03", "a property, without its versions", (get(),), (got(temp=twin("21")),), given=(report(temp="21"),)),
    Case(
        "GET-04",
        "an unknown device",
        (get("a", "$D2"),),
        (refused(404, "Device $ID2 not found while getting twin", "a", "$D2/twin/get/result"),),
    ),
    Case(
        "GET-05",
        "no body",
        (Say("$D/twin/get", b""),),
        (refused(400, starts("Unmarshal twin info  failed , err: "), "", "$D/twin/get/result"),),
    ),
    Case(
        "GET-06",
        "a deleted property",
        (get(),),
        (got(mode=twin("auto")),),
        given=(report(temp="21", mode="auto"), update({"temp": None}, "d")),
    ),
    Case(
        "GET-07",
        "an event id that is a number",
        (Say("$D/twin/get", {"event_id": 7}),),
        (refused(400, starts('Unmarshal twin info {"event_id": 7} failed , err: '), "", "$D/twin/get/result"),),
    ),
    Case(
        "GET-07",
        "a timestamp that is a text",
        (Say("$D/twin/get", {"event_id": "g", "timestamp": "x"}),),
        strict=(refused(400, starts("Unmarshal twin info "), "", "$D/twin/get/result"),),
        default=(refused(400, starts("Unmarshal twin info "), "g", "$D/twin/get/result"),),
        variant="timestamp",
    ),
]
