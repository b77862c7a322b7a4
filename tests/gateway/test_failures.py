"""What goes wrong at a site: each is told in words with a way out, and the rest goes on. Real processes throughout."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.crowding import crowding
from tests.gateway.process import ROOT, Gateway, Sensor, gemelo, until

NOBODY = 65534
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
RTSP = ROOT / "tests" / "devices" / "camera" / "rtsp_server.py"

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto: apt-get install mosquitto")


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


async def answered(gateway: Gateway, port: int, name: str = "pump-1") -> bool:
    """True when the gateway does its work: an update is answered and its value is there."""
    async with Sensor(port, name) as sensor:
        answer = await sensor.tell(flow="1.5")
    return "code" not in answer and gateway.reported(name, "flow") == "1.5"


def camera(name: str, source: Path | str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "gemelo.dev/v1alpha1",
            "kind": "Camera",
            "metadata": {"name": name},
            "spec": {"source": str(source), "loop": True, "fps": 5, "model": "persons"},
        }
    )


# -- ports ---------------------------------------------------------------------------------------------------------


async def test_a_taken_page_port_is_told_devices_are_heard_and_the_page_comes_when_the_port_is_free(tmp_path, taken):
    port = port_of(taken)
    with Gateway(tmp_path, web=f'listen = "127.0.0.1:{port}"') as gateway:
        gateway.spawn()
        gateway.says(rf"cannot listen on 127\.0\.0\.1:{port}: .*in use.*choose another with \[web\] listen")
        async with Sensor(gateway.broker(), "pump-1") as sensor:
            assert "code" not in await sensor.tell(flow="1.5")
        taken.close()
        assert gateway.address() == f"127.0.0.1:{port}"
        until(lambda: gateway.reported("pump-1", "flow") == "1.5")
        assert gateway.stop() == 0
        assert gateway.is_calm()


async def test_a_taken_broker_port_moves_on_to_the_next_free_one_and_says_so(tmp_path, taken):
    port = port_of(taken)
    with Gateway(tmp_path, broker=f'listen = "127.0.0.1:{port}"\nanonymous = true') as gateway:
        gateway.start()
        moved = gateway.broker()
        assert port < moved < port + 100
        gateway.says(rf"{port} is taken.*{moved}")
        assert await answered(gateway, moved)


async def test_a_taken_port_of_the_phones_is_told_and_the_rest_goes_on(tmp_path, taken):
    pytest.importorskip("grpc")
    port = port_of(taken)
    with Gateway(tmp_path, offload=f'listen = "127.0.0.1:{port}"') as gateway:
        gateway.start()
        reason = gateway.complains("phones: ")
        assert str(port) in reason
        assert "[offload] listen" in reason
        assert await answered(gateway, gateway.broker())
        assert gateway.is_calm()


async def test_an_address_that_is_not_this_machines_stops_the_broker_alone(tmp_path):
    with Gateway(tmp_path, broker='listen = "192.0.2.1:1883"') as gateway:
        gateway.start()
        reason = gateway.complains("mqtt: no port for the broker")
        assert "broker.listen" in reason
        assert gateway.rows("SELECT count(*) FROM points") == [[0]]
        assert gateway.stop() == 0
        assert gateway.is_calm()


# -- the broker ----------------------------------------------------------------------------------------------------


def mosquitto(conf: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([MOSQUITTO, "-c", str(conf)], stderr=subprocess.DEVNULL)


async def test_an_absent_broker_is_told_and_it_comes_back_by_itself_when_the_broker_starts(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port_of(probe)
    with Gateway(tmp_path, broker=f'url = "mqtt://127.0.0.1:{port}"') as gateway:
        gateway.start()
        assert "is it running, is the address right?" in gateway.complains(f"mqtt: no broker at 127.0.0.1:{port}")
        conf = tmp_path / "mosquitto.conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        broker = mosquitto(conf)
        try:
            until(lambda: "no broker" not in gateway.reasons(), 20, gateway.reasons)
            assert await answered(gateway, port)
            broker.kill()
            broker.wait(5)
            gateway.complains("no broker")
            assert gateway.ask("GET", "/livez")[0] == 200
        finally:
            broker.kill()
            broker.wait(5)
        assert gateway.is_calm()


async def test_an_unreadable_password_of_the_broker_is_told_and_the_page_goes_on(tmp_path):
    broker = 'url = "mqtt://127.0.0.1:9"\nuser = "gemelo"\npassword_file = "absent.txt"'
    with Gateway(tmp_path, broker=broker) as gateway:
        gateway.start()
        assert "password_file" in gateway.complains("mqtt: .*absent.txt")
        assert gateway.is_calm()


# -- the store -----------------------------------------------------------------------------------------------------


@pytest.fixture
def other_user() -> int:
    """A user without rights who can run the gateway; only root can become another."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to run as another user")
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    if subprocess.run([*words, sys.executable, "-m", "gateway", "--version"], cwd=ROOT, check=False).returncode:
        pytest.skip(f"user {NOBODY} may not run {sys.executable} or read {ROOT}")
    return NOBODY


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach; pytest's own is closed again by each run that begins."""
    with tempfile.TemporaryDirectory(prefix="gemelo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_store_without_the_right_to_write_ends_the_start_with_one_line_and_a_way_out(open_folder, other_user):
    store = open_folder / "store"
    store.mkdir(mode=0o755)
    with Gateway(open_folder, user=other_user, store=f'path = "{store}"') as gateway:
        gateway.spawn()
        assert gateway.wait() == 1
        assert "Permission denied" in gateway.output
        assert "give this user the right to, or set [store] path" in gateway.output
        assert gateway.is_calm()


async def test_a_broker_folder_of_another_user_is_told_and_the_rest_goes_on(open_folder, other_user):
    store = open_folder / "store"
    store.mkdir()
    os.chown(store, other_user, other_user)
    (store / "broker").mkdir(mode=0o700)  # as a run by root would have left it
    with Gateway(open_folder, user=other_user, store=f'path = "{store}"') as gateway:
        gateway.start()
        assert "Permission denied" in gateway.complains("mqtt: ")
        assert gateway.ask("GET", "/api/v1/devices") == (200, [])
        assert gateway.is_calm()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_acknowledges_nothing_says_why_and_goes_on_when_there_is_space(tmp_path, small_disk):
    filler = small_disk / "filler"
    with Gateway(tmp_path, store=f'path = "{small_disk}/store"') as gateway:
        gateway.start()
        async with Sensor(gateway.broker(), "pump-1") as sensor:
            kept = [await sensor.tell(flow=str(number)) for number in range(5)]
            fill(filler)
            pending = []
            while len(pending) < 400:  # the write-ahead log has some room of its own
                pending.append(await sensor.report(flow=str(1000 + len(pending)), note="x" * 500))
            reason = gateway.complains("store: nothing can be written: .*full", 20)
            assert "free some space, it goes on by itself" in reason
            assert gateway.ask("GET", "/readyz")[0] == 503
            assert gateway.ask("GET", "/livez")[0] == 200
            filler.unlink()
            until(lambda: gateway.ask("GET", "/readyz")[0] == 200, 20, gateway.reasons)
            answers = {}
            while len(answers) < len(pending):
                answer = await sensor.hear(deadline=20)
                answers[answer["event_id"]] = answer
            assert not any("code" in answer for answer in answers.values())
        assert len(kept) == 5
        assert gateway.stop() == 0
        gateway.start()
        stored = {row[0] for row in gateway.rows("SELECT value FROM points WHERE property = 'flow'")}
        assert stored == {float(number) for number in (*range(5), *range(1000, 1000 + len(pending)))}
        assert gateway.is_calm()


def fill(path: Path) -> None:
    """Take all the space there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 512)


async def test_a_disk_that_is_full_at_the_start_is_told_and_not_taken_for_damage(tmp_path, small_disk):
    fill(small_disk / "filler")
    with Gateway(tmp_path, store=f'path = "{small_disk}/store"') as gateway:
        gateway.spawn()
        assert gateway.wait() == 1
        assert "No space left" in gateway.output or "full" in gateway.output
        assert gateway.is_calm()


def damage(state: Path) -> None:
    """What a dying flash leaves behind."""
    with state.open("r+b") as file:
        file.write(os.urandom(8192))
    for rest in ("-wal", "-shm"):
        Path(f"{state}{rest}").unlink(missing_ok=True)


async def test_a_damaged_state_is_set_aside_told_as_an_event_and_the_gateway_starts(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.start()
        assert await answered(gateway, gateway.broker())
        gateway.stop()
        damage(tmp_path / "data" / "state.db")
        gateway.start()
        gateway.says("state.db is damaged .*: kept as state.db.damaged-1, starting with what can be read")
        events = gateway.ask("GET", "/api/v1/events")[1]
        assert [(e["severity"], "state.db.damaged-1" in e["message"]) for e in events] == [("error", True)]
        assert (tmp_path / "data" / "state.db.damaged-1").exists()
        assert await answered(gateway, gateway.broker(), "pump-2")
        assert gateway.is_calm()


async def test_a_second_gateway_on_the_same_store_is_refused_and_the_first_goes_on(tmp_path):
    (tmp_path / "second").mkdir()
    with Gateway(tmp_path) as first, Gateway(tmp_path / "second", store=f'path = "{tmp_path}/data"') as second:
        first.start()
        second.spawn()
        assert second.wait() == 1
        assert "another gateway uses this store: stop it, or set another [store] path" in second.output
        assert second.is_calm()
        assert await answered(first, first.broker())


# -- cameras -------------------------------------------------------------------------------------------------------


async def test_a_broken_and_a_missing_video_are_told_and_another_camera_goes_on(tmp_path, assets):
    pytest.importorskip("av")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video at all" * 1000)
    with Gateway(tmp_path) as gateway:
        gateway.start()
        sources = {"broken": broken, "missing": tmp_path / "none.mp4", "street": assets / "media" / "bikes.mp4"}
        gateway.apply("\n---\n".join(camera(name, source) for name, source in sources.items()))
        wanted = {"broken": "offline", "missing": "offline", "street": "online"}

        def states() -> dict[str, dict]:
            return {c["id"].removeprefix("default/"): c for c in gateway.ask("GET", "/api/v1/cameras")[1]}

        until(lambda: {n: c["state"] for n, c in states().items()} == wanted, 20, lambda: str(states()))
        told = states()
        assert str(broken) in told["broken"]["reason"]
        assert f"file missing: {tmp_path / 'none.mp4'}" in told["missing"]["reason"]
        until(lambda: states()["street"]["picture"] > 0)
        assert gateway.device("broken")["state"] == "offline"
        assert await answered(gateway, gateway.broker())
        assert gateway.is_calm()


def rtsp_server(port: int) -> tuple[subprocess.Popen[str], int]:
    """GStreamer's server; skips the test where it is not installed."""
    process = subprocess.Popen(
        ["/usr/bin/python3", str(RTSP), str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready"):
        end(process)
        pytest.skip(
            "no RTSP server: apt-get install python3-gst-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly"
        )
    return process, int(line.split()[1])


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(5)
    if process.stdout is not None:
        process.stdout.close()


async def test_an_unplugged_camera_is_told_and_comes_back_when_it_is_plugged_in(tmp_path):
    pytest.importorskip("av")
    server, port = rtsp_server(0)
    try:
        with Gateway(tmp_path) as gateway:
            gateway.start()
            gateway.apply(camera("gate", f"rtsp://127.0.0.1:{port}/ball"))
            until(lambda: gateway.device("gate").get("state") == "online", 20, lambda: gateway.output)
            end(server)
            until(lambda: gateway.device("gate")["state"] == "offline", 20, lambda: gateway.output)
            shown = gateway.ask("GET", "/api/v1/cameras")[1][0]
            assert f"rtsp://127.0.0.1:{port}/ball" in shown["reason"]
            assert await answered(gateway, gateway.broker())
            server, _ = rtsp_server(port)
            until(lambda: gateway.device("gate")["state"] == "online", 30, lambda: gateway.output)
            assert gateway.is_calm()
    finally:
        end(server)


# -- what people and devices write ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[brokr]\nlisten = "127.0.0.1:1883"', ["brokr", "broker"]),
        ('[web]\nlissten = "127.0.0.1:0"', ["web.lissten", "listen"]),
        ("[web]\nlisten = 8080", ["web.listen", "str", "int"]),
        ('[cloud]\nkind = "coudcore"', ["cloud.kind", "cloudcore"]),
        ("[web\n", ["not TOML", "line 1"]),
        ('[node]\nzone = "Europe/Nowhere"', ["node.zone", "Europe/Nowhere"]),
        ('[web]\ntoken_file = "absent"', ["web.token_file", "absent"]),
        ('[cloud]\nkind = "mqtt"\nurl = "https://127.0.0.1:1"', ["cloud.url", "mqtt"]),
    ],
)
def test_wrong_toml_ends_with_one_line_that_names_file_key_and_way_out(tmp_path, text, wanted):
    file = tmp_path / "gateway.toml"
    file.write_text(f'{text}\n[store]\npath = "{tmp_path}/data"\n' if "[store]" not in text else text)
    done = gemelo("run", "-c", str(file))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in wanted:
        assert word in done.stderr


def nested(depth: int) -> bytes:
    return b'{"event_id": "deep", "twin": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


POISON = {
    "not UTF-8": b'{"event_id": "e", "twin": {"flow": {"actual": {"value": "\xff\xfe"}}}}',
    "not JSON": b"\x00\x01\x02 {{{",
    "empty": b"",
    "NaN": b'{"event_id": "e", "twin": {"flow": {"actual": {"value": NaN}}}}',
    "deep": nested(10_000),
    "a megabyte": json.dumps({"event_id": "big", "twin": {"flow": {"actual": {"value": "x" * 1_000_000}}}}).encode(),
    "an array": b"[1, 2, 3]",
    "a twin that is a number": b'{"event_id": "e", "twin": 5}',
    "no twin": b'{"event_id": "e"}',
    "a lone surrogate": b'{"event_id": "e", "twin": {"flow": {"actual": {"value": "\\ud800"}}}}',
    "a huge number": b'{"event_id": "e", "timestamp": 1' + b"0" * 5000 + b', "twin": {}}',
}


async def test_poisoned_json_is_answered_400_on_its_own_topic_while_others_go_on(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.start()
        port = gateway.broker()
        async with Sensor(port, "bad") as bad, Sensor(port, "good") as good:
            for name, payload in POISON.items():
                await bad.send(payload)
                answer = await bad.hear()
                assert answer.get("code") == 400, (name, answer)
                assert answer["reason"], name
                assert "code" not in await good.tell(flow=str(len(payload)))
                assert gateway.reported("good", "flow") == str(len(payload)), name
            for payload in (b"\xff", nested(10_000), b'{"a": NaN}'):
                for verb in ("twin/get", "state/update"):
                    await bad.send(payload, verb)
            assert "code" not in await bad.tell(flow="1")
        assert gateway.is_calm()


async def test_poisoned_telemetry_is_left_out_and_the_next_message_is_taken(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.start()
        async with Sensor(gateway.broker(), "meter") as sensor:
            for payload in (b"\xff\xfe", b'{"t": NaN}', nested(10_000), b"{", b"x" * 300_000):
                await sensor._client.publish("gemelo/telemetry/default/meter", payload, qos=1)
            await sensor._client.publish("gemelo/telemetry/default/meter", b'{"t": 21.5}', qos=1)
            until(lambda: gateway.reported("meter", "t") == "21.5", what=lambda: gateway.output)
        assert gateway.is_calm()


async def test_a_hangup_with_a_bad_file_keeps_the_old_configuration_and_a_good_one_is_taken_up(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.start()
        good = gateway.config.read_text()
        gateway.config.write_text(good.replace("[web]", "[wbe]"))
        gateway.signal(signal.SIGHUP)
        gateway.says("not reloaded, the old configuration holds: .*wbe.*web")
        assert gateway.ask("GET", "/readyz")[0] == 200
        gateway.config.write_text(good.replace("[web]", '[web]\ntoken_file = "absent"'))
        gateway.signal(signal.SIGHUP)
        gateway.says("not reloaded, the old configuration holds: web.token_file: .*absent")
        assert gateway.ask("GET", "/readyz")[0] == 200
        gateway.config.write_text(good.replace('name = "edge-1"', 'name = "edge-2"'))
        gateway.signal(signal.SIGHUP)
        gateway.says("reloaded: node")
        until(lambda: gateway.output.count("ready: ") == 2, what=lambda: gateway.output)
        assert gateway.running
        assert gateway.is_calm()


def test_a_gateway_told_to_end_ends_within_seconds_also_while_nothing_works(tmp_path, taken):
    port = port_of(taken)
    web = f'listen = "127.0.0.1:{port}"'
    with Gateway(tmp_path, web=web, broker='url = "mqtt://127.0.0.1:9"') as gateway:
        gateway.spawn()
        gateway.says("cannot listen")
        started = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - started < 10 * crowding()
        assert gateway.is_calm()
