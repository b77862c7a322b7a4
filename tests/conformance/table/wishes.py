"""What a cloud of the older protocol desires."""

from __future__ import annotations

from tests.conformance.afterwards import version_of
from tests.conformance.likeness import starts
from tests.conformance.words import (
    MINE,
    SYNCED,
    Case,
    FromCloud,
    Say,
    delta,
    document,
    early,
    get,
    got,
    refused,
    report,
    twin,
    typed,
    wanted,
    wish,
)

CASES = [
    Case(
        "SYN-01",
        "a newer wish of the cloud",
        (wish(sw=wanted("on", 2, 1)),),
        (
            document("c", sw=(twin(expected="mine"), twin(expected="on"))),
            delta({"sw": "on"}, sw=twin(expected="on")),
        ),
        given=SYNCED,
        up=(),
        device=("sw",),
        check=version_of("desired", "sw", 1, 2),
    ),
    *(
        Case(
            id_,
            says,
            (wish(sw=wanted("on", *pair)),),
            strict=(delta({"sw": "mine"}, sw=twin(expected="mine")),),
            default=(),
            given=SYNCED,
            up=(MINE,),
            device=("sw",),
            check=version_of("desired", "sw", 1, 1),
            variant=variant,
        )
        for id_, says, pair, variant in (
            ("SYN-02", "an older wish hears ours", (0, 1), ""),
            ("SYN-03", "the edge is newer", (5, 0), ""),
            ("SYN-04", "a wish without a version", (), "known"),
        )
    ),
    Case("SYN-04", "of a new property", (wish(sw=wanted("on")), get()), (got(),), up=(), device=("sw",), variant="new"),
    Case(
        "SYN-04",
        "of one of which nothing is desired, which stops EdgeCore",
        (wish(sw=wanted("on")), get()),
        (got(sw=twin("off")),),
        given=(report(sw="off"),),
        up=(),
        device=("sw",),
        variant="reported",
    ),
    Case(
        "SYN-05",
        "a new property",
        (wish(sw=wanted("on", 1)),),
        (document("c", sw=(None, twin(expected="on"))), delta({"sw": "on"}, sw=twin(expected="on"))),
        up=(),
        device=("sw",),
        check=version_of("desired", "sw", 0, 1),
    ),
    Case(
        "SYN-06",
        "the cloud deletes",
        (
            wish(sw={"metadata": {"type": "deleted"}, "expected_version": {"cloud": 1, "edge": 1}}),
            get(),
        ),
        (document("c", sw=(twin(expected="mine"), None)), got()),
        given=SYNCED,
        up=(),
        device=("sw",),
    ),
    Case(
        "SYN-06",
        "a deletion older than ours",
        (
            wish(sw={"metadata": {"type": "deleted"}, "expected_version": {"cloud": 1, "edge": 0}}),
            get(),
        ),
        strict=(delta({"sw": "mine"}, sw=twin(expected="mine")), got(sw=twin(expected="mine"))),
        default=(got(sw=twin(expected="mine")),),
        given=SYNCED,
        up=(MINE,),
        device=("sw",),
        variant="older",
    ),
    Case(
        "SYN-07",
        "no type, which stops EdgeCore",
        (wish(lvl=wanted("7", 1, 0, None)), get()),
        (
            document("c", lvl=(twin("5", kind="int"), twin("5", "7", "int"))),
            delta({"lvl": "7"}, lvl=twin("5", "7", "int")),
            got(lvl=twin("5", "7", "int")),
        ),
        given=(typed("int", "5", name="lvl"),),
    ),
    Case(
        "SYN-08",
        "a body that is none: only the log tells",
        (FromCloud("device/$ID/twin/cloud_updated", {"event_id": "c"}),),
        up=(),
        device=("sw",),
    ),
    Case(
        "SYN-08",
        "the same from a local client",
        (Say("$D/twin/cloud_updated", b"not json"),),
        strict=early("unmarshal update request body failed, Please check the request"),
        default=(refused(403, starts("twin/cloud_updated is the cloud's topic"), ""),),
        variant="local",
    ),
    Case(
        "SYN-08",
        "a value that does not fit",
        (wish(k=wanted("abc", 1)), get()),
        (got(k=twin("5", kind="int")),),
        given=(typed("int", "5"),),
        variant="type",
    ),
]
