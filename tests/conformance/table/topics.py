"""Topics: which are heard, and by whom."""

from __future__ import annotations

from tests.conformance.afterwards import intrusion_told
from tests.conformance.likeness import NOW, starts
from tests.conformance.words import (
    ME,
    ME2,
    Case,
    Say,
    delta,
    desire,
    document,
    get,
    got,
    listed,
    new,
    refused,
    report,
    result,
    roster,
    twin,
    wanted,
)

CASES = [
    Case("TOP-01", "a get is answered", (get("a"),), (got("a"),)),
    Case("TOP-02", "a namespace that EdgeCore trips over", (get("a"),), (got("a"),), namespace="dev"),
    *(
        Case("TOP-03", "and its like", (get("a"),), (got("a"),), namespace=name, variant=name)
        for name in ("d", "e", "n", "hw", "device", "events")
    ),
    Case("TOP-04", "a node that EdgeCore trips over", (roster(),), (listed(ME),), node="node"),
    Case(
        "TOP-05",
        "the older form is answered in its own; the documents come on both",
        (Say("$S/twin/update", {"event_id": "e", "twin": {"t": {"actual": {"value": "1"}}}}),),
        strict=(),
        default=(
            result(topic="$S", t=twin("1")),
            document(t=(None, twin("1"))),
            document(topic="$S", t=(None, twin("1"))),
        ),
    ),
    Case(
        "TOP-05",
        "who knows the older form alone hears what others ask",
        (desire(sw="on"),),
        given=(get(topic="$S"),),
        strict=(*new(sw=twin(expected="on")), delta({"sw": "on"}, sw=twin(expected="on"))),
        default=(
            *new(sw=twin(expected="on")),
            document(topic="$S", sw=(None, twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
            delta({"sw": "on"}, "$S", sw=twin(expected="on")),
        ),
        variant="delta",
    ),
    Case(
        "TOP-05",
        "get and state too",
        (get(topic="$S"), Say("$S/state/update", {"event_id": "e", "state": "offline"})),
        strict=(),
        default=(
            got(topic="$S"),
            (
                "$S/state/update/result",
                {"event_id": "e", "timestamp": NOW, "device": {"name": "$NAME", "state": "offline"}},
            ),
        ),
        variant="get",
    ),
    Case("TOP-06", "an unknown verb", (Say("$D/twin/foo", {"event_id": "a"}), get()), (got(),)),
    Case(
        "TOP-07",
        "attributes are not set over MQTT",
        (Say("$D/updated", {"attributes": {"a": {"value": "1"}}}), roster()),
        (listed(ME),),
    ),
    Case("TOP-08", "there is no state/get", (Say("$D/state/get", {}),)),
    Case(
        "TOP-09",
        "another node's members",
        (Say("$hw/events/node/other/membership/get", {"event_id": "m"}),),
        strict=(listed(ME),),
        default=(),
    ),
    Case("TOP-10", "whatever is published comes at QoS 1, not retained", (report(t="1"),), new(t=twin("1"))),
    Case(
        "TOP-11",
        "nobody joins by publishing that he did",
        (Say("$NODE/membership/updated", {"added_devices": [ME2], "removed_devices": None}), roster()),
        (listed(ME),),
    ),
    Case(
        "TOP-12",
        "a client speaks as the cloud",
        (Say("$D/twin/cloud_updated", {"event_id": "c", "twin": {"sw": wanted("on", 1)}}),),
        strict=(
            document("c", sw=(None, twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
        ),
        default=(refused(403, starts("twin/cloud_updated is the cloud's topic"), "c"),),
        check=intrusion_told,
    ),
]
