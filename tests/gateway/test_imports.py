"""An idle gateway stays small: what it has not been asked for is not loaded. Looked at in a real process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOM = 45
"""Seconds for the process to start, look and end; a busy machine needs some."""
HEAVY = {"numpy", "pyarrow", "duckdb", "sqlglot", "openvino", "av", "PIL", "pymodbus", "statsmodels"}
ON_DEMAND = {
    "promql_parser",
    "obstore",
    "cronsim",
    "grpc",
    "google.protobuf",
    "transitions",
    "cel",
    "rich",
    "cryptography",
    "amqtt",
    "cbor2",
    "jsonpatch",
}

# Runs `gemelo run` as the command does, and ends it when the gateway is ready and its MQTT door open.
_LOOK = """
import asyncio, json, os, signal, sys
from gateway import cli, doors
ready = doors.Doors.open

def look(self):
    ready(self)
    asyncio.get_running_loop().call_later(float(os.environ["LOOK_AFTER"]), tell)

def tell():
    print(json.dumps(sorted(sys.modules)), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

doors.Doors.open = look
sys.argv = ["gemelo", "run", *sys.argv[1:]]
cli.main()
"""
_RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: hot}
spec:
  inputs: {temperature: {property: temperature}}
  initial: Normal
  states: {Normal: {onInput: {transitions: [{to: Hot, when: temperature > 30.0}]}}, Hot: {}}
"""


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Modules of a gateway with twins, MQTT, store and page, and nothing else to do."""
    return _modules(tmp_path_factory.mktemp("idle"), "[offload]\nenabled = false\n[dmi]\nenabled = false\n")


@pytest.mark.parametrize("package", sorted(HEAVY | ON_DEMAND))
def test_an_idle_gateway_has_not_loaded(idle: set[str], package: str) -> None:
    assert not {name for name in idle if name == package or name.startswith(f"{package}.")}


def test_an_idle_gateway_has_loaded_what_it_runs_on(idle: set[str]) -> None:
    assert {"mqtt5", "aiosqlite", "aiohttp", "msgspec", "uvloop"} <= idle


def test_a_rule_brings_the_state_graphs_and_cel_and_nothing_heavier(tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text(_RULE, "utf-8")
    rules = '[offload]\nenabled = false\n[dmi]\nenabled = false\n[manifests]\npaths = ["rule.yaml"]\n'
    loaded = _modules(tmp_path, rules)
    assert {"transitions", "cel"} <= loaded
    assert not loaded & (HEAVY | {"grpc"})


def test_a_query_brings_nothing_and_its_expressions_cel(tmp_path: Path) -> None:
    query = "{apiVersion: gemelo.dev/v1alpha1, kind: Query, metadata: {name: q%s}, spec: {from: [{property: t}], %s}}"
    window = "window: {tumbling: 1m}, aggregates: [mean, p95]"
    (tmp_path / "query.yaml").write_text(query % ("", window), "utf-8")
    parts = '[offload]\nenabled = false\n[dmi]\nenabled = false\n[manifests]\npaths = ["query.yaml"]\n'
    assert not _modules(tmp_path, parts) & (HEAVY | ON_DEMAND)
    (tmp_path / "query.yaml").write_text(query % ("2", f"where: value > 0.0, {window}"), "utf-8")
    loaded = _modules(tmp_path, parts)
    assert "cel" in loaded
    assert not loaded & (HEAVY | {"grpc", "transitions"})


def test_sparkplug_brings_protobuf_when_a_node_speaks_and_not_before(tmp_path: Path) -> None:
    manifest = "{apiVersion: gemelo.dev/v1alpha1, kind: Sparkplug, metadata: {name: plant}}"
    (tmp_path / "plant.yaml").write_text(manifest, "utf-8")
    paths = '[offload]\nenabled = false\n[dmi]\nenabled = false\n[manifests]\npaths = ["plant.yaml"]\n'
    loaded = _modules(tmp_path, paths)
    assert "gateway.sparkplug" in loaded
    assert not {name for name in loaded if name.startswith("google.protobuf")}


def test_the_door_for_phones_brings_grpc_and_nothing_heavier(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="gRPC is not installed: the extra `offload`")
    loaded = _modules(tmp_path, f'[dmi]\nenabled = false\n[offload]\nlisten = "127.0.0.1:{_free_port()}"\n')
    assert "grpc" in loaded
    assert not loaded & (HEAVY | {"transitions", "cel"})


def test_the_door_for_mappers_brings_grpc_and_nothing_heavier(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="gRPC is not installed: the extra `dmi`")
    loaded = _modules(tmp_path, '[offload]\nenabled = false\n[dmi]\nsocket = "dmi.sock"\n')
    assert "grpc" in loaded
    assert not loaded & (HEAVY | {"transitions", "cel"})


def _modules(folder: Path, sections: str) -> set[str]:
    broker, page = _free_port(), _free_port()
    (folder / "gateway.toml").write_text(
        f'[broker]\nlisten = "127.0.0.1:{broker}"\nanonymous = true\n[web]\nlisten = "127.0.0.1:{page}"\n{sections}',
        "utf-8",
    )
    command = [sys.executable, "-c", _LOOK, "-c", str(folder / "gateway.toml")]
    done = subprocess.run(
        command, cwd=ROOT, env={"LOOK_AFTER": "0.5"}, capture_output=True, text=True, check=False, timeout=ROOM
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
