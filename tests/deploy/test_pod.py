"""The DaemonSet's process as a container has it: its user, a read-only root, its volumes, its probes, its end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.mqtt.mosquitto import find_mosquitto
from tests.deploy.kustomization import DEPLOY, built
from tests.deploy.pod import USER, Pod
from tests.gateway.process import until

NODE = "node-7.example.internal"

DEVICE = """
import os, ssl
import paho.mqtt.client as mqtt

os.chdir("/run/gemelo")
TOPIC = "$hw/events/device/default/gate/twin/update"
heard = []
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.tls_set("ca.pem", "default_gate.pem", "default_gate.key", tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_connect = lambda *_: client.subscribe(TOPIC + "/result", 1)
client.on_subscribe = lambda *_: client.publish(TOPIC, '{"twin": {"open": {"actual": {"value": "true"}}}}', 1)
client.on_message = lambda _, __, message: (heard.append(message.payload), client.disconnect())
client.connect("127.0.0.1", 8883)
client.loop_forever()
print(heard[0].decode())
"""
"""A device with its certificate, at the door that the DaemonSet opens: says what it hears."""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    pod = Pod(tmp_path, built(DEPLOY / "mine"), NODE)
    yield pod
    pod.close()


def test_it_gets_ready_serves_and_ends_in_order_with_a_read_only_root_and_no_rights(pod: Pod, tmp_path: Path) -> None:
    pod.start()
    until(lambda: pod.probe("readiness").returncode == 0, deadline=30, what=lambda: pod.output)
    assert pod.probe("startup").returncode == pod.probe("liveness").returncode == 0
    assert "uid=10001 gid=10001 groups=10001" in pod.run("id").stdout
    assert "Read-only file system" in pod.run("touch", "/var/x", "/etc/gemelo/config/x", "/usr/x").stderr

    assert pod.memory() < 96 << 20, "what the DaemonSet requests"
    assert "default/gate" in pod.gemelo("get", "devices", "-o", "name").stdout
    assert f'"{NODE}"' in pod.gemelo("sql", "-o", "json", "select node from nodes").stdout
    told = pod.gemelo("device", "add", "gate", "--certificate", "--out", "/run/gemelo")
    assert told.returncode == 0, told.stderr
    answer = pod.run(sys.executable, "-c", DEVICE)
    assert '"open"' in answer.stdout, answer.stderr
    assert "open" in pod.gemelo("describe", "device", "gate").stdout
    assert re.search("cloud offline: the token is not", pod.output), pod.output

    assert pod.end() == 0, pod.output
    assert "Traceback" not in pod.output
    owners = {path.lstat().st_uid for path in (tmp_path / "data").rglob("*")}
    assert owners == {USER}


def test_a_probe_fails_and_says_why(pod: Pod) -> None:
    pod.start()
    until(lambda: pod.probe("liveness").returncode == 0, deadline=30, what=lambda: pod.output)
    refused = pod.run("bash", str(DEPLOY / "probe"), "/absent")
    assert refused.returncode == 1
    assert "HTTP 404" in refused.stdout
    nobody = pod.run("env", "GEMELO_PORT=9", "bash", str(DEPLOY / "probe"), "/livez")
    assert nobody.returncode == 1
    assert re.search("refused", nobody.stdout)


def test_the_configuration_passes_the_check_within(pod: Pod) -> None:
    """`gemelo check` as the container's arguments, so that its doors are free."""
    pod.args = ["check", "-c", pod.args[2]]
    pod.start()
    assert pod.wait() == 0, pod.output
    assert "✗" not in pod.output
