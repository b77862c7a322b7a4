from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, convert

from twins.errors import Rejected
from twins.schema import decode, nearest


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Thing(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class Door(Thing, frozen=True, tag="door"):
    width: Annotated[float, Meta(ge=0.1)] = 1.0


class Pump(Thing, frozen=True, tag="pump"):
    litres: int = 0
    mode: Literal["off", "slow", "fast"] | None = None


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    things: dict[str, Door | Pump] = {}
    list: tuple[Pump, ...] = ()
    colour: Colour = Colour.RED
    folder: Path | None = None
    labels: dict[str, str] = {}
    code: Annotated[str, Meta(pattern="^[A-Z]+$", description="capital letters")] | None = None


class Node(Struct, forbid_unknown_fields=True):
    next: Node | None = None
    many: dict[str, Node] = {}


def refusal(data: object) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, Site, "site.yaml")
    return caught.value.reason


def test_good_data_becomes_the_struct() -> None:
    site = decode({"name": "s", "things": {"a": {"kind": "door", "width": 2}}}, Site, "site.yaml")
    assert site == Site("s", {"a": Door(2.0)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nme": "s"}, "site.yaml: nme: no such key; did you mean name?"),
        ({"name": "s", "zzzzzz": 1}, "zzzzzz: no such key; valid: code, colour, folder, labels, list, name, things"),
        ({}, "site.yaml: name: missing"),
        ({"name": 4}, "site.yaml: name: expected str, got int"),
        ({"name": "s", "colour": "gren"}, "colour: 'gren' is not valid; did you mean green?"),
        (
            {"name": "s", "list": [{"kind": "pump"}, {"kind": "pump", "mode": "fsat"}]},
            "list[1].mode: 'fsat' is not valid; did you mean fast?",
        ),
        ({"name": "s", "list": [{"kind": "pump", "litre": 1}]}, "list[0].litre: no such key; did you mean litres?"),
        ({"name": "s", "things": {"a": {"kind": "dor"}}}, "things.a.kind: 'dor' is not valid; did you mean door?"),
        ({"name": "s", "things": {"a": {}}}, "things.a.kind: missing"),
        ({"name": "s", "things": {3: {}}}, "things: keys: expected str, got int"),
        ([], "site.yaml: the whole: expected object, got array"),
    ],
)
def test_bad_data_is_refused_with_path_reason_and_nearest_name(data: object, message: str) -> None:
    assert message in refusal(data)


def test_the_key_of_a_mapping_is_named_among_many() -> None:
    things: dict[str, Any] = {f"t{i}": {"kind": "pump", "litres": i} for i in range(100)}
    things["t67"] = {"kind": "door", "widht": 1}
    assert "things.t67.widht: no such key; did you mean width?" in refusal({"name": "s", "things": things})


def test_a_bound_is_named() -> None:
    assert "things.d.width: expected float >= 0.1" in refusal(
        {"name": "s", "things": {"d": {"kind": "door", "width": 0}}}
    )


def test_a_pattern_is_explained_in_words() -> None:
    assert refusal({"name": "s", "code": "ab"}) == "site.yaml: code: 'ab' is not capital letters"


def test_a_hook_makes_types_of_its_own() -> None:
    site = decode({"name": "s", "folder": "x"}, Site, "site.yaml", hook=lambda type_, value: type_("/root") / value)
    assert site.folder == Path("/root/x")


@pytest.mark.parametrize("depth", [400, 900, 100_000])
@pytest.mark.parametrize("chain", ["next", "many"])
def test_deep_nesting_is_refused(depth: int, chain: str) -> None:
    deep: dict[str, Any] = {"nxet": 1}
    for _ in range(depth):
        deep = {"next": deep} if chain == "next" else {"many": {"k": deep}}
    with pytest.raises(Rejected, match=r"nested too deeply|did you mean next"):
        decode(deep, Node, "deep.json")


def test_a_long_list_of_names_is_cut() -> None:
    assert nearest("q", (f"name{i:02}" for i in range(20))).endswith("name15, and 4 more")
    assert (
        nearest("default/pump-0412x", (f"default/pump-{i:04}" for i in range(10_000)))
        == "did you mean default/pump-0412?"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["door", "pump", "fast"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["name", "things", "list", "kind", "mode", "width"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_data_either_decodes_or_is_refused(data: object) -> None:
    try:
        expected = convert(data, Site)
    except ValueError:
        assert refusal(data).startswith("site.yaml: ")
    else:
        assert decode(data, Site, "site.yaml") == expected


def test_numbers_may_be_text_where_that_is_allowed() -> None:
    class Port(Struct, forbid_unknown_fields=True):
        port: int

    assert decode({"port": "502"}, Port, "x", strict=False) == Port(502)
    with pytest.raises(Rejected, match="pord: no such key; did you mean port"):
        decode({"port": "502", "pord": 1}, Port, "x", strict=False)
    with pytest.raises(Rejected, match="port: expected int"):
        decode({"port": "502"}, Port, "x")
