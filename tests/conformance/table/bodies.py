"""Bodies that are bad in themselves, and what a value may be."""

from __future__ import annotations

from tests.conformance.likeness import starts
from tests.conformance.words import (
    BAD_BODY,
    BAD_KEY,
    BAD_VALUE,
    NO_TWIN,
    Case,
    Say,
    early,
    get,
    got,
    new,
    refused,
    report,
    twin,
    update,
)


def _bad(id_: str, says: str, body: object, reason: object, event: str = "", variant: str = "") -> Case:
    """A body that EdgeCore refuses early."""
    return Case(
        id_,
        says,
        (Say("$D/twin/update", body), get()),
        strict=(*early(reason), got()),
        default=(refused(400, reason, event), got()),
        variant=variant,
    )


def _odd_value(id_: str, value: str, variant: str) -> Case:
    """A value that EdgeCore's alphabet does not have."""
    return Case(
        id_,
        "any text is a value here",
        (report(k=value),),
        strict=early(BAD_VALUE),
        default=new(k=twin(value)),
        variant=variant,
    )


def _one(twin_: object) -> dict[str, object]:
    return {"event_id": "e", "twin": {"k": twin_}}


LONG_KEY, KEY = "k" * 129, "k" * 128
SAMPLE = "AZaz09-_.,:/@#"
CASES = [
    _bad("ERR-01", "no JSON", b"not json", BAD_BODY, variant="text"),
    _bad("ERR-01", "nothing", b"", BAD_BODY, variant="nothing"),
    _bad("ERR-01", "a list", [1], BAD_BODY, variant="list"),
    _bad(
        "ERR-01",
        "no UTF-8",
        b'{"event_id":"e","twin":{"k":{"actual":{"value":"\xff"}}}}',
        BAD_BODY,
        "e",
        variant="utf-8",
    ),
    _bad("ERR-01", "too deep", b'{"twin":' * 5000, BAD_BODY, variant="deep"),
    _bad("ERR-02", "no twin", {"event_id": "e"}, NO_TWIN, "e"),
    _bad("ERR-02", "a twin of null", {"event_id": "e", "twin": None}, NO_TWIN, "e", variant="null"),
    _bad("ERR-03", "a key with a blank", {"event_id": "e", "twin": {"a b": {"actual": {"value": "1"}}}}, BAD_KEY, "e"),
    _bad("ERR-04", "a key of 129", {"event_id": "e", "twin": {LONG_KEY: {"actual": {"value": "1"}}}}, BAD_KEY, "e"),
    Case(
        "ERR-04",
        "a key of 128",
        (update({KEY: {"actual": {"value": "1"}}}),),
        new(**{KEY: twin("1")}),
        variant="128",
    ),
    _odd_value("CHR-01", '{"a":1}', ""),
    Case("CHR-02", "512 characters", (report(k="v" * 512),), new(k=twin("v" * 512))),
    _odd_value("CHR-02", "v" * 513, "513"),
    Case(
        "CHR-02",
        "more than our own limit",
        (report(k="ü" * 8193),),
        strict=early(BAD_VALUE),
        default=(refused(400, "the value of k has 8193 characters, more than the 8192 allowed"),),
        variant="8193",
    ),
    *(_odd_value("CHR-03", value, value) for value in ("a b", "50%", "a=b", "a+b", "ä")),
    Case("CHR-04", "EdgeCore's alphabet", (report(k=SAMPLE),), new(k=twin(SAMPLE))),
    Case(
        "ERR-05",
        "a number for a text",
        (update({"k": {"actual": {"value": 21}}}),),
        strict=early(BAD_BODY),
        default=new(k=twin("21")),
    ),
    Case(
        "ERR-05",
        "true for a text",
        (update({"k": {"actual": {"value": True}}}),),
        strict=early(BAD_BODY),
        default=new(k=twin("true")),
        variant="true",
    ),
    *(
        Case(
            "ERR-06",
            "what stops EdgeCore for minutes is refused, and nobody else notices",
            (Say("$D/twin/update", _one(said)), get(), get("other", "$D2")),
            (
                refused(400, "value is missing"),
                got(),
                refused(404, "Device $ID2 not found while getting twin", "other", "$D2/twin/get/result"),
            ),
            variant=variant,
        )
        for variant, said in {
            "actual": {"actual": {}},
            "null": {"actual": {"value": None}},
            "expected": {"expected": {}},
            "time": {"actual": {"metadata": {"timestamp": 1}}},
        }.items()
    ),
    Case(
        "ERR-07",
        "a body of more than 256 KiB",
        (Say("$D/twin/update", b'{"event_id":"e","twin":{}}' + b" " * 262_144), get()),
        (refused(400, starts("the body has 262170 bytes, more than the 262144 allowed"), ""), got()),
    ),
]
