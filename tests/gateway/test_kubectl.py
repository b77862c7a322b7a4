"""Kubernetes' own clients against a real gateway: `kubectl`, and the official Python client with an informer's loop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.process import ROOT, Gateway, Sensor, environment, until
from tests.mosquitto import free_port

KUBECTL = shutil.which(os.environ.get("KUBECTL", "kubectl"))
GROUP = ("devices.kubeedge.io", "v1beta1")
MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: pump}
spec:
  properties:
    - {name: speed, type: INT, accessMode: ReadWrite, minimum: "0", maximum: "100"}
    - {name: flow, type: DOUBLE, accessMode: ReadOnly}
"""
PUMP = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {{name: {name}, labels: {{site: {site}}}}}
spec:
  deviceModelRef: {{name: pump}}
  nodeName: edge-1
  properties:
    - {{name: speed, desired: {{value: "{speed}"}}}}
    - {{name: flow}}
"""
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="no kubectl: put one on the path, or name it in KUBECTL")


def pump(name: str, speed: int = 10, site: str = "north") -> str:
    return PUMP.format(name=name, speed=speed, site=site)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    edge = 'enabled = true\nlisten = "127.0.0.1:0"'
    with Gateway(tmp_path_factory.mktemp("edge"), edge_api=edge) as gateway:
        gateway.start()
        gateway.apply(MODEL)
        yield gateway


def edge_url(gateway: Gateway) -> str:
    found = gateway.says(r"the edge API listens on (\S+)")
    return f"http://{found.group(1)}"


class Kubectl:
    """kubectl without any configuration but the address."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.words = [str(KUBECTL), "--server", url, "--cache-dir", str(folder / "cache")]
        self.env = os.environ | {"HOME": str(folder), "KUBECONFIG": str(folder / "none"), "EDITOR": "false"}

    def run(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.words, *words],
            input=stdin,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def __call__(self, *words: str, stdin: str = "", **env: str) -> str:
        done = self.run(*words, stdin=stdin, **env)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout

    def fails(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def object(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self("get", *words, "-o", "json")))


@pytest.fixture
def kubectl(gateway: Gateway, tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path, edge_url(gateway))


@needs_kubectl
def test_kubectl_applies_shows_edits_and_deletes_devices(gateway: Gateway, kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=pump("a-1")) == "device.devices.kubeedge.io/a-1 created\n"
    assert kubectl("apply", "-f", "-", stdin=pump("a-1")) == "device.devices.kubeedge.io/a-1 unchanged\n"
    lines = kubectl("get", "devices", "-o", "wide", "-l", "site in (north)").splitlines()
    assert lines[0].split() == ["NAME", "MODEL", "PROTOCOL", "NODE", "AGE"]
    assert [line.split()[:3] for line in lines[1:]] == [["a-1", "pump", "edge-1"]]
    assert "devicestatuses" in kubectl("api-resources", "--api-group", GROUP[0])
    assert "Milliseconds between two reports" in kubectl("explain", "device.spec.properties.reportCycle")

    assert kubectl("apply", "-f", "-", stdin=pump("a-1", speed=20)) == "device.devices.kubeedge.io/a-1 configured\n"
    assert gateway.device("a-1")["properties"]["speed"]["desired"] == "20"
    steps = '[{"op": "replace", "path": "/spec/properties/0/desired/value", "value": "30"}]'
    kubectl("patch", "device", "a-1", "--type=json", "-p", steps)
    kubectl("label", "device", "a-1", "floor=2")
    kubectl("edit", "device", "a-1", EDITOR="""sed -i 's/"30"/"33"/'""")
    assert gateway.device("a-1")["properties"]["speed"]["desired"] == "33"
    changed = kubectl.run("diff", "-f", "-", stdin=pump("a-1", speed=44))
    assert (changed.returncode, '+      value: "44"' in changed.stdout) == (1, True)
    kubectl("wait", "device/a-1", "--for=jsonpath={.metadata.labels.floor}=2", "--timeout=5s")

    listed = yaml.safe_load(kubectl("get", "devices,devicemodels", "-o", "yaml"))
    assert [(each["kind"], each["metadata"]["name"]) for each in listed["items"]] == [
        ("Device", "a-1"),
        ("DeviceModel", "pump"),
    ]
    kubectl("delete", "device", "a-1", "--timeout=5s")
    assert gateway.device("a-1") == {}


