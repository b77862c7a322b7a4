"""What the documentation says of rules is so."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from rules import lint
from rules.expression import FUNCTIONS
from rules.manifest.action import Action
from rules.manifest.detector import Detector, Spec, decode
from twins import bound

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_rule_shown_can_be_applied(block):
    assert lint.faults(decode(yaml.safe_load(block))) == []


def test_every_field_action_and_function_is_named():
    fields = {field.encode_name for struct in (Action, Spec) for field in msgspec.structs.fields(struct)}
    names = {*fields, *FUNCTIONS} - {"description"}
    assert [name for name in sorted(names) if f"`{name}" not in TEXT] == []


def test_the_limits_are_those_of_the_code():
    for limit in (bound.LONGEST_SOURCE, bound.DEEPEST_BRACKET, bound.DEEPEST_MACRO, bound.HIGHEST_COST):
        assert f"{limit:,}" in TEXT
    assert all(f"`{name}`" in TEXT for name in bound.REFUSED)


def test_the_manifest_has_a_schema():
    schema = msgspec.json.schema(Detector)
    assert schema["$defs"]["Transition"]["properties"]["for"]["default"] is None
    assert schema["$defs"]["Spec"]["additionalProperties"] is False
