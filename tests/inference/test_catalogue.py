from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from inference.catalogue import Pypi, load
from twins.errors import Rejected


def test_the_default_set_is_three_models_and_two_media_from_wheels() -> None:
    defaults = load().defaults()
    assert [entry.name for entry in defaults if entry.kind == "model"] == [
        "face-yunet",
        "emotion-mini-xception",
        "person-ssdlite",
    ]
    assert [entry.name for entry in defaults if entry.kind == "media"] == ["bikes.mp4", "astronaut.png"]
    assert all(isinstance(entry.source, Pypi) for entry in defaults)


def test_every_entry_is_pinned_and_has_a_licence_and_a_file_of_its_own() -> None:
    entries = load().entries
    assert all(re.fullmatch("[0-9a-f]{64}", entry.sha256) and set(entry.sha256) != {"0"} for entry in entries)
    assert all(entry.bytes > 0 and entry.licence for entry in entries)
    assert len({entry.file for entry in entries}) == len({entry.name for entry in entries}) == len(entries)


def test_every_model_states_its_labels_size_and_contract() -> None:
    models = [entry for entry in load().entries if entry.kind == "model"]
    assert all(model.labels and model.width and model.height and model.input and model.output for model in models)


def test_every_pipeline_names_models_of_the_catalogue() -> None:
    catalogue = load()
    for recipe in catalogue.pipelines:
        assert all(catalogue.entry(name).kind == "model" for name in recipe.models)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Rejected, match="did you mean 'face-yunet'"):
        load().entry("face-yunett")
    with pytest.raises(Rejected, match="known are face-emotion, persons"):
        load().pipeline("xyz")


def test_an_unknown_key_in_a_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text("entries = []\npipelines = []\nmodels = []\n")
    with pytest.raises(msgspec.ValidationError, match="models"):
        load(path)
