"""`gemelo rule lint` and `gemelo rule test`, as people type them; what `gemelo apply` says of rules that disagree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from xml.etree import ElementTree

import pytest

from tests.gateway.process import ROOT, Gateway, gemelo, invoke

NAMES = ("door-open", "intruder", "overheat")
EXAMPLES = ROOT / "docs" / "examples" / "rules"
RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {{name: {name}}}
spec:
  inputs: {{x: {{device: {reads}, property: {sees}}}}}
  initial: A
  states:
    A:
      onInput:
        events:
          - {{when: x > 1.0, do: [{{set: {{device: {asks}, property: {sets}, value: "{value}"}}}}]}}
"""


def rule(name: str, reads: str, sees: str, asks: str, sets: str, value: int = 1) -> str:
    return RULE.format(name=name, reads=reads, sees=sees, asks=asks, sets=sets, value=value)


HEAT = rule("heat", "room-1", "temperature", '"valve-${part(device, \\"-\\", 1)}"', "position", 100)
AWAY = rule("away", "house", "mode", "valve-3", "position", 0)
LOOP = [rule("ping", "a", "x", "b", "x"), rule("pong", "b", "x", "a", "x")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        copy(EXAMPLES / f"{name}.yaml", tmp_path)
        copy(EXAMPLES / f"{name}.test.yaml", tmp_path)
    return tmp_path


def test_the_examples_are_clean_and_their_tests_hold_without_a_gateway() -> None:
    done = gemelo("rule", "lint", "docs/examples/rules", GEMELO_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" rules: 0 errors, 0 warnings, 0 infos\n")
    done = gemelo("rule", "test", "docs/examples/rules", GEMELO_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("docs/examples/rules/door-open.test.yaml\n  ok   an open door is told after ten")
    assert done.stdout.endswith(" tried, 0 failed\n")


def test_every_fault_of_every_file_is_told_with_place_reason_and_nearest_name(folder: Path) -> None:
    file = folder / "overheat.yaml"
    text = file.read_text("utf-8")
    file.write_text(
        text.replace("temperature > limit", "temperatur > limit").replace("to: Normal", "to: Norml"), "utf-8"
    )
    (folder / "door-open.yaml").write_text("kind: Detector\nmetadata: {name: d}\nspec: {inputz: {}}\n", "utf-8")
    (folder / "broken.yaml").write_text("a: [", "utf-8")
    done = invoke("rule", "lint", *map(str, sorted(folder.glob("*.yaml"))))
    assert done.returncode == 1
    assert f"{folder}/broken.yaml: ERROR not YAML: line 2" in done.stdout
    assert f"{folder}/door-open.yaml: ERROR spec.inputz: no such key; did you mean inputs?\n" in done.stdout
    assert (
        f"{file}: ERROR spec.states.Hot.onInput.transitions[0].to: 'Norml' is no state; did you mean Normal?"
        in done.stdout
    )
    file.write_text(text.replace("temperature > limit", "temperatur > limit"), "utf-8")
    done = invoke("rule", "lint", str(file))
    told = "spec.states.Normal.onInput.transitions[0].when: 'temperatur' is no input and no variable; did you mean temp"
    assert told in done.stdout
    assert done.stdout.endswith("1 rule: 1 error, 0 warnings, 0 infos\n")


def test_what_is_wrong_between_rules_is_a_warning_and_fails_only_strictly(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("---".join([HEAT, AWAY, *LOOP]), "utf-8")
    done = invoke("rule", "lint", str(tmp_path))
    assert done.returncode == 0
    assert "default/away position of default/valve-3 = 0" in done.stdout
    assert "default/ping asks x of default/b, default/pong asks x of default/a, and that sets off" in done.stdout
    assert done.stdout.endswith("4 rules: 0 errors, 4 warnings, 0 infos\n")
    assert invoke("rule", "lint", "--strict", str(tmp_path)).returncode == 1
    said = json.loads(invoke("rule", "lint", "--json", str(tmp_path)).stdout)
    assert (said["rules"], said["error"], said["warning"], said["info"]) == (4, 0, 4, 0)
    assert said["faults"][0]["rule"] == "default/heat"
    assert said["faults"][0]["path"] == "spec.states.A.onInput.events[0].do[0].set"


def test_an_alarm_is_looked_at_like_a_rule_and_told_of_in_its_own_words(tmp_path: Path) -> None:
    copy(EXAMPLES / "hot-boiler.yaml", tmp_path)
    (tmp_path / "night.yaml").write_text(rule("night", "clock", "hour", "siren-*", "sound", 0), "utf-8")
    done = invoke("rule", "lint", str(tmp_path))
    assert (
        "hot-boiler.yaml: WARNING spec.onRaise[0].set: asks sound of default/siren-1 = on, and default/night"
        in done.stdout
    )
    assert "and default/alarm:hot-boiler sound of default/siren-1 = on (spec.onRaise[0].set)" in done.stdout
    assert done.stdout.endswith("2 rules: 0 errors, 2 warnings, 0 infos\n")
    text = (tmp_path / "hot-boiler.yaml").read_text("utf-8")
    (tmp_path / "hot-boiler.yaml").write_text(text.replace("input: temperature", "input: temperatur"), "utf-8")
    done = invoke("rule", "lint", str(tmp_path / "hot-boiler.yaml"))
    assert done.returncode == 1
    assert "hot-boiler.yaml: ERROR spec.condition.input: " in done.stdout
    assert "did you mean temperature?" in invoke("rule", "replay", str(tmp_path / "hot-boiler.yaml")).stderr


def test_a_name_that_is_there_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAT, "utf-8")
    (tmp_path / "b.yaml").write_text(HEAT, "utf-8")
    assert f"default/heat is in {tmp_path}/a.yaml too" in invoke("rule", "lint", str(tmp_path)).stdout


@pytest.mark.parametrize("verb", ["lint", "test"])
def test_a_file_that_is_not_there_is_told(verb: str) -> None:
    done = invoke("rule", verb, "nowhere.yaml")
    assert done.returncode == 1
    assert "nowhere.yaml" in done.stdout + done.stderr
    assert "No such file" in done.stdout + done.stderr


def test_a_case_that_fails_tells_what_came_and_why(folder: Path) -> None:
    file = folder / "overheat.yaml"
    file.write_text(file.read_text("utf-8").replace("for: 2s", "for: 3s"), "utf-8")
    junit = folder / "out.xml"
    done = invoke("rule", "test", str(folder), "--junit", str(junit))
    assert done.returncode == 1
    assert "  FAIL two seconds of heat start the pump" in done.stdout
    assert "       step 1, at 0s: timers.thermometer-2: expected for:too-hot 2s, got for:too-hot 3s\n" in done.stdout
    assert "       step 3, at 2s: states.thermometer-2: expected Hot, got Normal\n" in done.stdout
    assert "temperature > limit = true (limit = 32, temperature = 33)\n" in done.stdout
    assert done.stdout.endswith("10 tried, 2 failed\n")
    suites = ElementTree.parse(junit).getroot()
    assert [(suite.get("tests"), suite.get("failures")) for suite in suites] == [("3", "0"), ("3", "0"), ("4", "2")]
    failure = suites[2][0].find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("step 1, at 0s: timers")
    said = json.loads(invoke("rule", "test", str(file), "--json").stdout)
    assert [each["holds"] for each in said] == [False, True, False, True]


def test_one_rule_and_some_words_choose_the_cases(folder: Path) -> None:
    done = invoke("rule", "test", str(folder / "overheat.yaml"), "-k", "moment")
    assert done.stdout == f"{folder}/overheat.test.yaml\n  ok   a moment of heat starts nothing\n1 tried, 0 failed\n"
    assert "no case has 'xyz' in its name" in invoke("rule", "test", str(folder), "-k", "xyz").stderr


def test_a_rule_without_tests_says_where_they_would_be(tmp_path: Path) -> None:
    copy(EXAMPLES / "overheat.yaml", tmp_path)
    assert (
        "they would be in overheat.test.yaml beside it"
        in invoke("rule", "test", str(tmp_path / "overheat.yaml")).stderr
    )
    assert "there are no tests in it" in invoke("rule", "test", str(tmp_path)).stderr


def test_rules_that_work_together_are_tested_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("a", "door", "open", "lamp", "power"), "utf-8")
    (tmp_path / "b.yaml").write_text(rule("b", "door", "open", "fan", "speed", 5), "utf-8")
    text = """
kind: RuleTest
rules: [a.yaml, b.yaml]
cases:
  - case: both see the door
    steps:
      - give: {door: {open: 2}}
        expect:
          states: {door: A}
          rule: b
          actions: [{set: {device: lamp, value: 1}}, {set: {device: fan, value: 5}}]
"""
    (tmp_path / "both.test.yaml").write_text(text, "utf-8")
    done = invoke("rule", "test", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "both.test.yaml").write_text(text.replace("give:", "giv:"), "utf-8")
    told = invoke("rule", "test", str(tmp_path)).stderr
    assert "both.test.yaml: cases[0].steps[0].giv: no such key; did you mean give?" in told
    (tmp_path / "both.test.yaml").write_text(text.replace("b.yaml", "c.yaml"), "utf-8")
    assert "c.yaml: cannot be read" in invoke("rule", "test", str(tmp_path)).stderr


def test_a_rule_that_cannot_be_applied_cannot_be_tested(folder: Path) -> None:
    file = folder / "overheat.yaml"
    file.write_text(file.read_text("utf-8").replace("to: Normal", "to: Norml"), "utf-8")
    done = invoke("rule", "test", str(file))
    assert done.returncode == 1
    assert "did you mean Normal?" in done.stderr


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        gateway.start()
        yield gateway
        assert gateway.is_calm()


def test_what_is_applied_is_looked_at_too_and_a_folder_is_applied_without_its_tests(
    gateway: Gateway, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = invoke("apply", "-f", str(folder), "--url", gateway.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"detector/default/{name} created\n" for name in NAMES)
    other = tmp_path_factory.mktemp("other") / "rest.yaml"
    other.write_text(rule("rest", "house", "mode", "pump-1", "speed", 10), "utf-8")
    assert invoke("rule", "lint", str(other)).stdout == "1 rule: 0 errors, 0 warnings, 0 infos\n"
    done = invoke("rule", "lint", "--server", str(other), "--url", gateway.url)
    assert "and default/overheat speed of default/pump-* = 80" in done.stdout
    assert done.stdout.endswith("1 rule beside 3 applied: 0 errors, 1 warning, 0 infos\n")
    assert invoke("rule", "lint", "--server", str(other), "--url", "http://127.0.0.1:1").returncode == 3


def test_apply_tells_of_an_alarm_that_fights_with_a_rule(gateway: Gateway) -> None:
    gateway.apply(rule("night", "clock", "hour", "siren-*", "sound", 0))
    (line,) = gateway.apply((EXAMPLES / "hot-boiler.yaml").read_text("utf-8"))
    assert line.startswith(
        "alarm/default/hot-boiler created; warning: spec.onRaise[0].set: asks sound of default/siren-1"
    )


def test_apply_tells_of_fights_and_loops_and_refuses_neither(gateway: Gateway) -> None:
    assert gateway.apply(HEAT) == ["detector/default/heat created"]
    (line,) = gateway.apply(AWAY)
    assert line.startswith("detector/default/away created; warning: spec.states.A.onInput.events[0].do[0].set: asks")
    assert "default/heat position of default/valve-* = 100" in line
    first, second = gateway.apply("---".join(LOOP))
    assert first == "detector/default/ping created"
    assert "is part of a loop: default/pong asks x of default/a, default/ping asks x of default/b" in second
    status, _ = gateway.ask("DELETE", "/api/v1/manifests/Detector/default/ping")
    assert status == 204
    assert gateway.apply(LOOP[1]) == ["detector/default/pong unchanged"]
