"""The schema of every kind: whole, true, and with words for people."""

from __future__ import annotations

import json
import re

import pytest

from gateway.manifests.kinds import KINDS, kind_named
from gateway.manifests.schemas import schema
from twins.errors import Rejected


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_says_what_it_means(kind: str) -> None:
    silent = [
        f"{part}.{field}"
        for part, said in schema(kind)["$defs"].items()
        for field, about in said.get("properties", {}).items()
        if not about.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_in_a_schema_leads_somewhere(kind: str) -> None:
    whole = schema(kind)
    references = set(re.findall(r"#/\$defs/([\w.]+)", json.dumps(whole)))
    assert references <= whole["$defs"].keys()
    assert KINDS[kind].shape is not None


def test_a_kind_answers_to_all_of_its_names_and_no_two_kinds_share_one() -> None:
    for name, kind in KINDS.items():
        assert {kind_named(word) for word in (name, name.lower(), name.upper(), *kind.names)} == {name}
    assert kind_named("gadgets") == "gadgets"
    with pytest.raises(Rejected, match=r"no kind Devise: did you mean Device\?"):
        schema("Devise")
