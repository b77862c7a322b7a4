from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from gateway.check import as_json, check, exit_code, table
from gateway.checks.broker import broker as broker_check
from gateway.checks.finding import Finding, Machine, Subject, failure, ok, warning
from tests.crowding import crowding
from tests.mosquitto import Mosquitto

QUIET = """
[web]
listen = "127.0.0.1:{port}"
[inference]
enabled = false
[offload]
enabled = false
[dmi]
enabled = false
[broker]
listen = "127.0.0.1:0"
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def found(folder: Path, text: str, name: str, on: Machine | None = None) -> list[Finding]:
    file = folder / "gateway.toml"
    file.write_text(text)
    return [finding for finding in check(file, on=on) if finding.name == name]


@contextmanager
def listening(answer: bytes = b"") -> Iterator[int]:
    """A server that says one thing to whoever comes, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.recv(4096)
                        peer.sendall(answer)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def test_a_good_machine_passes_within_three_seconds(tmp_path: Path, port: int) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(QUIET.format(port=port))
    started = time.monotonic()
    findings = check(file)
    assert time.monotonic() - started <= 3.0 * crowding()
    assert [each for each in findings if each.verdict == "failure"] == []
    assert exit_code(findings) == 0
    assert len(findings) >= 14


def test_every_finding_that_is_not_fine_has_one_command(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[web]\nlisten = "0.0.0.0:8080"\ntoken_file = "gone"\n[store]\npath = "/proc/x"\n')
    findings = [each for each in check(file) if each.verdict != "ok"]
    assert len(findings) >= 4
    assert all(each.fix and "\n" not in each.fix for each in findings)


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        (finding,) = found(tmp_path, QUIET.format(port=port), f"port {port}")
    assert finding.verdict == "failure"
    assert f"(process {os.getpid()})" in finding.message
    assert finding.fix == f"kill {os.getpid()}"


def test_a_taken_broker_port_is_only_a_warning_for_the_next_one_is_used(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        (finding,) = found(tmp_path, f"[broker]\nlisten = '127.0.0.1:{port}'", f"port {port}")
    assert finding.verdict == "warning"


def test_an_address_of_another_machine_is_told(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "[web]\nlisten = '203.0.113.7:8080'", "port 8080")
    assert finding.verdict == "failure"
    assert "203.0.113.7:8080 is no address of this machine" in finding.message


def test_a_wrong_file_is_one_failure_and_the_machine_is_checked_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("[wbe]")
    findings = check(file)
    assert findings[0] == failure(
        "configuration",
        f"{file}: wbe: no such key; did you mean web?; the rest is checked with the defaults",
        f"${{EDITOR:-vi}} {file}",
    )
    assert len(findings) > 10


def test_without_a_file_the_defaults_are_checked() -> None:
    assert check(None)[0].verdict == "ok"


AS_NOBODY = """
import os, sys
from pathlib import Path
from gateway.check import as_json
from gateway.checks import files
from gateway.checks.broker import broker as broker_check
from gateway.checks.finding import Subject
from gateway.config import parse
config = parse(f'[store]\\npath = "{sys.argv[1]}"', where="x", folder=Path("/"))
if os.geteuid() == 0:
    os.setuid(65534)
os.environ["LOGNAME"] = "somebody"
print(as_json(list(files.data(Subject(config, Path("x"))))))
"""


@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_without_rights_the_folder_and_the_user_are_named(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=mode)
    if os.geteuid() != 0 and mode == 0o755:
        pytest.skip("needs root: the folder must belong to somebody else")
    out = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(data)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    ).stdout
    (finding,) = json.loads(out)
    assert finding["verdict"] == "failure"
    assert finding["message"].startswith("somebody may not write in /")
    assert finding["fix"] == f"sudo install -d -o somebody {data}"


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    (finding,) = found(tmp_path, "", "data folder")
    assert "is a file" in finding.message


@pytest.mark.parametrize(("mib", "verdict"), [(5, "failure"), (100, "warning"), (10_000, "ok")])
def test_a_full_disk_is_told_before_it_hurts(tmp_path: Path, mib: int, verdict: str) -> None:
    (finding,) = found(tmp_path, "", "disk", Machine(free_bytes=lambda _: mib << 20))
    assert finding.verdict == verdict


def test_data_in_memory_is_told(tmp_path: Path) -> None:
    if not os.path.ismount("/dev/shm"):
        pytest.skip("/dev/shm is no mount here")
    (finding,) = found(tmp_path, "[store]\npath = '/dev/shm/gemelo'", "file system")
    assert "in memory (tmpfs)" in finding.message


def test_a_clock_of_1970_is_told(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "", "clock", Machine(now=lambda: 86_400.0))
    assert (finding.verdict, finding.fix) == ("failure", "sudo timedatectl set-ntp true")
    assert "1970-01-02" in finding.message


def test_few_descriptors_and_absent_packages_are_told(tmp_path: Path) -> None:
    poor = Machine(
        open_files=lambda: 256, has_module=lambda name: name not in {"openvino", "amqtt"}, which=lambda _: None
    )
    (files,) = found(tmp_path, "", "open files", poor)
    (vision,) = found(tmp_path, "", "packages vision", poor)
    (broker,) = found(tmp_path, "", "mosquitto", poor)
    assert files.fix == "ulimit -n 65536"
    assert (vision.message, vision.fix) == ("openvino not installed", "pip install 'gemelo[vision]'")
    assert (broker.verdict, broker.fix) == ("failure", "sudo apt-get install mosquitto")


@pytest.mark.parametrize(
    ("broker", "verdict"),
    [
        ("", "failure"),
        ("[broker]\nanonymous = true", "warning"),
        ("[broker]\nlisten = '127.0.0.1:0'", "failure"),
    ],
)
def test_without_mosquitto_the_embedded_broker_is_for_a_try_on_loopback(
    tmp_path: Path, broker: str, verdict: str
) -> None:
    (finding,) = found(tmp_path, broker, "mosquitto", Machine(has_module=lambda _: True, which=lambda _: None))
    assert (finding.verdict, finding.fix) == (verdict, "sudo apt-get install mosquitto")


def test_a_door_to_the_network_without_tls_is_told(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "[web]\nlisten = '0.0.0.0:0'", "exposure")
    assert (finding.verdict, "no token is set" in finding.message) == ("failure", True)
    (finding,) = found(tmp_path, "[edge_api]\nenabled = true\nlisten = '0.0.0.0:0'", "exposure")
    assert (finding.verdict, "edge_api.listen" in finding.message) == ("failure", True)
    (finding,) = found(tmp_path, "[offload]\nlisten = '0.0.0.0:0'", "exposure")
    assert (finding.verdict, "set cert_file and key_file, and tokens_file" in finding.message) == ("failure", True)
    (finding,) = found(tmp_path, "[broker]\nlisten = '0.0.0.0:0'", "exposure")
    assert (finding.verdict, "without TLS" in finding.message) == ("warning", True)
    (finding,) = found(tmp_path, "[broker]\ntls_listen = '0.0.0.0:0'", "exposure")
    assert finding.verdict == "ok"


def test_a_broker_without_names_is_for_tries_and_never_for_the_network(tmp_path: Path) -> None:
    (finding, _) = found(tmp_path, "[broker]\nanonymous = true", "exposure")
    assert (finding.verdict, "any program on this machine" in finding.message) == ("warning", True)
    (finding,) = found(tmp_path, "[broker]\nlisten = '0.0.0.0:0'\nanonymous = true", "configuration")
    assert (finding.verdict, "gemelo device add" in finding.message) == ("failure", True)


def test_absent_models_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "", "models")
    assert finding.fix.startswith("gemelo model pull face-yunet")


