"""Each command against one running gateway, as people and scripts type it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.gateway.process import ROOT, Gateway, Sensor, environment, gemelo, invoke, until
from tests.gateway.pump import DEVICE, MODEL

LONG = "the flow is more than this rather long sentence, which no terminal of eighty columns shows on one line, allows"
RULE = f"""
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {{name: flood}}
spec:
  inputs:
    flow: {{device: "pump-*", property: flow}}
  initial: Dry
  states:
    Dry:
      onInput:
        transitions:
          - {{name: flooded, to: Wet, when: flow > 40.0, do: [{{alert: {{severity: warning, message: '{LONG}'}}}}]}}
    Wet:
      onInput:
        transitions:
          - {{name: dried, to: Dry, when: flow < 10.0}}
"""


def device(name: str) -> str:
    return DEVICE.replace("NAME", name)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with two pumps and a rule that has decided once."""
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        gateway.start()
        gateway.apply("---".join((MODEL, device("pump-1"), device("pump-2"), RULE)))

        async def speak() -> None:
            async with Sensor(gateway.broker(), "pump-1") as sensor:
                await sensor.tell(flow="12.5")
                await sensor.tell(flow="41.5")

        asyncio.run(speak())
        until(lambda: gateway.ask("GET", "/api/v1/events")[1])
        yield gateway


