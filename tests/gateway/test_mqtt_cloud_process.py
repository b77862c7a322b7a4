"""The gateway as a process, and its cloud a broker: killed, cut, encrypted, checked."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from devices.mqtt.authority import Authority
from runtime.clock import SystemClock
from tests.cloud.mqtt.heaven import Heaven, heaven
from tests.gateway.process import Gateway, Sensor, invoke, until
from tests.mosquitto import Mosquitto, free_port

QUEUE = "max_queued_messages 100000"


def cloud(port: int, more: str = "") -> str:
    return f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\n{more}'


async def first(sensor: Sensor, **values: str) -> None:
    """The first report of a device, said until it is answered: the gateway may still be on its way to its broker."""
    while True:
        await sensor.report(**values)
        with suppress(TimeoutError):
            await sensor.hear(deadline=1.0)
            return


async def test_what_was_acknowledged_before_a_kill_reaches_the_cloud_after_it(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "cloud", QUEUE) as broker:
        async with heaven(broker.port) as far:
            with Gateway(tmp_path, cloud=cloud(broker.port)) as gateway:
                await asyncio.to_thread(gateway.start)
                async with Sensor(gateway.broker(), "d1") as sensor:
                    await first(sensor, t="0")
                    await far.until(lambda: far.reported("default/d1") == {"t": "0"})
                    shown = (await asyncio.to_thread(invoke, "cloud", "status", "--url", gateway.url)).stdout
                    assert shown.startswith("online")
                    assert "certificate" not in shown, "that is KubeEdge's"
                    broker.write_sessions()  # else the far side would have to ask for what it missed
                    broker.kill()
                    for n in range(1, 21):
                        await sensor.tell(t=str(n), u=str(n))
                gateway.signal(signal.SIGKILL)
                gateway.wait()
                broker.start()
                await asyncio.to_thread(gateway.start)
                await far.until(lambda: far.reported("default/d1") == {"t": "20", "u": "20"})
                await far.until(lambda: [s["online"] for s in far.all("edge-1/state")][-1])


async def test_requests_survive_kills_of_gateway_and_nothing_acknowledged_is_missing(tmp_path: Path) -> None:
    chance = random.Random(7)
    devices = [f"d{n}" for n in range(20)]
    with Mosquitto(tmp_path / "cloud", QUEUE) as broker:
        async with heaven(broker.port) as far:
            with Gateway(tmp_path, cloud=cloud(broker.port)) as gateway:
                await asyncio.to_thread(gateway.start)
                for device in devices:
                    async with Sensor(gateway.broker(), device) as sensor:
                        await first(sensor, t="0")
                await far.until(lambda: len(far.twins) == len(devices))
                version, newest = 0, {}
                for _ in range(3):
                    before = len(_answers(far))
                    for _ in range(100):
                        version += 1
                        device = chance.choice(devices)
                        newest[device] = version
                        for _ in range(1 + (chance.random() < 0.2)):  # now and then the same again
                            await _desire(far, device, version)
                    enough = chance.randrange(1, 60)
                    await far.until(lambda before=before, enough=enough: len(_answers(far)[before:]) >= enough)  # type: ignore[misc]
                    gateway.signal(signal.SIGKILL)
                    gateway.wait()
                    await asyncio.to_thread(gateway.start)
                await far.until(lambda: {v for v, _ in _answers(far)} == set(range(1, version + 1)))
                assert {outcome for _, outcome in _answers(far)} <= {"accepted", "known", "stale"}
                for device, v in newest.items():
                    shown = (await asyncio.to_thread(gateway.device, device))["properties"]["t"]
                    assert (shown["desired"], shown["desired_version"][1]) == (str(v), v), device
                assert gateway.is_calm()


async def test_with_a_certificate_or_a_password_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority", SystemClock())
    authority.serve(["127.0.0.1", "localhost"])
    issued = authority.issue("plant/edge-1")
    for name, text in (("ca.pem", authority.certificate), ("edge.pem", issued.certificate), ("edge.key", issued.key)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "secret").write_text("let me in\n")
    (tmp_path / "secret").chmod(0o600)
    users = tmp_path / "users"
    words = ["mosquitto_passwd", "-b", "-c", str(users), "edge-1", "let me in"]
    await asyncio.to_thread(subprocess.run, words, check=True)
    ports = free_port(), free_port()
    own = authority.folder
    server = f"cafile {tmp_path}/ca.pem\ncertfile {own}/broker.pem\nkeyfile {own}/broker.key"
    with Mosquitto(
        tmp_path / "cloud",
        "per_listener_settings true",
        "allow_anonymous true",
        f"listener {ports[0]} 127.0.0.1\n{server}\nrequire_certificate true\nuse_identity_as_username true",
        f"listener {ports[1]} 127.0.0.1\n{server}\nallow_anonymous false\npassword_file {users}",
    ) as broker:
        for folder, port, keys in (
            ("one", ports[0], f'cert_file = "{tmp_path}/edge.pem"\nkey_file = "{tmp_path}/edge.key"'),
            ("two", ports[1], f'user = "edge-1"\npassword_file = "{tmp_path}/secret"'),
        ):
            (tmp_path / folder).mkdir()
            section = f'kind = "mqtt"\nurl = "mqtts://127.0.0.1:{port}"\nca_file = "{tmp_path}/ca.pem"\n{keys}'
            async with heaven(broker.port, name=folder) as far:
                with Gateway(tmp_path / folder, cloud=section) as gateway:
                    await asyncio.to_thread(gateway.start)
                    async with Sensor(gateway.broker(), folder) as sensor:
                        await first(sensor, t="1")
                        await far.until(lambda f=folder: far.reported(f"default/{f}") == {"t": "1"})  # type: ignore[misc]
                    view = gateway.ask("GET", "/api/v1/cloud")[1]
                    assert (view["kind"], view["state"]) == ("mqtt", "connected")


def test_a_broker_that_is_away_or_refuses_is_told(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path, cloud=cloud(port, 'user = "edge-1"')) as gateway:
        gateway.start(ready=200)
        until(lambda: "Connection refused" in gateway.ask("GET", "/api/v1/cloud")[1]["reason"])
        assert gateway.ask("GET", "/api/v1/cloud")[1]["state"] in {"cut", "connecting"}


def test_the_check_looks_at_the_broker_and_its_files(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "gateway.toml").write_text(f'[cloud]\n{cloud(port)}password_file = "absent"\nuser = "edge-1"\n')
    found = invoke("check", "-c", str(tmp_path / "gateway.toml"))
    assert "twins are synchronised once it answers" in " ".join(found.stdout.split())
    assert "cloud.password_file" in found.stdout
    with Mosquitto(tmp_path / "cloud") as broker:
        (tmp_path / "gateway.toml").write_text(f"[cloud]\n{cloud(broker.port)}")
        assert f"mqtt://127.0.0.1:{broker.port}" in invoke("check", "-c", str(tmp_path / "gateway.toml")).stdout


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('kind = "mqtt"', 'cloud.url: missing; kind = "mqtt" needs an address'),
        ('kind = "mqtt"\nurl = "wss://cloud:10000"', "write mqtts://host:8883 or mqtt://host:1883"),
        ('kind = "mqtt"\nurl = "mqtt://cloud"\ntopic = "a/#"', "the beginning of topics"),
        ('kind = "mqtt"\nurl = "mqtts://cloud"\ncert_file = "a"', "cert_file and key_file go together"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(tmp_path: Path, section: str, words: str) -> None:
    (tmp_path / "gateway.toml").write_text(f"[cloud]\n{section}\n")
    found = json.loads(invoke("check", "-c", str(tmp_path / "gateway.toml"), "-o", "json").stdout)
    assert words in found[0]["message"]


async def _desire(far: Heaven, device: str, version: int) -> None:
    await far.send(
        f"edge-1/twins/default/{device}/desired", {"version": version, "properties": {"t": version}}, id=f"v{version}"
    )


def _answers(far: Heaven) -> list[tuple[int, str]]:
    """Version and outcome of each answer."""
    data = [event["data"] for topic, event, _ in far.heard if topic.endswith("/desired/ack")]
    return [(each["version"], each["properties"]["t"]["outcome"]) for each in data]