def test_manifests_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/bad.yaml").write_text("a: [1")
    (tmp_path / "m/other.yaml").write_text("apiVersion: v1\n---\nfoo: 1\n")
    findings = found(tmp_path, "[manifests]\npaths = ['m', 'gone']", "manifests")
    messages = " | ".join(each.message for each in findings if each.verdict != "ok")
    assert "bad.yaml: while parsing" in messages
    assert "other.yaml: not a manifest" in messages
    assert "gone is not there" in messages


CAMERA = """
apiVersion: gemelo.dev/v1alpha1
kind: Camera
metadata: {{ name: {name} }}
spec: {{ source: "{source}" }}
"""


def test_camera_sources_are_looked_for(tmp_path: Path, port: int) -> None:
    with listening() as open_port:
        sources = {
            "absent": str(tmp_path / "no.mp4"),
            "file": str(tmp_path / "gateway.toml"),
            "dead": f"rtsp://u:secret@127.0.0.1:{port}/x",
            "live": f"rtsp://127.0.0.1:{open_port}/x",
            "odd": "gopher://x",
        }
        text = "---".join(CAMERA.format(name=name, source=source) for name, source in sources.items())
        (tmp_path / "cameras.yaml").write_text(text)
        file = tmp_path / "gateway.toml"
        file.write_text("[manifests]\npaths = ['cameras.yaml']")
        findings = {each.name: each for each in check(file) if each.name.startswith("camera")}
    assert {name: each.verdict for name, each in findings.items()} == {
        "camera absent": "failure",
        "camera file": "ok",
        "camera dead": "warning",
        "camera live": "ok",
        "camera": "failure",
    }
    assert "secret" not in as_json(list(findings.values()))


def test_the_cloud_that_does_not_answer_is_a_warning(tmp_path: Path, port: int) -> None:
    with listening() as open_port:
        text = f"[cloud]\nkind = 'cloudcore'\nurl = 'ws://127.0.0.1:{open_port}'\nregister_url = 'https://127.0.0.1:{port}'"
        assert [each.verdict for each in found(tmp_path, text, "cloud")] == ["ok", "warning"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "no MQTT 5 broker"),
        (b"\x20\x03\x00\x87\x00", "not authorized; see broker.user"),
        (b"\x20\x08\x00\x00\x05\x27\x00\x00\x04\x00", "takes packets of 1024 bytes at most"),
        (b"\xd0\x00", "no MQTT broker"),
    ],
)
def test_a_broker_that_will_not_do_is_told(tmp_path: Path, answer: bytes, message: str) -> None:
    with listening(answer) as open_port:
        (finding,) = found(tmp_path, f"[broker]\nurl = 'mqtt://127.0.0.1:{open_port}'", "broker")
    assert finding.verdict != "ok"
    assert message in finding.message


