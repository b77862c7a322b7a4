"""SIGHUP: what changed in the file is taken up, and only the parts it concerns start again."""

from __future__ import annotations

import asyncio
import signal
import socket
import urllib.request
from pathlib import Path

import aiomqtt
import pytest

from devices.mqtt.mosquitto import find_mosquitto
from devices.mqtt.rights import password_line
from tests.gateway.process import Gateway, until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metric(address: str, name: str) -> float | None:
    """A figure of `/metrics`; `None` while nobody answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)


def test_a_new_address_of_the_page_moves_the_page_alone(tmp_path: Path) -> None:
    connects = "gemelo_link_connects_total"
    with Gateway(tmp_path) as gateway:
        gateway.start()
        until(lambda: metric(gateway.address(), connects) == 1.0)
        new = f"127.0.0.1:{free_port()}"
        text = gateway.config.read_text()
        gateway.config.write_text(text.replace('[web]\nlisten = "127.0.0.1:0"', f'[web]\nlisten = "{new}"'))
        gateway.signal(signal.SIGHUP)
        gateway.says("reloaded: web")
        until(lambda: metric(new, "gemelo_ready") == 1.0, what=lambda: gateway.output)
        assert metric(new, connects) == 1.0
        assert gateway.output.count("ready: ") == 1


def test_a_door_is_opened_and_closed_by_a_reload(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.start()
        closed = gateway.config.read_text()
        opened = closed.replace("[offload]\nenabled = false", f'[offload]\nlisten = "127.0.0.1:{free_port()}"')
        gateway.config.write_text(opened)
        gateway.signal(signal.SIGHUP)
        gateway.says("phones are served on")
        gateway.config.write_text(closed)
        gateway.signal(signal.SIGHUP)
        until(lambda: gateway.output.count("reloaded: offload") == 2, what=lambda: gateway.output)
        assert gateway.ask("GET", "/readyz")[0] == 200
        assert gateway.is_calm()


def test_a_new_manifest_holds_after_a_reload(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    with Gateway(tmp_path, manifests=f'paths = ["{folder}"]') as gateway:
        gateway.start()
        (folder / "pump.yaml").write_text(
            "apiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: {name: pump-9}\nspec: {}\n"
        )
        gateway.signal(signal.SIGHUP)
        gateway.says("device/default/pump-9 created")
        assert gateway.ask("GET", "/api/v1/devices/default/pump-9")[0] == 200


async def logs_in(port: int, user: str) -> bool:
    try:
        async with aiomqtt.Client("127.0.0.1", port, username=user, password="secret", timeout=5):
            return True
    except aiomqtt.MqttError:
        return False


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_a_changed_users_file_holds_after_a_reload_and_an_unfit_one_does_not(tmp_path: Path) -> None:
    users, port = tmp_path / "users", free_port()
    users.write_text("")
    with Gateway(tmp_path, broker=f'listen = "127.0.0.1:{port}"\nusers_file = "users"') as gateway:
        gateway.start()
        until(lambda: metric(gateway.address(), "gemelo_link_connects_total") == 1.0)
        assert not asyncio.run(logs_in(port, "d1"))
        users.write_text(password_line("d1", "secret", b"salt" * 3) + "\n")
        gateway.signal(signal.SIGHUP)
        until(lambda: asyncio.run(logs_in(port, "d1")), what=lambda: gateway.output)
        users.write_text(password_line("gemelo", "secret", b"salt" * 3) + "\n")
        gateway.signal(signal.SIGHUP)
        gateway.says("not reloaded, the old configuration holds")
        assert asyncio.run(logs_in(port, "d1"))
        assert metric(gateway.address(), "gemelo_link_connects_total") == 1.0
