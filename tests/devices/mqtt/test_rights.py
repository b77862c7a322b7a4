from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from devices.mqtt.rights import acl, password_line, topics, users
from devices.telemetry.grants import Topics


def lines_of(user: str, text: str) -> list[str]:
    """What the file says of one user alone."""
    block = text.partition(f"\nuser {user}\n")[2]
    return block.split("\n\n")[0].splitlines()


def test_ten_thousand_devices_share_the_patterns_of_their_twin_topics() -> None:
    text = acl(["plant/pump", "plant/fan"])
    assert text.count("pattern write $hw/events/device/%u/twin/update\n") == 1
    assert "plant" not in text.partition("user plant/pump")[0]


def test_no_right_on_twin_topics_reaches_below_a_verb() -> None:
    rights = [line for line in acl(["plant/pump"]).splitlines() if line.startswith("pattern")]
    assert rights
    assert not any(sign in line for line in rights for sign in "+#")


def test_no_device_may_speak_as_the_cloud_where_it_would_be_obeyed() -> None:
    assert "cloud_updated" in acl(["plant/pump"])
    assert "cloud_updated" not in acl(["plant/pump"], strict=True)


@pytest.mark.parametrize("user", ["pump", "default/pump"])
def test_a_device_may_send_plain_telemetry_of_its_own(user: str) -> None:
    assert lines_of(user, acl([user])) == ["topic write gemelo/telemetry/default/pump/#"]


@pytest.mark.parametrize("name", ["+", "a/#", "a+b", "", "a/b/c", "/a", "a/"])
def test_a_name_that_would_be_a_right_on_others_topics_gets_no_line(name: str) -> None:
    assert f"user {name}\n" not in acl([name])


def test_extra_rights_follow() -> None:
    assert acl([], "user spare\ntopic read #\n").endswith("user spare\ntopic read #\n")


def test_a_device_is_told_its_topics() -> None:
    own = topics("plant/pump", lambda device: Topics((f"meters/{device}",), ("meters/set",)))
    assert "$hw/events/device/plant/pump/twin/update" in own.writes
    assert "gemelo/telemetry/plant/pump/#" in own.writes
    assert not any("cloud_updated" in topic for topic in own.writes)
    assert "$hw/events/device/plant/pump/twin/update/delta" in own.reads
    assert (own.writes[-1], own.reads[-1]) == ("meters/plant/pump", "meters/set")


@pytest.mark.parametrize("user", ["pump", "default/pump"])
def test_what_a_device_is_granted_is_of_its_id_whichever_name_it_logs_in_by(user: str) -> None:
    text = acl([user], granted=lambda device: Topics((f"meters/{device}",), (f"set/{device}",)))
    more = ["topic write meters/default/pump", "topic read set/default/pump"]
    assert lines_of(user, text) == ["topic write gemelo/telemetry/default/pump/#", *more]


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
