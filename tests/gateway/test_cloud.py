"""A gateway process and the stand-in cloud: joining, status, and custom messages of the rule router both ways."""

from __future__ import annotations

import json
import signal
import stat
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import paho.mqtt.publish as publish
import pytest
import yaml

from gateway.commands.cloud import addresses
from tests.gateway.cloud import Cloud
from tests.gateway.process import Gateway, invoke, until
from twins.errors import Rejected

MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: thermo, namespace: default}
spec: {protocol: mqtt, properties: [{name: temperature, type: INT, accessMode: ReadWrite}]}
"""
DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: d1, namespace: default}
spec:
  deviceModelRef: {name: thermo}
  nodeName: edge-1
  properties: [{name: temperature}]
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud"), "edge-1") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def gateway(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(folder, cloud=cloud.section(), log='level = "debug"') as gateway:
        done = invoke("cloud", "join", cloud.link, "--register-url", cloud.certificates, "--token-file",
                      str(cloud.token), "-c", str(gateway.config))  # fmt: skip
        assert done.returncode == 0, done.stderr
        gateway.start()
        until(lambda: status(gateway)["phase"] == "online", what=lambda: gateway.output)
        yield gateway


def status(gateway: Gateway) -> dict[str, Any]:
    done = invoke("cloud", "status", "--url", gateway.url, "-o", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def say(gateway: Gateway, topic: str, *payloads: str) -> None:
    publish.multiple([(topic, each, 1) for each in payloads], "127.0.0.1", gateway.broker())


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("cloud.example", ("wss://cloud.example:10000", "https://cloud.example:10002")),
        ("wss://10.0.0.5:1", ("wss://10.0.0.5:1", "https://10.0.0.5:10002")),
        ("https://10.0.0.5:2/", ("wss://10.0.0.5:10000", "https://10.0.0.5:2")),
        ("[::1]:1", ("wss://[::1]:1", "https://[::1]:10002")),
    ],
)
def test_a_cloud_is_named_by_its_host_or_by_either_of_its_doors(where: str, found: tuple[str, str]) -> None:
    assert addresses(where) == found


@pytest.mark.parametrize("where", ["", "http://a", "wss://a:x", "wss://a:99999", "https://a/path", "wss://"])
def test_what_is_no_cloud_is_refused_with_an_example(where: str) -> None:
    with pytest.raises(Rejected, match="give HOST"):
        addresses(where)


def test_join_says_the_section_and_keeps_the_key_for_its_owner(cloud: Cloud, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    done = invoke("cloud", "join", cloud.link, "--register-url", cloud.certificates, "--token-file", "-",
                  "-c", str(gateway.config), stdin=cloud.token.read_text())  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    said = tomllib.loads(done.stdout[done.stdout.index("[cloud]") :])
    assert said["cloud"] == {"kind": "cloudcore", "url": cloud.link, "register_url": cloud.certificates}
    folder = tmp_path / "data" / "cloud"
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {"ca.pem": 0o600, "node.pem": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_join_tells_programs_the_same(cloud: Cloud, gateway: Gateway) -> None:
    done = invoke("cloud", "join", cloud.link, "--register-url", cloud.certificates, "--token",
                  cloud.token.read_text(), "-c", str(gateway.config), "-o", "json")  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["node"], told["cloud"]["url"]) == ("edge-1", cloud.link)
    assert told["not_after"] > 1e15


def test_join_refuses_a_token_of_another_ca_and_one_that_is_none(cloud: Cloud, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    before = len(cloud.lines("certificate"))
    for token, why in (("0" * 64 + cloud.token.read_text()[64:], "nothing was sent"), ("x", "keadm gettoken")):
        done = invoke("cloud", "join", cloud.link, "--register-url", cloud.certificates, "--token", token,
                      "-c", str(gateway.config))  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert why in done.stderr
    done = invoke("cloud", "join", cloud.link, "-c", str(gateway.config))
    assert (done.returncode, "--token-file" in done.stderr) == (1, True)
    assert len(cloud.lines("certificate")) == before
    assert not (tmp_path / "data" / "cloud").exists()


def test_status_tells_link_certificate_counters_and_what_the_cloud_does_not_take(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.ask("POST", "/apply", yaml.safe_load(MODEL))
    cloud.ask("POST", "/apply", yaml.safe_load(DEVICE))
    until(lambda: status(gateway)["devices"] == 1)
    twin = {"temperature": {"actual": {"value": "21"}}, "ghost": {"actual": {"value": "1"}}}
    say(gateway, "$hw/events/device/default/d1/twin/update", json.dumps({"event_id": "e", "twin": twin}))
    found = until(lambda: (s := status(gateway))["counters"]["confirmed"] and not s["pending"] and s)
    assert found["undeclared"] == {"default/d1": ["ghost"]}
    assert (found["rival"], found["conflicts"], found["rejected"], found["waiting"]) == (False, 0, {}, [])
    valid = found["certificate"]
    life = valid["not_after"] - valid["not_before"]
    assert 0.7 <= (valid["renew_at"] - valid["not_before"]) / life <= 0.9
    shown = invoke("cloud", "status", "--url", gateway.url).stdout
    assert shown.startswith(f"online  {cloud.link}  since ")
    assert "default/d1  not declared in the cloud: ghost" in shown
    assert "certificate: good from" in shown


@pytest.mark.slow
def test_one_device_of_a_hundred_that_the_cloud_never_confirms_slows_no_other_is_told_and_goes_by_force(
    cloud: Cloud, gateway: Gateway
) -> None:
    names = [f"p{n}" for n in range(100)]
    for name in names:
        cloud.ask("POST", "/apply", yaml.safe_load(DEVICE.replace("name: d1", f"name: {name}")))
    until(lambda: status(gateway)["devices"] == 101)
    cloud.stop()  # and what it knew of the first is lost, as when a CloudCore starts that does not know the node
    (cloud.folder / "objects" / "Device" / "default" / "p0.json").unlink()
    for path in (cloud.folder / "syncs").glob("*/*.json"):
        path.unlink()
    cloud.start()
    until(lambda: status(gateway)["phase"] == "online")

    for number in range(4):
        began = time.monotonic()
        twin = json.dumps({"event_id": "e", "twin": {"temperature": {"actual": {"value": str(number)}}}})
        topics = [(f"$hw/events/device/default/{name}/twin/update", twin, 1) for name in names]
        publish.multiple(topics, "127.0.0.1", gateway.broker())
        until(lambda n=number: values(cloud) == dict.fromkeys(names[1:], str(n)), what=lambda: str(values(cloud)))
        assert time.monotonic() - began < 5, "an answer is waited for 10 s"

    (silent,) = until(lambda: status(gateway)["unanswered"])
    assert (silent["device"], silent["attempts"]) == ("default/p0", 1)
    assert "--force device default/p0" in silent["reason"]
    assert "default/p0  told 1 times since" in invoke("cloud", "status", "--url", gateway.url).stdout
    assert "Unconfirmed: not confirmed by the cloud" in invoke("describe", "device", "p0", "--url", gateway.url).stdout

    refused = invoke("delete", "device", "p0", "--url", gateway.url)
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert invoke("delete", "--force", "device", "p0", "p1", "--url", gateway.url).returncode == 0
    until(lambda: status(gateway)["devices"] == 99)
    assert status(gateway)["unanswered"] == []
    cloud.ask("PATCH", "/devices/default/p1", {"desired": {"temperature": "5"}})
    until(lambda: status(gateway)["devices"] == 100)  # what the cloud still has comes again
    assert gateway.is_calm()


def values(cloud: Cloud) -> dict[str, str]:
    """What the API says of the hundred."""
    found = {s["metadata"]["name"]: s["status"].get("twins", []) for s in cloud.ask("GET", "/devicestatuses")["items"]}
    return {name: twins[0]["reported"]["value"] for name, twins in found.items() if name.startswith("p") and twins}


def test_status_without_a_cloud_says_how_to_join_one(tmp_path: Path) -> None:
    with Gateway(tmp_path).start() as gateway:
        assert "gemelo cloud join" in invoke("cloud", "status", "--url", gateway.url).stdout
        assert status(gateway)["phase"] == "off"


def test_custom_messages_go_both_ways_and_outlive_an_absent_cloud_and_a_killed_gateway(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.route("subscribe", "default/t1")
    until(lambda: status(gateway)["messages"]["topics"] == ["default/t1"])
    until(lambda: heard(gateway, "default/t1"))
    say(gateway, "default/t1", "one")
    until(lambda: uploads(cloud) == ["one"])

    cloud.stop()
    until(lambda: status(gateway)["phase"] != "online")
    say(gateway, "default/t1", *map(str, range(50)))
    until(lambda: status(gateway)["messages"]["waiting"] == 50)
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    gateway.start()
    assert status(gateway)["messages"]["waiting"] == 50
    cloud.start()
    until(lambda: len(uploads(cloud)) >= 51)
    assert uploads(cloud) == ["one", *map(str, range(50))]
    until(lambda: not status(gateway)["messages"]["waiting"])

    got: list[tuple[str, str]] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _d, m: got.append((m.topic, m.payload.decode()))
    client.on_subscribe = lambda *_: got.append(("ready", ""))
    client.connect("127.0.0.1", gateway.broker())
    client.subscribe([("commands/#", 1), ("$hw/#", 1)])
    client.loop_start()
    until(lambda: got)
    cloud.route("publish", "$hw/events/device/default/d1/twin/update", "{}")
    cloud.route("publish", "commands/all", "höchst")
    until(lambda: ("commands/all", "höchst") in got)
    client.loop_stop()
    client.disconnect()
    assert [topic for topic, _ in got if topic.startswith("$hw")] == []
    assert status(gateway)["messages"]["refused"] == 1

    cloud.route("unsubscribe", "default/t1")
    until(lambda: not status(gateway)["messages"]["topics"])
    until(lambda: not heard(gateway, "default/t1"))
    assert gateway.is_calm()


def test_a_rule_gives_no_device_a_right(cloud: Cloud, tmp_path: Path) -> None:
    """At the gateway's own broker each device has its own topics alone, whatever a rule hears or publishes."""
    (tmp_path / "rights").write_text("user default/d2\ntopic write default/t2\n")
    broker = 'listen = "127.0.0.1:0"\nrights_file = "rights"'
    with Gateway(tmp_path, node='name = "edge-2"', broker=broker, cloud=cloud.section()) as gateway:
        words = ("--register-url", cloud.certificates, "--token-file", str(cloud.token), "-c", str(gateway.config))
        assert invoke("cloud", "join", cloud.link, *words).returncode == 0
        gateway.start()
        until(lambda: status(gateway)["phase"] == "online", what=lambda: gateway.output)
        cloud.route("subscribe", "default/t2", node="edge-2")
        until(lambda: status(gateway)["messages"]["topics"] == ["default/t2"])
        with Device(gateway, "d1") as one, Device(gateway, "d2") as two:
            topics = ("default/t2", "x/user/y", "SYS/dis/upload_records", "$hw/events/upload/x")
            one.listen("commands/#", "default/#", "#")
            one.say(*topics)
            cloud.route("publish", "commands/all", "secret", node="edge-2")
            until(lambda: status(gateway)["messages"]["published"] == 1)
            one.ask()
            assert one.heard == []
            until(lambda: two.say("default/t2") or cloud.uploads("default/t2"))  # once the topic is heard
            until(lambda: not status(gateway)["messages"]["waiting"])
            assert set(cloud.uploads("default/t2")) == {"d2"}
            assert [said for topic in topics[1:] for said in cloud.uploads(topic)] == []


