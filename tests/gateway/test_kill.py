"""The gateway is killed while devices report, and nothing that it answered is missing or there twice.

The oracle is the devices' own record against what is read back over HTTP; the gateway's counters are not asked.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benches.startup import fill
from tests.crowding import crowding
from tests.gateway.process import until
from tests.gateway.service import DEADLINE, Process
from tests.mosquitto import Mosquitto

DEVICES = 64
RATE = 800.0
FLOW = 500.0
"""Answers a second without which a kill would prove little."""
READY = 3.0
END = 3.0
ENROL = "[twins]\nenrol = true\n"


class Load:
    """Devices that report, in a process of their own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def finish(self) -> None:
        """Begin nothing new, and wait until everything is answered."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(DEADLINE) == 0

    def answered(self) -> dict[str, int]:
        """How many reports of each device were answered up to now."""
        return Counter(device for _, what, device, _ in self.record() if what == "done")

    def record(self) -> list[tuple[float, str, str, int]]:
        lines = (line.split() for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n"))
        return [(float(at), what, f"default/{device}", int(number)) for at, what, device, number in lines]

    def rates(self, moments: list[float]) -> list[int]:
        """Answers in the half second before each of these moments, in one second."""
        done = [at for at, what, _, _ in self.record() if what == "done"]
        return [2 * sum(moment - 0.5 <= at < moment for at in done) for moment in moments]


@contextmanager
def load(port: int, log: Path, rate: float = RATE) -> Iterator[Load]:
    script = Path(__file__).with_name("load.py")
    process = subprocess.Popen([sys.executable, str(script), str(port), str(DEVICES), str(rate), str(log)])
    try:
        assert until(log.exists)
        yield Load(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def check(gateway: Process, record: list[tuple[float, str, str, int]]) -> None:
    """The devices' record against the store and the twins."""
    sent = Counter(device for _, what, device, _ in record if what == "sent")
    done = Counter(device for _, what, device, _ in record if what == "done")
    assert done == sent, "unanswered or answered twice"
    assert all(what != "refused" for _, what, _, _ in record)
    stored = {
        f"{namespace}/{device}": counts
        for namespace, device, *counts in gateway.sql(
            "SELECT namespace, device, count(*), count(DISTINCT value), min(value), max(value) FROM points"
            " WHERE property = 'n' GROUP BY ALL"
        )
    }
    assert stored == {device: [n, n, 1.0, float(n)] for device, n in sent.items()}, "missing or doubled"
    twins = {device: properties["n"] for device, properties in gateway.devices().items() if "n" in properties}
    assert {device: int(p["reported"]) for device, p in twins.items()} == sent, "a wrong final value"
    assert {device: p["edge_version"] for device, p in twins.items()} == sent, "a change counted twice, or not"


def killed_again_and_again(gateway: Process, devices: Load, kills: int, seed: int) -> None:
    """Kill, start, and look, so many times; then let the devices finish and check everything."""
    chance = random.Random(seed)
    moments, readies = [], []
    for _ in range(kills):
        until(lambda: devices.rates([time.time()])[0] >= FLOW / crowding(), what=lambda: "little is in flight")
        time.sleep(chance.uniform(0.0, 0.9))  # random moments are what is tested
        moments.append(time.time())
        gateway.kill()
        answered = devices.answered()
        gateway.start()
        readies.append(gateway.ready())
        assert readies[-1] <= READY * crowding(), readies
        there = gateway.devices()
        versions = {device: there[device]["n"]["edge_version"] for device in answered}
        assert all(versions[device] >= count for device, count in answered.items()), "a version went back"
    time.sleep(1.0)
    moments.append(time.time())
    devices.finish()
    print(f"answers a second before each kill and the end: {devices.rates(moments)}")
    print(f"ready again after {[round(seconds, 2) for seconds in readies]} s")
    check(gateway, devices.record())


def test_a_gateway_killed_with_its_broker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with Process(tmp_path / "gateway", ENROL) as gateway:
        gateway.start().ready()
        with load(gateway.broker_port, tmp_path / "record") as devices:
            killed_again_and_again(gateway, devices, 3, seed=1)
        assert gateway.stop() == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_gateway_killed_beside_its_broker_loses_and_doubles_nothing(tmp_path: Path, protocol: str) -> None:
    """What the gateway had not acknowledged the broker sends again, to its next life."""
    with Mosquitto(tmp_path / "broker", "max_inflight_messages 500", "max_queued_messages 100000") as broker:
        url = f'url = "mqtt://127.0.0.1:{broker.port}"\nprotocol = "{protocol}"'
        with Process(tmp_path / "gateway", ENROL, broker=url) as gateway:
            gateway.start().ready()
            with load(broker.port, tmp_path / "record") as devices:
                killed_again_and_again(gateway, devices, 2, seed=2)
            assert gateway.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_a_gateway_killed_forty_times_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    with Process(tmp_path / "gateway", ENROL) as gateway:
        gateway.start().ready()
        with load(gateway.broker_port, tmp_path / "record") as devices:
            killed_again_and_again(gateway, devices, 40, seed)


