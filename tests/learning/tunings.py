"""A `Tuning` manifest, as tests write it."""

from __future__ import annotations

from typing import Any

from learning.tuning.manifest import Tuning
from twins.schema import decode


def body(**spec: Any) -> dict[str, Any]:
    whole = {
        "parameters": [{"device": "press", "property": "speed", "min": 0, "max": 100, "step": 1, "stride": 20}],
        "objective": {"device": "press", "property": "pieces", "goal": "maximize"},
        "settle": "10s",
        "measure": "60s",
        "budget": 3,
    }
    api = {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Tuning", "metadata": {"name": "line"}}
    return api | {"spec": whole | spec}


def tuning(**spec: Any) -> Tuning:
    return decode(body(**spec), Tuning, "test")
