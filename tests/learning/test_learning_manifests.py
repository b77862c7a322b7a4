"""Manifests of what is learned: what is meant, and what can't be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.learning.lessons import baseline, forecast
from twins.errors import Rejected


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"from": []}, "from"),
        ({"method": "magic"}, "method"),
        ({"season": "1y"}, "season"),
        ({"threshold": 0}, "threshold"),
        ({"weight": 1.5}, "weight"),
        ({"coverage": 1}, "coverage"),
        ({"history": "soon"}, "spec.history"),
        ({"history": "10s"}, "spec.history"),
        ({"minimum": 1}, "minimum"),
        ({"refit": "never"}, "spec.refit"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_baseline_that_cannot_be_meant_is_refused_with_the_field(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        baseline(**spec)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"step": "7h"}, "no part of a day"),
        ({"step": "1s"}, "spec.step"),
        ({"step": "1d", "horizon": "2d"}, "one step alone"),
        ({"horizon": "7h"}, "no multiple of step"),
        ({"step": "1m", "horizon": "1d", "history": "12d"}, "1440 steps: 336"),
        ({"leads": ["6h", "18h"]}, r"leads\[1\].* further than the horizon"),
        ({"step": "1m", "horizon": "1h", "history": "30d"}, "43200 steps: 20000"),
        ({"season": "1w", "history": "20d"}, "three seasons"),
        ({"methods": ["crystal ball"]}, "methods"),
        ({"least": 2, "most": 1}, "above most"),
        ({"schedule": "* * *"}, "five fields"),
    ],
)
def test_a_forecast_that_cannot_be_meant_is_refused_with_the_field(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        forecast(**spec)


def test_a_baseline_means_devices_of_its_namespace_and_never_what_it_makes() -> None:
    named = baseline(**{"from": [{"device": "room-*", "property": "t*"}, {"device": "*/hall", "property": "p[1]"}]})
    assert named.means("default/room-1", "t")
    assert named.means("default/room-1", "t.minute.mean")
    assert named.means("plant/hall", "p[1]")
    assert not named.means("plant/room-1", "t")
    assert not named.means("default/room-1", "t.anomaly")
    assert not named.means("default/room-1", "t.low")


def test_leads_are_written_as_they_were_given() -> None:
    assert forecast(leads=["6h", 43200]).leads == {1: "6h", 2: "43200s"}
    assert forecast().leads == {2: "12h"}