def test_a_broker_that_is_away_is_told(tmp_path: Path, port: int) -> None:
    (finding,) = found(tmp_path, f"[broker]\nurl = 'mqtt://127.0.0.1:{port}'", "broker")
    assert (finding.verdict, finding.fix) == ("failure", f"nc -vz 127.0.0.1 {port}")
    assert "Connection refused" in finding.message


def checked(folder: Path, *settings: str) -> dict[str, Finding]:
    """What is found about a real broker with these settings."""
    with Mosquitto(folder / "broker", "max_inflight_messages 1000", *settings) as broker:
        file = folder / "gateway.toml"
        file.write_text(f"[broker]\nurl = 'mqtt://127.0.0.1:{broker.port}'")
        return {f.name: f for f in check(file, checks=[broker_check]) if f.name.startswith("broker")}


def test_a_real_broker_passes_and_says_its_limits(tmp_path: Path) -> None:
    found = checked(tmp_path, "max_packet_size 100000", "max_topic_alias 7")
    assert {f.verdict for f in found.values()} == {"ok"}
    assert (
        "1000 in flight, packets up to 100000 bytes, QoS up to 2, retained, 7 topic aliases" in found["broker"].message
    )


@pytest.mark.parametrize(
    ("setting", "message", "fix"),
    [
        ("max_packet_size 4096", "takes packets of 4096 bytes at most", "max_packet_size 65536"),
        ("max_inflight_messages 5", "takes 5 messages unconfirmed", "max_inflight_messages 1000"),
        ("max_qos 0", "takes QoS 0 alone", "max_qos 2"),
    ],
)
def test_a_limit_of_a_broker_that_is_too_low_is_told(tmp_path: Path, setting: str, message: str, fix: str) -> None:
    found = checked(tmp_path, setting)
    assert found["broker"].verdict != "ok"
    assert message in found["broker"].message
    assert fix in found["broker"].fix