@pytest.fixture
def run(gateway: Gateway):
    """`run("get", "devices")`: that command, spoken to the gateway."""

    def running(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return invoke(*words, GEMELO_URL=gateway.url, **more)

    return running


def fails(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with `code` and one line that holds these words."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if code != 2:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stderr.startswith("gemelo: ")
    for word in words:
        assert word in done.stderr


# -- looking -------------------------------------------------------------------------------------------------------


def test_get_devices_shows_names_states_and_values_in_each_form(run):
    table = run("get", "devices")
    assert table.returncode == 0
    head, first, second = table.stdout.splitlines()
    assert head.split() == ["NAME", "MODEL", "STATE", "LAST", "SEEN", "VALUES"]
    assert first.startswith("default/pump-1  pump")
    assert "flow=41.5 l/min" in first
    assert second.startswith("default/pump-2  pump")
    assert "flow=41.5 l/min" in run("get", "devices", "-o", "wide").stdout
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        whole = read(run("get", "devices", "-o", form).stdout)
        assert (whole["kind"], [o["metadata"]["name"] for o in whole["items"]]) == ("List", ["pump-1", "pump-2"])


def test_get_shows_every_kind_by_each_of_its_names_and_the_nearest_for_a_wrong_one(run):
    for word in ("rule", "rules", "detectors", "Detector"):
        assert "default/flood" in run("get", word).stdout
    assert json.loads(run("get", "devicemodels", "-o", "json").stdout)["items"][0]["metadata"]["name"] == "pump"
    assert run("get", "cameras").returncode == 0
    fails(run("get", "Devicemodle"), 1, "did you mean DeviceModel?")


def test_what_a_device_sends_is_text_and_neither_markup_nor_orders_to_the_terminal(gateway, run):
    async def speak() -> None:
        async with Sensor(gateway.broker(), "pump-2") as sensor:
            assert "code" not in await sensor.tell(mode="[/red][bold]x\x1b]0;owned\x07")

    asyncio.run(speak())
    for shown in (run("describe", "device", "pump-2").stdout, on_a_terminal(gateway, "get", "devices", "-o", "wide")):
        assert "[/red][bold]x\ufffd]0;owned\ufffd" in shown
    assert "[/red][bold]x" in on_a_terminal(gateway, "describe", "device", "pump-2", NO_COLOR="1")
    assert "owned\\u0007" in run("describe", "device", "pump-2", "-o", "json").stdout


def test_in_json_and_yaml_too_nothing_steers_the_terminal_or_turns_its_text(gateway, run):
    hostile = "a\x9b31m\u202eb\x7f\u2066c"

    async def speak() -> None:
        async with Sensor(gateway.broker(), "pump-2") as sensor:
            assert "code" not in await sensor.tell(mode=hostile)

    asyncio.run(speak())
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        text = run("get", "device", "pump-2", "-o", form).stdout
        assert not set(text) & set("\x9b\u202e\x7f\u2066")
        values = {p["propertyName"]: p["reported"]["value"] for p in read(text)["status"]["twins"] if "reported" in p}
        assert values["mode"] == hostile
    assert "\x1b" not in run("apply", "-f", "-", stdin='{"kind": "\\u001b[31mDevice"}').stderr


def test_signs_of_double_width_keep_columns_apart_and_a_terminal_without_utf_8_gets_them_escaped(gateway, run):
    async def speak() -> None:
        async with Sensor(gateway.broker(), "pump-2") as sensor:
            assert "code" not in await sensor.tell(mode="温度")

    asyncio.run(speak())
    head, *rows = run("describe", "device", "pump-2").stdout.splitlines()[2:]
    (row,) = [row for row in rows if row.startswith("mode ") and "温度" in row and "Z" not in row]
    assert row.index("温度") == head.index("REPORTED")
    assert row.index("/0 0/0") - 1 + len("温度") == head.index("VERSIONS"), "two signs of two columns each"
    done = gemelo("describe", "device", "pump-2", GEMELO_URL=gateway.url, PYTHONIOENCODING="ascii")
    assert (done.returncode, "\\u6e29\\u5ea6" in done.stdout) == (0, True)


def test_describe_shows_both_sides_of_a_twin_and_names_what_is_not_there(run):
    shown = run("describe", "device", "pump-1").stdout
    assert shown.startswith("default/pump-1  pump")
    assert re.search(r"flow +double +41\.5 .* read only +l/min", shown)
    told = json.loads(run("describe", "device", "default/pump-1", "-o", "json").stdout)
    assert (told["id"], told["state"], told["reason"], told["interval"]) == ("default/pump-1", "online", "", 30.0)
    assert shown.startswith("default/pump-1  pump  online  seen ")
    assert shown.splitlines()[0].endswith("expected every 30 s")
    assert yaml.safe_load(run("describe", "device", "pump-1", "-o", "yaml").stdout)["model"] == "pump"
    fails(run("describe", "device", "pump-9"), 1, "pump-9")
    fails(run("describe", "devise", "pump-1"), 1, "no kind devise: did you mean Device?")


def test_events_show_the_newest_last_with_cause_and_one_line_each(run):
    table = run("events")
    assert table.returncode == 0
    assert re.search(rf"warning +default/pump-1  {re.escape(LONG)}  mqtt:\d+:\d+", table.stdout), table.stdout
    events = json.loads(run("events", "-n", "1", "-o", "json").stdout)
    assert [event["message"] for event in events] == [LONG]
    assert run("events", "-n", "0", "-o", "json").stdout.strip() == "[]"
    fails(run("events", "-n", "many"), 2)


def test_sql_answers_in_each_form_and_an_answer_for_programs_stays_readable_when_it_is_cut(run):
    query = "SELECT device, property, value FROM points WHERE property = 'flow' ORDER BY time"
    table = run("sql", query)
    assert table.returncode == 0
    assert [line.split() for line in table.stdout.splitlines()] == [
        ["DEVICE", "PROPERTY", "VALUE"],
        ["pump-1", "flow", "12.5"],
        ["pump-1", "flow", "41.5"],
    ]
    cut = run("sql", query, "--limit", "1", "-o", "json")
    assert [row["value"] for row in json.loads(cut.stdout)] == [12.5]
    assert "--limit" in cut.stderr
    assert yaml.safe_load(run("sql", query, "-o", "yaml").stdout)[1]["value"] == 41.5


def test_sql_takes_parameters_and_a_query_from_standard_input_and_writes_csv_and_arrow(gateway, run):
    query = "SELECT value FROM points WHERE property = ? AND value > ? ORDER BY time"
    done = run("sql", "-", "-p", "flow", "-p", "20", "-o", "csv", stdin=query)
    assert (done.stdout, done.stderr) == ('"value"\n41.5\n', "")
    words = f"{sys.executable} -m gateway sql --url {gateway.url} -o arrow"
    stream = subprocess.run([*words.split(), "SELECT 7 AS seven"], cwd=ROOT, capture_output=True, check=True).stdout
    pa = pytest.importorskip("pyarrow")
    assert pa.ipc.open_stream(stream).read_all().to_pydict() == {"seven": [7]}
    cut = run("sql", "SELECT * FROM range(9)", "-o", "csv", "--limit", "1")
    assert (cut.stdout, "limit of 1 rows" in cut.stderr) == ('"range"\n0\n', True)
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range + b.range) = 7"
    fails(run("sql", endless, "--deadline", "0.5"), 1, "longer than 0.5 s")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM pionts", ["pionts", "points"]),
        ("DROP TABLE points", ["DROP", "only read"]),
        ("SELEC 1", []),
        ("SELECT * FROM read_csv('/etc/passwd')", ["read_csv"]),
        ("SELECT 1; SELECT 2", ["one statement"]),
    ],
)
def test_a_bad_query_is_refused_in_words(run, query, words):
    fails(run("sql", query), 1, *words)


