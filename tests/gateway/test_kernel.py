from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.causes import Causes
from gateway.config import parse
from gateway.kernel import Kernel
from runtime.clock import SystemClock


def test_a_retention_that_holds_is_known_to_the_store_until_it_is_deleted(tmp_path: Path) -> None:
    config = parse(f'[store]\npath = "{tmp_path}"\n', where="test", folder=tmp_path)
    kernel = Kernel(config, SystemClock(), Causes(1))
    manifest = {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Retention",
        "metadata": {"name": "fast"},
        "spec": {"series": "default/*/vibration", "days": 2, "rollups": {"1m": 30}},
    }
    kernel.registry.learned("Retention", "default/fast", msgspec.json.encode(manifest))
    policies = kernel.store.policies
    assert policies.of("default/m-1/vibration").name == "default/fast"
    assert policies.of("default/m-1/temperature").name == ""
    kernel.registry.learned("Retention", "default/fast", None)
    assert policies.of("default/m-1/vibration").name == ""
