"""`gemelo rule import`, as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from rules.manifest.detector import decode
from tests.gateway.process import ROOT, Gateway, gemelo

KILN = ROOT / "docs" / "examples" / "iotevents" / "kiln.json"
FORMULA = "$input.KilnReading.sensors.temperature"


def test_a_model_is_written_as_a_rule_and_the_report_names_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "kiln.yaml"
    said = ("--input", "KilnReading.sensors.temperature=kiln-*/temperature")
    done = gemelo("rule", "import", str(KILN), "-o", str(file), *said)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.endswith("kiln.json: Detector kiln-watch: 13 taken, 6 differs, 3 not taken")
    assert any(row.startswith("NOT TAKEN  coded") and "operations on bits" in row for row in rows)
    detector = decode(yaml.safe_load(file.read_text("utf-8")))
    assert detector.spec.inputs["temperature"].device == "kiln-*"


def test_without_a_file_the_rule_goes_to_standard_output_and_the_report_beside_it() -> None:
    done = gemelo("rule", "import", str(KILN), "-n", "works", "--key", "all-kilns")
    assert decode(yaml.safe_load(done.stdout)).id == "works/kiln-watch"
    assert "Detector kiln-watch" in done.stderr
    done = gemelo("rule", "import", str(KILN), "--json")
    (told,) = json.loads(done.stdout)["rules"]
    assert (told["manifest"]["kind"], told["faults"], done.stderr) == ("Detector", [], "")
    assert {each["verdict"] for each in told["findings"]} == {"taken", "differs", "not taken"}


def test_what_is_no_model_is_refused_in_one_line_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(KILN.read_text("utf-8").replace('"nextState": "Broken"', '"nextState": "Borken"'), "utf-8")
    done = gemelo("rule", "import", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"gemelo: {file}: detectorModelDefinition.states[1].onInput.transitionEvents[1].nextState"
    )
    assert done.stderr.endswith("did you mean Broken?\n")
    assert gemelo("rule", "import", str(tmp_path / "none.json")).stderr.endswith(
        "cannot be read: No such file or directory\n"
    )


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "again.json"
    file.write_text(KILN.read_text("utf-8").replace('"KilnWatch"', '"kiln_watch"'), "utf-8")
    done = gemelo("rule", "import", str(KILN), str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Detector kiln-watch is in {KILN} too" in done.stderr


def test_a_rule_that_would_be_refused_is_written_and_named_and_never_applied(tmp_path: Path) -> None:
    file, rule = tmp_path / "odd.json", tmp_path / "odd.yaml"
    file.write_text(KILN.read_text("utf-8").replace("kilns/siren", "kilns/+"), "utf-8")
    done = gemelo("rule", "import", str(file), "-o", str(rule))
    assert (done.returncode, rule.exists()) == (1, True)
    assert "MEND" in done.stdout
    assert "is no topic to publish on" in done.stdout
    assert gemelo("rule", "import", str(file), "--apply", GEMELO_URL="http://127.0.0.1:1").returncode == 1


def test_an_imported_rule_is_applied_and_decides(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.start()
        done = gemelo("rule", "import", str(KILN), "--apply", "--url", gateway.url)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "detector/default/kiln-watch created"
        found = json.loads(gemelo("get", "rules", "kiln-watch", "-o", "json", "--url", gateway.url).stdout)
        assert found["spec"]["initial"] == "Safe"
        assert gateway.is_calm()