def test_get_chooses_by_name_namespace_and_label(run):
    def names(*words: str) -> list[str]:
        done = run("get", "devices", "-o", "name", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    both = ["device/default/pump-1", "device/default/pump-2"]
    assert names() == names("-A") == names("-n", "default") == names("-l", "description=in-the-cellar") == both
    assert names("pump-2") == names("default/pump-2") == both[1:]
    assert names("-n", "plant") == names("-l", "description!=in-the-cellar") == names("-l", "!description") == []
    assert names("-l", "description,floor!=2") == both
    assert "pump-1" not in run("get", "device", "pump-2").stdout
    fails(run("get", "device", "pumpe-1"), 1, "there is no Device default/pumpe-1: did you mean default/pump-1?")
    assert json.loads(run("get", "device", "pump-1", "-l", "!description", "-o", "json").stdout)["items"] == []
    fails(run("get", "devices", "-l", "a b"), 1, "key=value")
    fails(run("get", "devices", "-A", "-n", "x"), 2)


def test_what_get_prints_can_be_applied_again(run):
    for form in ("yaml", "json"):
        printed = run("get", "devices", "-o", form).stdout
        done = run("apply", "-f", "-", stdin=printed)
        assert done.stdout == "device/default/pump-1 unchanged\ndevice/default/pump-2 unchanged\n", done.stderr
    alone = yaml.safe_load(run("get", "device", "pump-1", "-o", "yaml").stdout)
    assert (alone["kind"], alone["metadata"]["name"]) == ("Device", "pump-1")
    (flow,) = [p for p in alone["status"]["twins"] if p["propertyName"] == "flow"]
    assert (flow["reported"]["value"], flow["reported"]["metadata"]["type"]) == ("41.5", "double")
    (status,) = [s for s in json.loads(run("get", "devicestatuses", "-o", "json").stdout)["items"]
                 if s["metadata"]["name"] == "pump-1"]  # fmt: skip
    assert (status["kind"], status["status"]) == ("DeviceStatus", alone["status"])
    assert run("get", "models", "-o", "wide").stdout.splitlines()[1].split() == [
        "default/pump", "2", "speed:INT", "flow:DOUBLE",
    ]  # fmt: skip


def test_describe_shows_conditions_versions_and_the_past_from_memory_and_from_the_store(run, gateway):
    gateway.apply(device("lost").replace("name: pump}", "name: pmup}"))
    assert "ModelMissing: model default/pmup is missing" in run("describe", "device", "lost").stdout
    assert "ModelMissing" in run("get", "device", "lost").stdout
    assert run("delete", "device", "lost").returncode == 0
    told = json.loads(run("describe", "device", "pump-1", "-o", "json").stdout)
    (flow,) = [p for p in told["properties"] if p["name"] == "flow"]
    assert (flow["reported_version"], flow["desired_version"], flow["synced"]) == ([2, 0], [0, 0], False)
    assert [point["value"] for point in told["history"]["flow"]] == ["12.5", "41.5"]
    assert [event["message"] for event in told["events"]] == [LONG]
    shown = run("describe", "device", "pump-1").stdout
    assert re.search(r"flow +\d{4}-\d\d-\d\dT[\d:.]+Z +12\.5\n", shown)
    kept = run("describe", "device", "pump-1", "--history", "1").stdout
    assert re.search(r"flow +\S+Z +41\.5\n", kept)
    assert not re.search(r"flow +\S+Z +12\.5\n", kept)
    fails(run("describe", "device", "pump-1", "--history", "0"), 2, "1 to 1000")
    assert "name: flood" in run("describe", "rule", "flood").stdout
    fails(run("describe", "rule", "flod"), 1, "there is no Detector default/flod: did you mean default/flood?")


# -- changing ------------------------------------------------------------------------------------------------------


def test_set_asks_of_a_device_and_refuses_with_the_nearest_name(run, gateway):
    done = run("set", "pump-1", "speed=80")
    assert (done.returncode, done.stdout) == (0, "default/pump-1 speed desired 80\n")
    assert gateway.device("pump-1")["properties"]["speed"]["desired"] == "80"
    assert "speed=? % (want 80)" in run("get", "devices").stdout
    fails(run("set", "pump-1", "sped=80"), 1, "sped", "speed")
    fails(run("set", "pumpe-1", "speed=80"), 1, "pumpe-1", "pump-1")
    fails(run("set", "pump-1", "speed"), 2, "PROPERTY=VALUE")
    fails(run("set", "pump-1", "speed=80", "speed=81"), 1, "there twice")


async def test_set_waits_until_the_device_reports_what_was_asked_or_the_deadline_is_over(run, gateway):
    words = ("set", "pump-2", "speed=7", "--wait", "--deadline", "20s", "--url", gateway.url)
    gateway.apply(device("pump-2"))
    async with Sensor(gateway.broker(), "pump-2") as sensor:
        waiting = asyncio.to_thread(gemelo, *words)
        async with asyncio.TaskGroup() as group:
            done = group.create_task(waiting)
            await sensor.hear("delta")
            await sensor.tell(speed="6")
            await sensor.tell(speed="7")
    said = "default/pump-2 speed desired 7\ndefault/pump-2 speed reported 7\n"
    assert (done.result().returncode, done.result().stdout) == (0, said)
    assert (await asyncio.to_thread(run, "set", "pump-2", "speed=7", "--wait")).returncode == 0, "it says so already"
    late = await asyncio.to_thread(run, "set", "pump-2", "speed=8", "--wait", "--deadline", "0.2")
    fails(late, 4, "default/pump-2 has not reported speed=8 within 0.2 s; it is still asked")
    fails(await asyncio.to_thread(run, "set", "pump-2", "speed=8", "--deadline", "soon"), 2, "write seconds")


def test_of_several_values_with_a_bad_one_among_them_none_is_asked(run, gateway):
    before = gateway.device("pump-1")["properties"]["speed"]["desired"]
    fails(run("set", "pump-1", "speed=33", "flow=1"), 1, "flow is read only")
    fails(run("set", "pump-1", "speed=101"), 1, "above the maximum 100")
    assert gateway.device("pump-1")["properties"]["speed"]["desired"] == before


def test_a_value_with_signs_that_mean_something_elsewhere_arrives_as_it_was_typed(run, gateway):
    gateway.apply(device("odd").replace("deviceModelRef: {name: pump}, ", ""))
    name, value = "mode.a:b@c#d/e", "x=1&y=2/ü%41"
    assert run("set", "odd", f"{name}={value}").returncode == 0
    assert gateway.device("odd")["properties"][name]["desired"] == value
    assert run("delete", "device", "odd").returncode == 0


def test_apply_takes_files_folders_and_stdin_and_says_what_it_did(run, tmp_path):
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "b.yaml").write_text(device("fan-2"))
    (folder / "a.json").write_text(json.dumps(yaml.safe_load(device("fan-1"))))
    (folder / "notes.txt").write_text("not a manifest")
    done = run("apply", "-f", str(folder))
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["device/default/fan-1 created", "device/default/fan-2 created"],
    )
    assert run("apply", "-f", str(folder / "b.yaml")).stdout == "device/default/fan-2 unchanged\n"
    changed = run("apply", "-f", "-", stdin=device("fan-2").replace("in-the-cellar", "on-the-roof"))
    assert changed.stdout == "device/default/fan-2 configured\n"
    for name in ("fan-1", "fan-2"):
        assert run("delete", "device", name).stdout == f"device/default/{name} deleted\n"
    fails(run("delete", "device", "fan-1"), 1, "there is no Device default/fan-1")
    fails(run("apply", "-f", str(tmp_path / "none.yaml")), 1, "none.yaml", "cannot be read")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nodeName", "nodName", ["spec", "nodName", "nodeName"]),
        ("kind: Device", "kind: Devise", ["Devise", "Device"]),
        ("deviceModelRef: {name: pump}", "deviceModelRef: 7", ["spec.deviceModelRef"]),
        ("metadata: {name: NAME", "metadata: {nme: NAME", ["metadata", "name"]),
        ("spec: {", "spec: {{{", ["not YAML", "line"]),
        (DEVICE, "just words", ["apiVersion, kind, metadata and spec"]),
    ],
)
def test_a_bad_manifest_is_refused_with_file_path_reason_and_nearest_name(run, tmp_path, old, new, words):
    file = tmp_path / "device.yaml"
    file.write_text(DEVICE.replace(old, new))
    fails(run("apply", "-f", str(file)), 1, "device.yaml", *words)


