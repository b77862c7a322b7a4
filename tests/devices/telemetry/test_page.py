"""docs/telemetry.md: its mappings, run on its messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from devices.telemetry.formats import cbor
from devices.telemetry.frame import BODY_LIMIT, DEPTH, FRAMES, NAME, PROPERTIES, VALUES
from devices.telemetry.manifest import Mapping, MappingSpec, PropertyMapping
from devices.telemetry.mappings import Mappings
from gateway.manifests.documents import documents_of
from twins.schema import decode
from twins.stimuli import Seen, Updated

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "telemetry.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(yaml|in|out)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_examples_report_what_the_page_says() -> None:
    said: list[str] = []
    mappings = Mappings()
    for kind, block in BLOCKS:
        if kind == "yaml":
            mappings = Mappings()
            for where, data in documents_of(block.encode()):
                mapping = decode(data, Mapping, where)
                mappings.apply(mapping.id, mapping)
        elif kind == "in":
            topic, _, body = block.partition("\n")
            said = shown(mappings, mappings.read(topic, body.encode(), "c", 1_795_255_200_000_000))
        else:
            assert said == block.splitlines()
    assert [kind for kind, _ in groupby(kind for kind, _ in BLOCKS if kind != "yaml")] == ["in", "out"] * 7


def shown(mappings: Mappings, updates: Sequence[Updated | Seen]) -> list[str]:
    lines = []
    for update in updates:
        lines.append(update.device)
        if isinstance(update, Seen):
            lines.append(f"state {update.state}")
            continue
        for name, edit in update.edits.items():
            assert edit is not None
            lines.append(f"{name} = {edit.reported} {mappings.unit(update.device, name)}".rstrip())
    return lines


def test_the_page_names_every_field_and_the_limits_of_the_code() -> None:
    fields = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)))
    assert set(fields) == {*MappingSpec.__struct_fields__, *PropertyMapping.__struct_fields__}
    limits = PAGE.partition("## Limits")[2].replace(",", "")
    for limit in (BODY_LIMIT // 1024, cbor.LIMIT // 1024, PROPERTIES, FRAMES, VALUES, NAME, DEPTH):
        assert re.search(rf"\b{limit}\b", limits), limit
