"""Manifests of what is learned, and lessons, as tests write them."""

from __future__ import annotations

from typing import Any

from learning.lesson import BASELINE, Lesson, Version
from learning.manifest import Baseline, Forecast
from learning.norm import Norm
from twins.schema import decode

API = "gemelo.dev/v1alpha1"
SERIES = "default/d/t"


def baseline(name: str = "usual", **spec: Any) -> Baseline:
    whole = {"from": [{"property": "t"}], "minimum": 10} | spec
    return decode({"apiVersion": API, "kind": "Baseline", "metadata": {"name": name}, "spec": whole}, Baseline, "test")


def forecast(**spec: Any) -> Forecast:
    whole = {"device": "line-1", "property": "rate", "step": "6h", "horizon": "12h", "history": "30d"} | spec
    return decode(
        {"apiVersion": API, "kind": "Forecast", "metadata": {"name": "rate"}, "spec": whole}, Forecast, "test"
    )


def lesson(norm: Norm, number: int = 1) -> Lesson:
    return Lesson("default/usual", Version(number, 1, 2, 3, 100, norm), newest=number)


def taught(norm: Norm, number: int = 1) -> dict[str, bytes | None]:
    return {BASELINE + SERIES: lesson(norm, number).body}