def test_a_bad_value_is_refused_in_the_form_that_names_file_path_reason_and_model(run, tmp_path):
    file = tmp_path / "file.yaml"
    wanted = "nodeName: edge-1, properties: [{name: flow}, {name: speed, desired: {value: '101'}}]"
    file.write_text(device("bad").replace("nodeName: edge-1", wanted))
    done = run("apply", "-f", str(file))
    said = 'spec.properties[1].desired.value: "101" is above the maximum 100 of model pump'
    assert (done.returncode, done.stderr) == (1, f"gemelo: {file}: {said}\n")
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.yaml").write_text(device("good"))
    (folder / "b.yaml").write_text(f"kind: List\nitems: [{json.dumps(yaml.safe_load(file.read_text()))}]")
    done = run("apply", "-f", str(folder))
    assert (done.returncode, done.stderr) == (1, f"gemelo: {folder / 'b.yaml'}: items[0]: {said}\n")
    assert "good" not in run("get", "devices", "-o", "name").stdout, "all or none, over files too"
    fails(run("apply", "-f", str(tmp_path / "many" / ".." / "many"), "-f", "-", stdin="a: [1"), 1, "stdin: not YAML")
    fails(run("apply", "-f", "-", stdin="# nothing\n"), 1, "there is no manifest in it")


