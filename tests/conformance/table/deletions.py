"""Deleting properties."""

from __future__ import annotations

from tests.conformance.afterwards import starts_anew, version_of
from tests.conformance.likeness import ANY
from tests.conformance.words import (
    Case,
    Do,
    delta,
    desire,
    document,
    edge,
    get,
    got,
    new,
    refused,
    report,
    result,
    twin,
    typed,
    update,
    versioned,
)

CASES = [
    Case(
        "DEL-01",
        "a property is deleted",
        (update({"temp": None}),),
        (result(temp=None), document(temp=(twin("21"), None))),
        given=(report(temp="21"),),
        up=(edge(temp=versioned(twin(kind="deleted"), (0, 2))),),
        device=("temp",),
    ),
    Case(
        "DEL-02",
        "and shown nowhere",
        (get(), desire("e2", lvl="2")),
        (got(), *new("e2", lvl=twin(expected="2")), delta({"lvl": "2"}, lvl=twin(expected="2"))),
        given=(desire(temp="21"), update({"temp": None}, "d")),
    ),
    Case(
        "DEL-03",
        "it comes back, and its version goes on",
        (report(temp="1"),),
        new(temp=twin("1")),
        given=(typed("int", "21", name="temp"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 3),
    ),
    Case(
        "DEL-03",
        "with another type",
        (typed("float", "1.5", name="temp"),),
        new(temp=twin("1.5", kind="float")),
        given=(report(temp="21"), update({"temp": None}, "d")),
        variant="type",
    ),
    Case(
        "DEL-04",
        "one that can't be deleted",
        (update({"k": None}), get()),
        strict=(result(), got(k=twin("1", optional=False))),
        default=(
            refused(409, "k is not optional: it can't be deleted"),
            got(k=twin("1", optional=False)),
        ),
        given=(update({"k": {"actual": {"value": "1"}, "optional": False}}),),
    ),
    Case(
        "DEL-05",
        "one that was never there",
        (update({"k": None}),),
        strict=(result(), document(k=(None, None))),
        default=(result(),),
    ),
    Case(
        "DEL-06",
        "one that was never there, beside a value: EdgeCore's order is chance, ours takes the value",
        (update({"nope": None, "temp": {"actual": {"value": "5"}}}),),
        strict=(
            result(temp=twin("5")),
            document(temp=(None, twin("5")), nope=(None, None)),
        ),
        default=new(temp=twin("5")),
    ),
    Case(
        "DEL-07",
        "a deleted one again",
        (update({"temp": None}),),
        strict=(result(), document(temp=(ANY, None))),
        default=(result(),),
        given=(report(temp="21"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 2),
    ),
    Case(
        "DEL-08",
        "a restart forgets neither the deletion nor the version",
        (Do(starts_anew), get(), report(temp="1")),
        (got(mode=twin("auto")), *new(temp=twin("1"))),
        given=(report(temp="21", mode="auto"), update({"temp": None}, "d")),
        check=version_of("reported", "temp", 3),
    ),
]
