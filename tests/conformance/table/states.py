"""How a device is."""

from __future__ import annotations

from tests.conformance.afterwards import hours_pass, watchdog_speaks
from tests.conformance.likeness import ANY, NOW, TIME, UUID, Text, starts
from tests.conformance.words import (
    ME,
    NOT_MEMBER,
    Case,
    Do,
    Say,
    answered,
    listed,
    refused,
    roster,
    state,
)

ONLINE = Text(
    {"event_id": ANY, "timestamp": NOW, "device": {"name": "$NAME", "state": "online", "lastOnlineTime": TIME}}
)
CASES = [
    Case(
        "STA-01",
        "online",
        (state("online"),),
        strict=(answered("online", UUID),),
        default=(answered("online"),),
        up=(("device/$ID/state/update", ONLINE),),
        device=("sw",),
    ),
    Case(
        "STA-02",
        "EdgeCore answers with an id of its own",
        (state("online", "a"), state("online", "b")),
        strict=(answered("online", UUID), answered("online", UUID)),
        default=(answered("online", "a"), answered("online", "b")),
    ),
    Case(
        "STA-03",
        "away, in capitals: EdgeCore forgets when the device was there last",
        (state("OFFLINE"), roster()),
        strict=(answered("OFFLINE", UUID, False), listed(ME | {"state": "OFFLINE"})),
        default=(answered("OFFLINE", online=False), listed(ME | {"state": "OFFLINE", "last_online": TIME})),
        given=(state("online"),),
    ),
    Case(
        "STA-04",
        "the other states; ok counts as online",
        (state("ok"), state("unknown"), state("unhealthy")),
        strict=(answered("ok", UUID), answered("unknown", UUID, False), answered("unhealthy", UUID, False)),
        default=(answered("ok"), answered("unknown", online=False), answered("unhealthy", online=False)),
    ),
    Case(
        "STA-05",
        "what a mapper calls offline",
        (state("disconnected"), roster()),
        strict=(listed(ME),),
        default=(answered("offline", online=False), listed(ME | {"state": "offline"})),
    ),
    *(
        Case(
            "STA-05",
            "no state",
            (state(said),),
            strict=(),
            default=(refused(400, starts(f"the state {said!r} is not one of"), topic="$D/state/update/result"),),
            variant=said or "empty",
        )
        for said in ("", "running")
    ),
    Case(
        "STA-06",
        "an unknown device",
        (Say("$D2/state/update", {"event_id": "e", "state": "online"}),),
        strict=(),
        default=(refused(404, NOT_MEMBER, topic="$D2/state/update/result"),),
    ),
    Case(
        "STA-06",
        "no JSON",
        (Say("$D/state/update", b"{{"),),
        strict=(),
        default=(refused(400, starts("Unmarshal state info failed, err: "), "", "$D/state/update/result"),),
        variant="body",
    ),
    Case(
        "STA-07",
        "the key as EdgeCore's own mapper server writes it",
        (Say("$D/state/update", {"event_id": "e", "State": "online"}),),
        strict=(answered("online", UUID),),
        default=(answered("online"),),
    ),
    Case(
        "STA-08",
        "a silent device stays what it said; by default the gateway watches it",
        (Do(hours_pass), Do(watchdog_speaks), roster()),
        strict=(listed(ME | {"state": "online", "last_online": TIME}),),
        default=(listed(ME | {"state": "unknown", "last_online": TIME}),),
        given=(state("online"),),
    ),
]
