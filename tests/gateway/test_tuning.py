"""Tuning in a whole gateway: a simulated line on MQTT, a kill in the midst of a trial, people's words by commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.process import Gateway, invoke, until

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'gemelo[learning]'")
pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'gemelo[sql]'")
ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """
apiVersion: gemelo.dev/v1alpha1
kind: Tuning
metadata: {name: line}
spec:
  parameters:
  - {device: press, property: speed, min: 40, max: 120, step: 1, stride: 25}
  - {device: press, property: heat, min: 150, max: 230, step: 1}
  objective: {device: press, property: pieces, goal: maximize}
  constraints: [{device: press, property: power, most: 70}]
  mode: %s
  settle: 200ms
  measure: 2s
  budget: %d
"""
PATH = "/api/v1/tunings/default/line"


def call(gateway: Gateway, *words: str) -> Any:
    done = invoke(*words, "-o", "json", GEMELO_URL=gateway.url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def line(gateway: Gateway) -> Iterator[None]:
    words = ("-m", "simulator", "plant", "--port", str(gateway.broker()), "--every", "0.1")
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_trial_waits_for_a_person_outlives_a_kill_and_is_set_once(tmp_path: Path) -> None:
    def state(*wanted: str) -> Callable[[], dict[str, Any] | None]:
        def look() -> dict[str, Any] | None:
            (view,) = gateway.ask("GET", "/api/v1/tunings")[1] or [{"state": ""}]
            return view if view["state"] in wanted else None

        return look

    def told() -> str:
        return str(gateway.ask("GET", "/api/v1/tunings")) + str(gateway.ask("GET", PATH))

    (tmp_path / "line.yaml").write_text(MANIFEST % ("advise", 1))
    with Gateway(tmp_path) as gateway:
        gateway.start()
        with line(gateway):
            until(lambda: (gateway.ask("GET", "/api/v1/devices/default/press")[0] == 200) or None)
            applied = invoke("apply", "-f", str(tmp_path / "line.yaml"), GEMELO_URL=gateway.url)
            assert applied.returncode == 0, applied.stderr
            found = until(state("proposed"), 60, told)
            assert (found["proposed"], found["used"]) == (1, 0)
            made = call(gateway, "learn", "approve", "line", "--who", "ann")
            assert (made["state"], made["who"]) == ("measuring", "ann")
        gateway.signal(signal.SIGKILL)
        gateway.wait()
        gateway.start()
        with line(gateway):
            view = until(state("done", "stopped"), 60, told)
        assert (view["state"], view["used"], view["before"]) == ("done", 1, found["before"]), told()
        trials = gateway.ask("GET", PATH)[1]
        assert [(t["number"], t["purpose"]) for t in trials] == [(0, "start"), (1, "trial"), (2, "check")]
        assert (trials[1]["values"], trials[1]["at"]) == (made["values"], made["at"])
        said = "SELECT count(*) FROM events WHERE kind = 'tuning' AND message LIKE '%approved by ann%'"
        assert gateway.rows(said) == [[1]]
        again = invoke("learn", "approve", "line", GEMELO_URL=gateway.url)
        assert again.returncode != 0
        assert "proposes nothing now" in again.stderr
        assert [row["id"] for row in call(gateway, "learn", "list")] == ["default/line"]