class Device:
    """A device with a credential of its own, at the gateway's broker."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        issued = json.loads(invoke("device", "add", name, "--url", gateway.url, "-o", "json").stdout)
        self.name = name
        self.heard: list[str] = []
        self._answers: list[str] = []
        self._root = f"$hw/events/device/default/{name}/twin"
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, name)
        self._client.username_pw_set(issued["user"], issued["password"])
        self._client.on_message = self._take
        self._client.on_connect = lambda *_: self.listen(f"{self._root}/get/result")
        self._client.connect("127.0.0.1", gateway.broker())

    def __enter__(self) -> Device:
        self._client.loop_start()
        self.ask()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self, *topics: str) -> None:
        self._client.subscribe([(topic, 1) for topic in topics])

    def say(self, *topics: str) -> None:
        """Publish its name there."""
        for topic in topics:
            self._client.publish(topic, self.name, 1)

    def ask(self) -> None:
        """Ask for its twin until it is answered: what was said before has been dealt with."""
        self._answers.clear()
        until(lambda: self._client.publish(f"{self._root}/get", "{}", 1) and self._answers)

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        (self._answers if message.topic.startswith(self._root) else self.heard).append(message.topic)


def uploads(cloud: Cloud) -> list[str]:
    """What came up of the topic, but for probes."""
    return [said for said in cloud.uploads("default/t1") if said != "probe"]


def heard(gateway: Gateway, topic: str) -> bool:
    """True when a probe is taken up."""
    before = _offered(gateway)
    say(gateway, topic, "probe")
    return _offered(gateway) > before


def _offered(gateway: Gateway) -> int:
    return int(status(gateway)["messages"]["waiting"]) + int(status(gateway)["messages"]["forwarded"])
