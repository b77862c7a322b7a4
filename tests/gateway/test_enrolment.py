"""How devices come in and are shown out: a real gateway and its mosquitto, the command line, and devices over MQTT."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.mqtt.mosquitto import find_plugin
from tests.gateway.process import Gateway, invoke, until

BROKER = 'listen = "127.0.0.1:0"\ntls_listen = "127.0.0.1:0"'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None or find_plugin() is None:
        pytest.skip("no mosquitto with its plugin: apt-get install mosquitto")
    with Gateway(tmp_path_factory.mktemp("gateway"), broker=BROKER, twins="") as gateway:
        gateway.start()
        gateway.broker()
        yield gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def device(gateway: Gateway, *words: str) -> str:
    """What `gemelo device …` prints; in a thread, for it has a loop of its own."""
    done = await asyncio.to_thread(invoke, "device", *words, "--url", gateway.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(text: str, key: str) -> str:
    """A value that a command printed."""
    return next(line.split()[1] for line in text.splitlines() if line.startswith(f"{key}:"))


def events(gateway: Gateway, who: str) -> list[dict[str, Any]]:
    _, found = gateway.ask("GET", "/api/v1/events?count=1000")
    return [event for event in found if (event["kind"], event["object"]) == ("security", who)]


async def update(client: aiomqtt.Client, name: str) -> dict[str, Any]:
    """The answer to an update of one's own twin."""
    root = f"$hw/events/device/{name}/twin/update"
    await client.subscribe(f"{root}/result", qos=1)
    await client.publish(root, json.dumps({"event_id": "e", "twin": {"speed": {"actual": {"value": "5"}}}}), qos=1)
    answer = await anext(aiter(client.messages))
    assert isinstance(answer.payload, bytes)
    found: dict[str, Any] = json.loads(answer.payload)
    return found


def by_password(gateway: Gateway, user: str, password: str, **more: Any) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", gateway.broker(), username=user, password=password, **more)


def by_certificate(answer: dict[str, Any], key: str, folder: Path) -> aiomqtt.Client:
    context = ssl.create_default_context(cadata=answer["authority"])
    file = folder / "client.pem"
    file.write_text(answer["certificate"] + key)
    context.load_cert_chain(file)
    host, _, port = answer["broker"].rpartition(":")
    return aiomqtt.Client(host, int(port), tls_context=context, timeout=1)


async def test_a_device_that_was_added_comes_in_at_once_and_is_declared(gateway: Gateway) -> None:
    told = await device(gateway, "add", "plant/pump")
    async with by_password(gateway, said(told, "user"), said(told, "password")) as client:
        assert "code" not in await update(client, "plant/pump")
    assert "plant/pump" in await device(gateway, "list")
    assert [e["message"] for e in events(gateway, "plant/pump")] == ["it has a new password"]


async def test_one_that_has_a_credential_is_rotated_and_the_old_one_is_shown_out(gateway: Gateway) -> None:
    first = said(await device(gateway, "add", "fan"), "password")
    again = await asyncio.to_thread(invoke, "device", "add", "fan", "--url", gateway.url)
    assert again.returncode == 1
    assert "gemelo device rotate default/fan" in again.stderr
    async with by_password(gateway, "fan", first) as old:
        second = said(await device(gateway, "rotate", "fan"), "password")
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(old.messages))
    with pytest.raises(aiomqtt.MqttError):
        async with by_password(gateway, "fan", first):
            pass
    async with by_password(gateway, "fan", second) as client:
        assert "code" not in await update(client, "fan")


async def test_a_removed_device_is_cut_and_gone(gateway: Gateway) -> None:
    password = said(await device(gateway, "add", "gone"), "password")
    async with by_password(gateway, "gone", password) as client:
        await update(client, "default/gone")
        await device(gateway, "remove", "gone")
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(client.messages))
    assert "gone" not in await device(gateway, "list")
    assert gateway.ask("GET", "/api/v1/devices/default/gone")[0] == 404


async def test_a_device_deleted_by_its_manifest_loses_its_credential_too(gateway: Gateway) -> None:
    password = said(await device(gateway, "add", "deleted"), "password")
    async with by_password(gateway, "deleted", password) as client:
        assert gateway.ask("DELETE", "/api/v1/manifests/Device/default/deleted")[0] == 204
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(client.messages))


async def test_a_code_is_traded_once_for_a_password_and_what_may_be_done_with_it(gateway: Gateway) -> None:
    code = said(await device(gateway, "add", "plant/valve", "--code"), "code")
    status, got = gateway.ask("POST", "/api/v1/enrol", {"code": code})
    assert (status, got["user"]) == (200, "plant/valve")
    assert got["broker"] == f"127.0.0.1:{gateway.broker()}"
    assert "$hw/events/device/plant/valve/twin/update" in got["publish"]
    assert "$hw/events/device/plant/valve/twin/update/delta" in got["subscribe"]
    async with by_password(gateway, got["user"], got["password"]) as client:
        assert "code" not in await update(client, "plant/valve")
    assert gateway.ask("POST", "/api/v1/enrol", {"code": code})[0] == 403