def test_an_end_in_order_answers_what_was_taken_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", "max_queued_messages 100000") as broker:
        url = f'url = "mqtt://127.0.0.1:{broker.port}"'
        with Process(tmp_path / "gateway", ENROL, broker=url) as gateway:
            gateway.start().ready()
            with load(broker.port, tmp_path / "record") as devices:
                time.sleep(1.5)
                began = time.monotonic()
                assert gateway.stop() == 0
                assert time.monotonic() - began <= END * crowding()
                assert "Traceback" not in gateway.log
                assert "not answered" not in gateway.log
                assert "not everything was settled" not in gateway.log
                gateway.start().ready()
                time.sleep(0.5)
                devices.finish()
                check(gateway, devices.record())


def test_an_end_in_order_with_a_broker_of_its_own(tmp_path: Path) -> None:
    with Process(tmp_path / "gateway", ENROL) as gateway:
        gateway.start().ready()
        with load(gateway.broker_port, tmp_path / "record") as devices:
            time.sleep(1.0)
            began = time.monotonic()
            assert gateway.stop() == 0
            assert time.monotonic() - began <= END * crowding()
            assert "Traceback" not in gateway.log
            gateway.start().ready()
            devices.finish()
            check(gateway, devices.record())
            gateway.signal(signal.SIGINT)
            assert gateway.wait() == 0


DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {{name: {name}}}
spec: {{}}
"""


def test_a_reload_takes_up_what_changed_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    manifests = tmp_path / "gateway" / "manifests"
    with Process(tmp_path / "gateway") as gateway:
        manifests.mkdir()
        (manifests / "one.yaml").write_text(DEVICE.format(name="one"))
        gateway.configure('[manifests]\npaths = ["manifests"]\n')
        gateway.start().ready()
        gateway.logged("broker: mosquitto at")
        broker = (tmp_path / "gateway/data/broker/pid").read_text()
        assert gateway.devices().keys() == {"default/one"}

        (manifests / "two.yaml").write_text(DEVICE.format(name="two"))
        (manifests / "three.yaml").write_text("{{{")
        gateway.signal(signal.SIGHUP)
        gateway.logged("device/default/two created")
        gateway.logged("not applied: three.yaml: not YAML")
        assert gateway.devices().keys() == {"default/one", "default/two"}
        assert (tmp_path / "gateway/data/broker/pid").read_text() == broker

        gateway.configure("[manifests\n")
        gateway.signal(signal.SIGHUP)
        gateway.logged("not reloaded, the old configuration holds: ")
        gateway.logged("gateway.toml: not TOML: ")
        assert gateway.devices().keys() == {"default/one", "default/two"}

        port = gateway.port
        gateway.port = Process(tmp_path / "spare").port
        gateway.configure()
        gateway.signal(signal.SIGHUP)
        gateway.ready()
        assert gateway.devices().keys() == {"default/one", "default/two"}
        assert gateway.port != port
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log


def test_a_reload_onto_a_taken_address_keeps_everything_but_the_page(tmp_path: Path) -> None:
    with socket.socket() as other, Process(tmp_path / "gateway", ENROL) as gateway:
        other.bind(("127.0.0.1", 0))
        other.listen()
        gateway.start().ready()
        free, gateway.port = gateway.port, other.getsockname()[1]
        gateway.configure(ENROL)
        gateway.signal(signal.SIGHUP)
        gateway.logged("choose another with [web] listen; again in")
        with load(gateway.broker_port, tmp_path / "record", rate=100) as devices:
            until(lambda: (tmp_path / "record").exists() and devices.answered())
            devices.finish()
            gateway.port = free
            gateway.configure(ENROL)
            gateway.signal(signal.SIGHUP)
            gateway.ready()
            check(gateway, devices.record())
        assert gateway.stop() == 0


def fails(gateway: Process, *wrapper: str) -> str:
    """The one line it says before it ends with a code that is not 0."""
    assert gateway.start(*wrapper).wait() in {1, 3}
    (line,) = [line for line in gateway.log.splitlines() if " INFO " not in line]
    return line


def test_wrong_toml_is_one_line_with_the_nearest_name(tmp_path: Path) -> None:
    gateway = Process(tmp_path / "gateway")
    gateway.configure('[twins]\ncompatt = "strict"\n')
    assert "gateway.toml: twins.compatt: no such key; did you mean compat?" in fails(gateway)


def test_a_data_folder_that_is_in_use_is_one_line(tmp_path: Path) -> None:
    with Process(tmp_path / "gateway") as first:
        first.start().ready()
        second = Process(tmp_path / "second")
        second.configure()
        second.config.write_text(second.config.read_text().replace('"data"', f'"{first.folder}/data"'))
        assert "another gateway" in fails(second)


def test_no_right_to_the_data_folder_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    gateway = Process(tmp_path / "gateway")
    (gateway.folder / "data").mkdir(mode=0o500)
    wrapper = ["setpriv", "--bounding-set=-dac_override", "--"] if os.geteuid() == 0 else []  # root may do everything
    line = fails(gateway, *wrapper)
    assert "give this user the right to, or set [store] path" in line


def test_a_gateway_of_ten_thousand_devices_is_back_within_three_seconds(tmp_path: Path) -> None:
    """Ten properties each, as `benches/startup.py` leaves them, and devices that report while it is killed."""
    asyncio.run(fill(tmp_path / "gateway" / "data"))
    with Process(tmp_path / "gateway", ENROL + "enrol_limit = 20000\n") as gateway:
        gateway.start().ready()
        with load(gateway.broker_port, tmp_path / "record") as devices:
            time.sleep(1.0)
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            assert gateway.start().ready() <= READY * crowding()
            devices.finish()
            check(gateway, devices.record())