@needs_kubectl
def test_what_kubectl_may_not_do_is_told_in_its_own_words(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=pump("b-1"))
    assert "Error from server (AlreadyExists)" in kubectl.fails("create", "-f", "-", stdin=pump("b-1"))
    too_fast = kubectl.fails("apply", "-f", "-", stdin=pump("b-1", speed=101))
    assert 'The Device "b-1" is invalid: spec.properties[0].desired.value: "101" is above the maximum 100' in too_fast
    unknown = kubectl.fails("apply", "-f", "-", stdin=pump("b-1").replace("nodeName", "nodName"))
    assert "spec.nodName: no such key; did you mean nodeName?" in unknown
    stale = kubectl.object("device", "b-1")
    kubectl("label", "device", "b-1", "floor=2")
    stale["metadata"]["labels"]["floor"] = "3"
    assert "Error from server (Conflict)" in kubectl.fails("replace", "-f", "-", stdin=json.dumps(stale))
    assert "Server-side apply not available" in kubectl.fails("apply", "--server-side", "-f", "-", stdin=pump("b-1"))
    assert "not supported by devices.kubeedge.io" in kubectl.fails(
        "patch", "device", "b-1", "--type=strategic", "-p", "{}"
    )
    assert "(MethodNotAllowed)" in kubectl.fails("delete", "devicestatus", "b-1")
    assert "(NotFound)" in kubectl.fails("get", "device", "b-none")
    kubectl("delete", "device", "b-1")


@needs_kubectl
async def test_kubectl_shows_what_a_device_reports_and_follows_it(gateway: Gateway, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pump("c-1"))
    words = ["get", "devicestatus", "c-1", "-w", "-o", "jsonpath={.status.twins[*].reported.value}{'\\n'}"]
    following = await asyncio.create_subprocess_exec(*kubectl.words, *words, env=kubectl.env, stdout=subprocess.PIPE)
    assert following.stdout is not None
    try:
        async with asyncio.timeout(20), Sensor(gateway.broker(), "c-1") as sensor:
            for flow in ("1.5", "2.5", "3.5"):
                assert "code" not in await sensor.tell(flow=flow)
                while flow not in (line := (await following.stdout.readline()).decode()):
                    assert line
    finally:
        following.terminate()
        await following.communicate()
    row = kubectl("get", "devicestatuses", "c-1", "--no-headers").split()
    assert (row[1], row[3:]) == ("online", ["speed=→10,", "flow=3.5"])
    kubectl("delete", "device", "c-1")