def test_a_broker_that_gives_us_no_rights_is_told(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read $hw/events/#\n")
    found = checked(tmp_path, f"acl_file {rights}")
    assert found["broker pace"].verdict == "warning"
    assert "we need to read and write $hw/events/#" in found["broker pace"].message


def test_a_broker_without_tcp_nodelay_is_told_by_what_it_costs(tmp_path: Path) -> None:
    found = checked(tmp_path, "set_tcp_nodelay false")
    assert found["broker pace"].verdict == "warning"
    assert "ms for the one before it: no TCP_NODELAY there" in found["broker pace"].message
    assert "set_tcp_nodelay true" in found["broker pace"].fix


def test_a_check_that_hangs_or_fails_does_not_hide_the_others() -> None:
    release = threading.Event()

    def hangs(_: Subject) -> Iterable[Finding]:
        release.wait(30)
        return []

    def fails(_: Subject) -> Iterable[Finding]:
        raise RuntimeError("odd")

    def works(_: Subject) -> Iterable[Finding]:
        yield ok("works", "")

    findings = check(None, checks=[hangs, fails, works], deadline=0.05)
    release.set()
    assert [(each.name, each.verdict) for each in findings[1:]] == [
        ("hangs", "failure"),
        ("fails", "failure"),
        ("works", "ok"),
    ]


def test_the_table_and_the_json_say_the_same() -> None:
    findings = [ok("a", "[x] fine"), warning("b", "look", "ls [a]"), failure("c", "wrong", "kill 1")]
    screen = io.StringIO()
    Console(width=100, file=screen).print(table(findings))
    text = screen.getvalue()
    assert "✓  a  [x] fine" in text
    assert "ls [a]" in text
    assert "1 fine, 1 to look at, 1 wrong" in text
    assert [each["verdict"] for each in json.loads(as_json(findings))] == ["ok", "warning", "failure"]
    assert exit_code(findings) == 1
    assert exit_code(findings[:2]) == 0


@pytest.mark.parametrize(
    ("make", "verdict", "words"),
    [
        (lambda folder: folder / "run" / "dmi.sock", "ok", "dmi.sock"),
        (lambda folder: folder / ("x" * 120), "failure", "at most 107"),
        (lambda folder: folder / "gateway.toml", "failure", "is no socket"),
        (lambda folder: folder / "gateway.toml" / "dmi.sock", "failure", "may not make"),
    ],
)
def test_the_socket_of_mappers_can_be_made(
    tmp_path: Path, make: Callable[[Path], Path], verdict: str, words: str
) -> None:
    (finding,) = found(tmp_path, f"[dmi]\nsocket = '{make(tmp_path)}'", "mappers")
    assert finding.verdict == verdict
    assert words in finding.message


def test_mappings_whose_topics_no_device_may_write_are_told_with_the_line_that_lets_one(tmp_path: Path) -> None:
    one = (
        "{apiVersion: gemelo.dev/v1alpha1, kind: Mapping, metadata: {name: %s}, "
        "spec: {topic: '%s', device: '%s', format: %s}}"
    )
    mappings = [
        one % ("meters", "meters/{device}", "{device}", "json"),
        one % ("agents", "telegraf/#", "{host}", "line"),
    ]
    (tmp_path / "m.yaml").write_text("\n---\n".join(mappings))
    text = "[manifests]\npaths = ['m.yaml']\n[broker]\nlisten = '127.0.0.1:0'\n"
    meters, agents = found(tmp_path, text, "mapping")
    assert (meters.verdict, meters.message) == ("ok", "default/meters: each of its devices may write its own topics")
    assert agents.verdict == "warning"
    assert "named in the message" in agents.message
    assert "nobody is let write telegraf/#; name the file in [broker] rights_file" in agents.message
    subprocess.run(agents.fix, shell=True, check=True)
    assert (tmp_path / "rights").read_text() == "user NAME\ntopic write telegraf/#\n"
    allowed = found(tmp_path, text + "rights_file = 'rights'\n", "mapping")
    assert [each.verdict for each in allowed] == ["ok", "ok"]
    assert found(tmp_path, text + "anonymous = true\n", "mapping") == []


def test_a_broker_that_loses_large_messages_is_told(tmp_path: Path) -> None:
    found = checked(tmp_path, "message_size_limit 100000")
    assert found["broker size"].verdict == "warning"
    assert "loses messages of 262144 bytes without a word" in found["broker size"].message
    assert "message_size_limit 0" in found["broker size"].fix