def test_of_documents_with_a_bad_one_among_them_none_is_applied(run, gateway, tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(device("fan-7") + "---" + device("fan-8").replace("kind: Device", "kind: Devise"))
    fails(run("apply", "-f", str(file)), 1, "all.yaml#2: no kind Devise: did you mean Device?")
    assert gateway.device("fan-7") == {}


def test_a_bad_rule_is_refused_with_its_place_and_the_old_one_holds(run, gateway, tmp_path):
    file = tmp_path / "rule.yaml"
    file.write_text(RULE.replace("to: Wet", "to: Wett"))
    fails(run("apply", "-f", str(file)), 1, "rule.yaml", "Wett", "Wet")
    assert [rule["name"] for rule in gateway.ask("GET", "/api/v1/rules")[1]] == ["default/flood"]


# -- following -----------------------------------------------------------------------------------------------------


@contextmanager
def tailing(gateway: Gateway, *words: str, command: str = "tail") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", command, "--url", gateway.url, *words],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(5)
        for end in (process.stdout, process.stderr):
            end.close()


async def test_tail_follows_the_values_of_the_devices_asked_for_until_ctrl_c(gateway):
    with tailing(gateway, "default/pump-2") as tail:
        async with Sensor(gateway.broker(), "pump-2") as two, Sensor(gateway.broker(), "pump-1") as one:
            await one.tell(flow="1.5")
            await two.tell(flow="2.5")
            line = await asyncio.to_thread(tail.stdout.readline)
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  default/pump-2  .* = .*\n", line), line
        tail.send_signal(signal.SIGINT)
        assert (tail.wait(10), tail.stderr.read()) == (130, "")


async def test_watch_prints_what_is_there_then_each_change_and_what_goes(gateway, run):
    gateway.apply(device("watched-1"))
    with tailing(gateway, "devices", "watched-1", "-w", command="get") as watch:

        async def line() -> str:
            return await asyncio.wait_for(asyncio.to_thread(watch.stdout.readline), 15)

        assert (await line()).split()[0] == "NAME"
        assert (await line()).startswith("default/watched-1  pump")
        async with Sensor(gateway.broker(), "watched-1") as sensor:
            await sensor.tell(flow="2.5")
        assert "flow=2.5 l/min" in await line()
        assert (await asyncio.to_thread(run, "delete", "device", "watched-1")).returncode == 0
        assert (await line()).split() == ["default/watched-1", "deleted"]
        watch.send_signal(signal.SIGINT)
        assert (watch.wait(10), watch.stderr.read()) == (130, "")


async def test_watch_gives_programs_one_manifest_a_line_and_follows_kinds_without_values_too(gateway):
    with (
        tailing(gateway, "devices", "pump-2", "-w", "-o", "json", command="get") as devices,
        tailing(gateway, "models", "--watch", command="get") as models,
    ):
        assert json.loads(devices.stdout.readline())["metadata"]["name"] == "pump-2"
        assert [models.stdout.readline().split()[0] for _ in range(2)] == ["NAME", "default/pump"]
        gateway.apply(MODEL.replace("name: pump}", "name: fan}"))
        line = await asyncio.wait_for(asyncio.to_thread(models.stdout.readline), 15)
        assert line.split() == ["default/fan", "2"]
        assert gateway.ask("DELETE", "/api/v1/manifests/DeviceModel/default/fan")[0] == 204
        line = await asyncio.wait_for(asyncio.to_thread(models.stdout.readline), 15)
        assert line.split() == ["default/fan", "deleted"]
        async with Sensor(gateway.broker(), "pump-2") as sensor:
            await sensor.tell(flow="7.75")
        while True:
            shown = json.loads(await asyncio.wait_for(asyncio.to_thread(devices.stdout.readline), 15))
            values = {p["propertyName"]: p.get("reported", {}).get("value") for p in shown["status"]["twins"]}
            if values["flow"] == "7.75":
                break


def test_tail_for_programs_gives_one_object_a_line_and_ends_in_peace_when_its_reader_does(gateway):
    with tailing(gateway, "--json") as tail:
        shown = json.loads(tail.stdout.readline())
        assert {"device", "name", "reported"} <= set(shown)
        tail.stdout.close()

        async def speak() -> None:
            async with Sensor(gateway.broker(), "pump-1") as sensor:
                for number in range(200):
                    await sensor.tell(flow=f"3.{number}")
                    if tail.poll() is not None:
                        return

        asyncio.run(speak())
        assert tail.wait(10) == 0
        assert tail.stderr.read() == ""


def test_a_pipe_that_is_closed_early_is_no_error(gateway):
    words = f"{sys.executable} -m gateway sql --url {gateway.url} --limit 10000 'SELECT range FROM range(10000)'"
    script = f"{words} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["RANGE", "0"]
    assert done.stderr == ""


# -- how it prints -------------------------------------------------------------------------------------------------


def on_a_terminal(gateway: Gateway, *words: str, **env: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words, "--url", gateway.url],
            env=environment(TERM="xterm-256color", COLUMNS="80", **env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=follower,
        )
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.wait(10) == 0
    finally:
        os.close(leader)
    return shown.decode()


def test_colour_is_for_terminals_and_not_for_those_who_want_none(gateway, run):
    assert "\x1b[" in on_a_terminal(gateway, "get", "devices")
    assert "\x1b[" not in on_a_terminal(gateway, "get", "devices", NO_COLOR="1")
    assert "\x1b[" not in run("get", "devices").stdout


def test_a_terminal_gets_lines_that_fit_and_a_pipe_gets_whole_ones(gateway, run):
    shown = on_a_terminal(gateway, "events", NO_COLOR="1").splitlines()
    assert max(map(len, shown)) <= 80
    assert any(LONG in line for line in run("events").stdout.splitlines())


# -- which gateway -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("get", "devices"),
        ("describe", "device", "pump-1"),
        ("set", "pump-1", "speed=1"),
        ("delete", "device", "pump-1"),
        ("sql", "SELECT 1"),
        ("events",),
        ("tail",),
    ],
)
def test_without_a_gateway_every_command_says_where_it_looked_and_how_to_start_one(words):
    fails(invoke(*words, "--url", "http://127.0.0.1:9"), 3, "http://127.0.0.1:9", "gemelo run", "--url")