class Informer(threading.Thread):
    """A reflector: list, watch from the list's version, list again when that is gone. `known` is what it believes."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        client = pytest.importorskip("kubernetes.client")
        configuration = client.Configuration(host=url)
        configuration.retries = False
        self.api = client.CustomObjectsApi(client.ApiClient(configuration))
        self.error = client.ApiException
        self.known: dict[str, dict[str, Any]] = {}
        self.lists = 0
        self.events: list[str] = []
        self.faults: list[str] = []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 - the gateway is down meanwhile: a reflector tries again
                self.faults.append(type(error).__name__)
                self._ended.wait(0.1)

    def _follow(self) -> None:
        from kubernetes import watch

        listed = self.api.list_cluster_custom_object(*GROUP, "devices", limit=2)
        items, version = listed["items"], listed["metadata"]["resourceVersion"]
        while token := listed["metadata"].get("continue"):
            listed = self.api.list_cluster_custom_object(*GROUP, "devices", limit=2, _continue=token)
            items += listed["items"]
        self.known = {each["metadata"]["name"]: each for each in items}
        self.lists += 1
        while not self._ended.is_set():
            stream = watch.Watch()
            told = stream.stream(
                self.api.list_cluster_custom_object,
                *GROUP,
                "devices",
                resource_version=version,
                timeout_seconds=1,
                _request_timeout=5,
            )
            for event in told:
                self.events.append(event["type"])
                name = event["object"]["metadata"]["name"]
                if event["type"] == "DELETED":
                    self.known.pop(name)
                else:
                    self.known[name] = event["object"]
                version = event["object"]["metadata"]["resourceVersion"]

    def end(self) -> None:
        self._ended.set()
        self.join(10)


@pytest.fixture
def informer(gateway: Gateway) -> Iterator[Informer]:
    informer = Informer(edge_url(gateway))
    informer.start()
    try:
        yield informer
    finally:
        informer.end()


def speeds(informer: Informer) -> dict[str, str]:
    return {n: o["spec"]["properties"][0]["desired"]["value"] for n, o in dict(informer.known).items()}


def test_an_informer_of_the_official_client_keeps_in_step_through_every_change(
    gateway: Gateway, informer: Informer
) -> None:
    for number in range(5):
        gateway.apply(pump(f"d-{number}", number))
    until(lambda: len(informer.known) == 5, what=lambda: str(informer.known))
    for number in range(5):
        gateway.ask("PUT", f"/api/v1/devices/default/d-{number}/desired/speed", {"value": f"{number + 50}"})
    until(lambda: speeds(informer) == {f"d-{n}": f"{n + 50}" for n in range(5)}, what=lambda: str(speeds(informer)))
    body = informer.known["d-0"]
    body["spec"]["properties"][0]["desired"]["value"] = "99"
    told = informer.api.replace_namespaced_custom_object(*GROUP, "default", "devices", "d-0", body)
    assert told["spec"]["properties"][0]["desired"]["value"] == "99"
    with pytest.raises(informer.error) as conflict:
        informer.api.replace_namespaced_custom_object(*GROUP, "default", "devices", "d-0", body)
    assert (conflict.value.status, json.loads(conflict.value.body)["reason"]) == (409, "Conflict")
    for number in range(5):
        informer.api.delete_namespaced_custom_object(*GROUP, "default", "devices", f"d-{number}")
    until(lambda: not informer.known, what=lambda: str(informer.known))
    assert (informer.lists, informer.faults) == (1, [])
    assert {"ADDED", "MODIFIED", "DELETED"} == set(informer.events)


def test_after_a_kill_an_informer_is_told_410_and_lists_again(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path, edge_api=f'enabled = true\nlisten = "127.0.0.1:{port}"') as gateway:
        gateway.start().apply(MODEL)
        gateway.apply(pump("e-1"))
        informer = Informer(edge_url(gateway))
        informer.start()
        try:
            until(lambda: speeds(informer) == {"e-1": "10"})
            version = informer.known["e-1"]["metadata"]["resourceVersion"]
            uid = informer.known["e-1"]["metadata"]["uid"]
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            gateway.start()
            gateway.ask("PUT", "/api/v1/devices/default/e-1/desired/speed", {"value": "11"})
            until(lambda: speeds(informer) == {"e-1": "11"}, what=lambda: str(informer.faults))
            assert int(informer.known["e-1"]["metadata"]["resourceVersion"]) > int(version)
            assert informer.known["e-1"]["metadata"]["uid"] == uid
            assert informer.lists >= 2
            with pytest.raises(informer.error) as gone:
                informer.api.list_cluster_custom_object(*GROUP, "devices", resource_version=version, watch=True)
            assert (gone.value.status, json.loads(gone.value.body)["reason"]) == (410, "Expired")
        finally:
            informer.end()


class Cloud:
    """The stand-in CloudCore as a process, asked over its control API."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "cloud"
        self.ws, self.https, self.api = free_port(), free_port(), free_port()
        words = [sys.executable, "-m", "simulator", "cloudcore", "--data", str(self.data), "--ws", str(self.ws)]
        words += ["--https", str(self.https), "--api", str(self.api), "--node", "edge-1", "--sync", "0.2"]
        self._process = subprocess.Popen(words, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Cloud:
        until(lambda: self._reached(), what=lambda: "the stand-in cloud does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def section(self) -> str:
        return (
            f'kind = "cloudcore"\nurl = "wss://127.0.0.1:{self.ws}"\n'
            f'register_url = "https://127.0.0.1:{self.https}"\ntoken_file = "{self.data / "token"}"'
        )

    def ask(self, method: str, path: str, body: str = "") -> Any:
        import urllib.request

        request = urllib.request.Request(f"http://127.0.0.1:{self.api}{path}", body.encode() or None, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def observed(self, name: str) -> str:
        """What the cloud's DeviceStatus says is desired of the speed at the edge."""
        found = self.ask("GET", "/devicestatuses")
        for each in found["items"] if isinstance(found, dict) else found:
            if each["metadata"]["name"] == name:
                told = {t["propertyName"]: t for t in each["status"].get("twins", ())}
                return str(told.get("speed", {}).get("observedDesired", {}).get("value", ""))
        return ""

    def _reached(self) -> bool:
        try:
            return bool(self.ask("GET", "/"))
        except OSError:
            return False


@needs_kubectl
def test_a_device_of_the_cloud_is_changed_with_kubectl_while_it_is_away_and_the_cloud_hears_of_it(
    tmp_path: Path,
) -> None:
    with Cloud(tmp_path) as cloud:
        edge = 'enabled = true\nlisten = "127.0.0.1:0"'
        with Gateway(tmp_path, edge_api=edge, cloud=cloud.section) as gateway:
            gateway.start()
            cloud.ask("POST", "/apply", f"{MODEL}---{pump('f-1')}")
            kubectl = Kubectl(tmp_path, edge_url(gateway))
            until(lambda: gateway.device("f-1"), what=lambda: gateway.output)
            cloud.ask("POST", "/fault", '{"kind": "cut", "for": 3600}')
            until(lambda: gateway.ask("GET", "/api/v1/cloud")[1]["state"] != "connected", what=lambda: gateway.output)

            own = kubectl.object("device", "f-1")
            own["spec"]["properties"][0]["desired"]["value"] = "77"
            kubectl("replace", "-f", "-", stdin=json.dumps(own))
            assert kubectl.object("device", "f-1")["spec"]["properties"][0]["desired"]["value"] == "77"
            assert gateway.device("f-1")["properties"]["speed"]["desired"] == "77"
            refused = kubectl.fails("label", "device", "f-1", "floor=2")
            assert "(Forbidden)" in refused
            assert "managed by the cloud: only spec.properties[].desired can be changed here" in refused
            assert "delete it there" in kubectl.fails("delete", "device", "f-1")

            cloud.ask("POST", "/fault", '{"kind": "cut", "for": 0}')
            until(lambda: cloud.observed("f-1") == "77", 30, lambda: gateway.output)
            assert kubectl.object("device", "f-1")["metadata"]["labels"] == {"site": "north"}


@needs_kubectl
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl: apt-get install openssl")
def test_it_is_opened_by_a_reload_and_asks_for_the_token_and_shows_the_certificate_of_the_page(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.start()
        gateway.apply(MODEL + "---" + pump("g-1"))
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        words += ["-subj", "/CN=edge-1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        words += ["-out", "cert.pem", "-keyout", "key.pem"]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
        (tmp_path / "token").write_text("a-token-of-20-letters\n")
        locks = 'token_file = "token"\ncert_file = "cert.pem"\nkey_file = "key.pem"'
        text = gateway.config.read_text().replace("[web]\n", f"[web]\n{locks}\n")
        gateway.config.write_text(f'{text}[edge_api]\nenabled = true\nlisten = "127.0.0.1:0"\n')
        gateway.signal(signal.SIGHUP)
        address = gateway.says(r"the edge API listens on (\S+)").group(1)

        kubectl = Kubectl(tmp_path, f"https://{address}")
        trust = ["--certificate-authority", str(tmp_path / "cert.pem")]
        token = ["--token", "a-token-of-20-letters"]
        assert "certificate" in kubectl.fails("get", "devices", *token)
        assert "must be logged in" in kubectl.fails("get", "devices", *trust, "--token", "another")
        assert kubectl("get", "devices", "-o", "name", *trust, *token) == "device.devices.kubeedge.io/g-1\n"
