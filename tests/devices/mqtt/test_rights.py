from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from devices.mqtt.rights import acl, password_line, users


def test_a_device_has_rights_on_its_own_topics_alone() -> None:
    text = acl(["plant/pump"])
    assert "user plant/pump\ntopic write $hw/events/device/plant/pump/twin/update" in text
    rights = text.partition("user plant/pump")[2]
    roots = {line.split()[2].rsplit("/pump/")[0] for line in rights.splitlines() if line}
    assert roots == {"$hw/events/device/plant", "gemelo/telemetry/plant"}


def test_a_device_may_send_plain_telemetry_of_its_own() -> None:
    assert "topic write gemelo/telemetry/default/pump/#" in acl(["pump"])
    assert "gemelo" not in acl(["a/#"]).partition("user a/#")[2]


def test_the_default_namespace_has_the_short_topics_too() -> None:
    assert "topic write $hw/events/device/pump/twin/update" in acl(["pump"])
    assert "topic write $hw/events/device/pump/twin/update" in acl(["default/pump"])


@pytest.mark.parametrize("name", ["+", "a/#", "a+b", ""])
def test_a_name_with_a_wildcard_gets_no_rights(name: str) -> None:
    assert "$hw/events" not in acl([name])


def test_extra_rights_follow() -> None:
    assert acl([], "user spare\ntopic read #\n").endswith("user spare\ntopic read #\n")


def test_users_are_read_from_a_password_file() -> None:
    assert users("# people\nplant/pump:$7$101$a$b\n\nd1:$7$101$c$d\n") == ["plant/pump", "d1"]


def test_mosquittos_own_tool_knows_our_lines(tmp_path: Path) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    file = tmp_path / "passwords"
    file.write_text(password_line("d1", "x", b"123456789012") + "\n")
    subprocess.run([tool, "-D", str(file), "d1"], check=True)
    assert file.read_text() == ""