async def test_a_code_and_a_signing_request_give_a_certificate_and_the_key_stays_where_it_is(
    gateway: Gateway, folder: Path
) -> None:
    code = said(await device(gateway, "add", "plant/door", "--code"), "code")
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    request = asked.public_bytes(Encoding.PEM).decode()
    status, got = gateway.ask("POST", "/api/v1/enrol", {"code": code, "request": request})
    assert status == 200
    assert "key" not in got
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    async with by_certificate(got, private, folder) as client:
        assert "code" not in await update(client, "plant/door")
        await device(gateway, "remove", "plant/door", "--keep")
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(client.messages))
    with pytest.raises(aiomqtt.MqttError):
        async with by_certificate(got, private, folder):
            pass
    assert gateway.ask("GET", "/api/v1/devices/plant/door")[0] == 200


async def test_a_certificate_comes_in_three_files_of_which_the_key_is_for_nobody_else(
    gateway: Gateway, folder: Path
) -> None:
    told = await device(gateway, "add", "plant/lamp", "--certificate", "--out", str(folder))
    got = {"broker": said(told, "broker"), **read(folder)}
    async with by_certificate(got, got["key"], folder) as client:
        assert "code" not in await update(client, "plant/lamp")


def read(folder: Path) -> dict[str, str]:
    assert (folder / "plant_lamp.key").stat().st_mode & 0o777 == 0o600
    names = {"certificate": "plant_lamp.pem", "key": "plant_lamp.key", "authority": "ca.pem"}
    return {key: (folder / name).read_text() for key, name in names.items()}


async def test_what_a_device_says_in_the_clouds_name_is_refused_and_recorded_once_a_minute(gateway: Gateway) -> None:
    password = said(await device(gateway, "add", "plant/liar"), "password")
    async with by_password(gateway, "plant/liar", password) as client:
        root = "$hw/events/device/plant/liar/twin"
        await client.subscribe(f"{root}/update/result", qos=1)
        for _ in range(20):
            await client.publish(f"{root}/cloud_updated", "{}", qos=1)
            answer = await anext(aiter(client.messages))
            assert isinstance(answer.payload, bytes)
            assert json.loads(answer.payload)["code"] == 403
    told = [e for e in events(gateway, "plant/liar") if "cloud_updated" in e["message"]]
    assert [e["severity"] for e in told] == ["warning"]
    shown = await asyncio.to_thread(invoke, "events", "--url", gateway.url, "-n", "1000")
    assert "plant/liar" in shown.stdout
    found = gateway.ask("POST", "/api/v1/sql", {"query": "SELECT count(*) FROM events WHERE object = 'plant/liar'"})
    assert found[1]["rows"] == [[2]]  # this one, and that it got a password


async def test_a_login_that_the_broker_refuses_is_recorded(gateway: Gateway) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with by_password(gateway, "plant/pump", "guessed"):
            pass
    until(lambda: [e for e in events(gateway, "broker") if "refused a login" in e["message"]])


def test_whoever_guesses_codes_is_held_off_and_recorded(gateway: Gateway) -> None:
    status = [gateway.ask("POST", "/api/v1/enrol", {"code": f"GUESS-{n}"})[0] for n in range(12)]
    assert set(status) == {403, 429}
    assert status[-1] == 429
    assert [e["message"] for e in events(gateway, "enrolment")][:1] == ["a wrong code came from 127.0.0.1"]


def test_what_cannot_be_meant_is_refused_with_a_way_out(gateway: Gateway) -> None:
    for words, hint in (
        (("add", "Plant/Pump"), "no device"),
        (("add", "a/b", "--model", "nothing"), "there is no DeviceModel a/nothing: apply it first"),
        (("add", "a/b", "--code", "--minutes", "99999"), "a code is good for up to"),
        (("rotate", "a/b"), "gemelo device add a/b"),
        (("remove", "a/b", "--keep"), "has no credential"),
    ):
        done = invoke("device", *words, "--url", gateway.url)
        assert (done.returncode, hint in done.stderr) == (1, True), done.stderr


async def test_credentials_outlive_the_gateway_and_no_secret_is_on_its_disk(tmp_path: Path) -> None:
    with Gateway(tmp_path, broker='listen = "127.0.0.1:0"', twins="") as gateway:
        gateway.start()
        gateway.broker()
        told = await device(gateway, "add", "plant/pump")
        password = said(told, "password")
        gateway.stop()
        gateway.start()
        gateway.broker()
        async with by_password(gateway, "plant/pump", password) as client:
            assert "code" not in await update(client, "plant/pump")
        assert not holding(tmp_path, password)


def holding(folder: Path, secret: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


def test_where_everybody_may_come_in_a_credential_means_nothing_and_is_refused(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.start()
        gateway.broker()
        done = invoke("device", "add", "pump", "--url", gateway.url)
        assert "[broker] anonymous = true: everybody may come in" in done.stderr
        assert "any program on this machine may command every device" in gateway.output
