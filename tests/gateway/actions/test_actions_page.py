"""What the page on actions says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.actions import channel
from gateway.actions.actions import Counts
from gateway.actions.channel import Spec
from rules import lint
from rules.manifest import action
from rules.manifest.action import ACTIONS, Plain
from rules.manifest.detector import decode

TEXT = (Path(__file__).parents[3] / "docs" / "actions.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("block", BLOCKS, ids=[block["kind"] for block in BLOCKS])
def test_every_manifest_shown_can_be_applied(block: Any) -> None:
    if block["kind"] == "Channel":
        assert channel.decode(block, "page").spec.email is not None
    else:
        assert lint.faults(decode(block)) == []


def test_every_action_field_count_and_way_is_named() -> None:
    fields = {field for name in ACTIONS for field in fields_of(name)}
    names = {*(set(ACTIONS) - {"notice"}), *fields, *Counts.__struct_fields__, *Spec.__struct_fields__}
    assert [name for name in sorted(names) if f"`{name}" not in TEXT and f"_{name}`" not in TEXT] == []


def fields_of(name: str) -> tuple[str, ...]:
    """The fields of an action as manifests write them."""
    if name in action.INWARD:
        return ()
    shape = getattr(action, Plain.__annotations__[name].split(" ")[0])
    return tuple(shape.__struct_encode_fields__)
