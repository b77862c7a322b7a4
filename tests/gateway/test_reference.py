from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import Config, parse
from gateway.reference import example, files, keys, table, toml


def test_every_key_has_a_meaning_and_a_type() -> None:
    known = list(keys())
    assert {key.section for key in known} == set(Config.__struct_fields__)
    assert all(key.text.endswith(".") and key.type for key in known)


def test_the_table_shows_every_key() -> None:
    text = table()
    for key in keys():
        assert f"| `{key.name}` |" in text.partition(f"## [{key.section}]")[2]


def test_the_example_with_every_default_uncommented_is_the_default_configuration() -> None:
    text = re.sub(r"^#(\w+ = (?!…))", r"\1", example({}), flags=re.MULTILINE)
    assert text.count(" = ") > 30
    assert parse(text, where="example", folder=Path("/x")) == parse("", where="empty", folder=Path("/x"))


def test_given_values_stand_in_the_example_uncommented() -> None:
    text = example({"store.path": "/srv/data", "node.labels": {"a": "b"}})
    config = parse(text, where="example", folder=Path("/x"))
    assert config.store.path == Path("/srv/data")
    assert config.node.labels == {"a": "b"}


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (1.5, "1.5"), ('a"b', '"a\\"b"'), ((), "[]"), (None, "")])
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml(value) == text


def test_the_files_in_the_repository_are_current() -> None:
    for path, text in files().items():
        assert path.read_text("utf-8") == text, "run `make docs`"
