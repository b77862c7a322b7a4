"""Uploads of a whole gateway: manifests, commands, the HTTP API, events, metrics."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.gateway.process import Gateway, Sensor, invoke, until

MANIFESTS = """
apiVersion: gemelo.dev/v1alpha1
kind: Upload
metadata: {name: lake}
spec:
  select: {series: ["default/*"]}
  policy: {scheduled: {cron: "0 0 1 1 *"}}
  destination: {url: "file://FOLDER/away"}
  encryption: {keyFile: FOLDER/key}
---
apiVersion: gemelo.dev/v1alpha1
kind: Upload
metadata: {name: private}
spec:
  select: {cameras: ["default/door"]}
  policy: {never: {}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("uploading")
    key = folder / "key"
    key.write_text("ab" * 32, "ascii")
    key.chmod(0o600)
    with Gateway(folder) as gateway:
        gateway.start()
        gateway.apply(MANIFESTS.replace("FOLDER", str(folder)))
        yield gateway


def call(gateway: Gateway, *words: str) -> tuple[int, str, str]:
    done = invoke(*words, GEMELO_URL=gateway.url)
    return done.returncode, done.stdout, done.stderr


def view(gateway: Gateway, name: str = "lake") -> dict[str, Any]:
    status, told = gateway.ask("GET", f"/api/v1/uploads/default/{name}")
    assert status == 200, told
    return dict(told)


def test_a_person_sends_looks_and_opens_what_was_sent(gateway: Gateway) -> None:
    async def speak() -> None:
        async with Sensor(gateway.broker(), "pump-1") as pump, Sensor(gateway.broker(), "door") as door:
            await pump.tell(flow="12.5")
            await door.tell(**{"person.count": "3"})

    asyncio.run(speak())
    code, said, wrong = call(gateway, "upload", "lake")
    assert (code, wrong) == (0, "")
    assert said.startswith("default/lake: 2 rows in 1 objects")
    code, said, _ = call(gateway, "get", "uploads")
    assert [line.split()[:4] for line in said.splitlines()[1:]] == [
        ["default/lake", "scheduled", "idle", "2"],
        ["default/private", "never", "never", "0"],
    ]
    code, said, _ = call(gateway, "describe", "upload", "lake")
    assert "blocked: 2" in said
    assert "default/private keeps it here" in said
    (path,) = gateway.folder.glob("away/points/node=edge-1/day=*/*.parquet.enc")
    assert b"pump-1" not in path.read_bytes()
    target = gateway.folder / "open.parquet"
    words = "upload", "decrypt", str(path), "--key", str(gateway.folder / "key"), "--to-file", str(target)
    assert invoke(*words).returncode == 0
    assert {row["device"] for row in pq.read_table(target).to_pylist()} == {"pump-1"}
    assert view(gateway)["bytes"] == path.stat().st_size
    with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    assert "gemelo_uploads_rows_total 2.0" in metrics
    assert "gemelo_uploads_blocked_rows_total 2.0" in metrics
    assert "gemelo_uploads_failing 0.0" in metrics


def test_what_was_changed_or_renamed_is_not_opened(gateway: Gateway, tmp_path: Path) -> None:
    (path,) = gateway.folder.glob("away/**/*.enc")
    content = bytearray(path.read_bytes())
    key = "--key", str(gateway.folder / "key")
    other = tmp_path / f"other{path.name}"
    other.write_bytes(content)
    refused = invoke("upload", "decrypt", str(other), *key)
    assert refused.returncode == 1
    assert "in another's place" in refused.stderr
    assert invoke("upload", "decrypt", str(other), *key, "--renamed").returncode == 0
    content[-20] ^= 1
    changed = tmp_path / path.name
    changed.write_bytes(content)
    refused = invoke("upload", "decrypt", str(changed), *key)
    assert "changed, moved or cut off" in refused.stderr
    assert not changed.with_suffix("").exists()
    assert "needs --key" in invoke("upload", "decrypt", str(path)).stderr


def test_the_api_takes_spans_and_refuses_what_cannot_be(gateway: Gateway) -> None:
    run = "/api/v1/uploads/lake/run"
    status, told = gateway.ask("POST", run, {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00+01:00"})
    assert (status, told["id"]) == (202, "default/lake")
    until(lambda: view(gateway)["waiting"] == 0)
    for path, body, expected in (
        (run, {"from": "2020-01-01T00:00:00"}, 400),
        (run, {"from": "2020-01-02T00:00:00Z", "to": "2020-01-01T00:00:00Z"}, 400),
        (run, {"since": 1}, 400),
        ("/api/v1/uploads/default/lak/run", {}, 404),
        ("/api/v1/uploads/default/private/run", {}, 403),
    ):
        status, told = gateway.ask("POST", path, body)
        assert status == expected, told
    assert gateway.ask("GET", "/api/v1/uploads/default/none")[0] == 404
    events = gateway.rows("SELECT kind, object, message FROM events WHERE object = 'default/private'")
    assert events == [["security", "default/private", "api asked it to send; it says what must never go"]]
    code, _, wrong = call(gateway, "upload", "lake", "--from", "yesterday")
    assert code == 1
    assert "is no time" in wrong
    code, said, _ = call(gateway, "upload", "lake", "--from", "2h", "-o", "json")
    assert json.loads(said)["sent"]["rows"] == 0


def test_a_fault_is_told_to_whoever_asks_and_a_trouble_of_the_gateway(gateway: Gateway) -> None:
    (gateway.folder / "key").chmod(0o644)
    other = MANIFESTS.replace("FOLDER", str(gateway.folder)).partition("---")[0]
    other = other.replace("lake}", "other}").replace("/away", "/other")
    gateway.apply(other)
    code, _, wrong = call(gateway, "upload", "other", "--wait", "20")
    assert code == 3
    assert "chmod 600" in wrong
    assert "chmod 600" in gateway.complains("default/other")
    (gateway.folder / "key").chmod(0o600)
    until(lambda: view(gateway, "other")["waiting"] == 0)
    assert gateway.is_calm()


def test_a_bad_manifest_is_refused_with_its_field(gateway: Gateway) -> None:
    body = MANIFESTS.partition("---")[0].replace("0 0 1 1 *", "0 0 * *").replace("FOLDER", "")
    status, told = gateway.ask("POST", "/api/v1/manifests", body.encode(), "application/yaml")
    assert status == 400
    assert "spec.policy.scheduled.cron" in told["detail"]