def test_a_gateway_with_a_token_and_a_certificate_is_reached_by_its_configuration(tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-of-twenty-signs\n")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(tmp_path / "key.pem"), "-out"]
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: apt-get install openssl")
    subprocess.run([*words, str(tmp_path / "cert.pem")], check=True, capture_output=True)
    files = 'token_file = "token"\ncert_file = "cert.pem"\nkey_file = "key.pem"'
    with Gateway(tmp_path, web=f'listen = "127.0.0.1:0"\n{files}', broker='url = "mqtt://127.0.0.1:9"') as gateway:
        gateway.spawn()
        address = gateway.address()
        gateway.says("ready: ")
        text = gateway.config.read_text()
        gateway.config.write_text(text.replace('listen = "127.0.0.1:0"', f'listen = "{address}"'))
        done = invoke("sql", "SELECT 1 AS one", "-c", str(gateway.config))
        assert (done.returncode, done.stderr) == (0, "")
        elsewhere = {"GEMELO_URL": "http://127.0.0.1:9", "GEMELO_TOKEN": "that-of-another-gateway"}
        done = invoke("sql", "SELECT 1 AS one", "-c", str(gateway.config), **elsewhere)
        assert (done.returncode, done.stderr) == (0, ""), "what is written counts before what is set for all"
        fails(invoke("get", "devices", "--url", f"http://{address}"), 3)
        token.write_text("another-token-of-many-signs")
        fails(invoke("get", "devices", "-c", str(gateway.config)), 1, "token")
        fails(invoke("tail", "-c", str(gateway.config)), 1, "token")
        token.unlink()
        fails(invoke("get", "devices", "-c", str(gateway.config)), 1, "web.token_file", "cannot be read")


def test_tail_says_when_the_gateway_ends(tmp_path):
    with Gateway(tmp_path, broker='url = "mqtt://127.0.0.1:9"') as gateway:
        gateway.start()
        gateway.apply(device("pump-1").replace("deviceModelRef: {name: pump}, ", ""))
        assert gateway.ask("PUT", "/api/v1/devices/default/pump-1/desired/speed", {"value": "1"})[0] == 200
        with tailing(gateway) as tail:
            until(lambda: "gemelo_web_viewers 1.0" in metrics(gateway))
            assert gateway.stop() == 0
            assert tail.wait(10) == 3
            said = tail.stderr.read()
            assert said.startswith("gemelo: ")
            assert len(said.splitlines()) == 1


def metrics(gateway: Gateway) -> str:
    import http.client

    host, _, port = gateway.address().rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


# -- words ---------------------------------------------------------------------------------------------------------


def test_wrong_words_end_with_2_and_help_names_every_command():
    fails(gemelo(), 2, "COMMAND")
    fails(invoke("gte", "devices"), 2)
    fails(invoke("get"), 2)
    fails(invoke("demo", "--fault", "clod:1s"), 2, "--fault")
    fails(invoke("demo", "--fault", "cloud:soon"), 2, "--fault")
    fails(invoke("demo", "--for", "long"), 2, "--for")
    helped = invoke("--help")
    assert helped.returncode == 0
    for name in (
        "demo",
        "run",
        "check",
        "apply",
        "get",
        "describe",
        "set",
        "delete",
        "explain",
        "sql",
        "events",
        "tail",
        "model",
    ):
        assert f"    {name} " in helped.stdout
    assert re.fullmatch(r"gemelo \S+\n", invoke("--version").stdout)


def test_model_list_shows_the_catalogue_and_what_is_here_without_a_gateway(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text('[inference]\nmodels = "models"\n')
    done = invoke("model", "-c", str(config), "list", "-o", "json")
    assert done.returncode == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"face-yunet", "person-ssdlite", "bikes.mp4"} <= set(rows)
    assert {row["state"] for row in rows.values()} == {"missing"}
    assert rows["face-yunet"]["path"].startswith(str(tmp_path / "models"))
    assert "face-yunet" in invoke("model", "-c", str(config), "list").stdout
    fails(invoke("model", "-c", str(config), "pull", "face-yunett"), 1, "face-yunet")


def test_a_model_that_cannot_be_fetched_is_told_with_a_way_out(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text('[inference]\nmodels = "models"\n')
    words = ("model", "-c", str(config), "pull", "face-yunet")
    env = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    fails(invoke(*words, **env), 3, "face-yunet", "is there a network?")
    assert not [path for path in (tmp_path / "models").iterdir() if path.is_file()]


def test_check_ends_with_0_or_1_and_is_readable_by_programs(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[web]\nlisten = "127.0.0.1:0"\n[broker]\nlisten = "127.0.0.1:0"\n'
        "[inference]\nenabled = false\n[offload]\nenabled = false\n[dmi]\nenabled = false\n"
    )
    good = invoke("check", "-c", str(config))
    assert good.returncode == 0, good.stdout
    config.write_text("[wbe]\n")
    bad = invoke("check", "-c", str(config), "-o", "json")
    assert bad.returncode == 1
    assert "wbe" in json.dumps(json.loads(bad.stdout))
