from __future__ import annotations

from pathlib import Path

import pytest

from devices.mqtt.credentials import Credentials
from tests.clock import VirtualClock, in_virtual_time
from twins.errors import Rejected


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def kept(file: Path) -> Credentials:
    credentials = Credentials(file, VirtualClock())
    assert credentials.load() == ""
    return credentials


def holds(file: Path, *secrets: str) -> bool:
    """Whether the file has one of these in it, or is for others to read."""
    text = file.read_text()
    return any(secret in text for secret in secrets) or file.stat().st_mode & 0o777 != 0o600


@in_virtual_time
async def test_what_was_saved_is_there_after_a_start_and_no_secret_is_in_the_file(file: Path) -> None:
    credentials = kept(file)
    password = credentials.give_password("plant/pump")
    code, _ = credentials.give_code("plant/fan", 60)
    credentials.give_certificate("plant/door", "a1", VirtualClock().now() + 1)
    await credentials.save()
    assert not holds(file, password, code, code.replace("-", ""))
    again = kept(file)
    assert again.logins() == credentials.logins()
    assert again.use_code(code) == "plant/fan"


@in_virtual_time
async def test_a_code_is_good_once_however_it_is_typed(file: Path) -> None:
    credentials = kept(file)
    code, _ = credentials.give_code("a/b", 60)
    assert credentials.use_code(f" {code.lower().replace('-', '')} ") == "a/b"
    with pytest.raises(Rejected, match="it was used") as refused:
        credentials.use_code(code)
    assert refused.value.code == 403


@in_virtual_time
async def test_a_code_is_good_until_its_time_is_over(file: Path) -> None:
    credentials = kept(file)
    code, until = credentials.give_code("a/b", 60)
    await VirtualClock().sleep(60)
    assert until <= VirtualClock().now()
    assert not list(credentials.codes())
    with pytest.raises(Rejected, match="its time is over"):
        credentials.use_code(code)


@in_virtual_time
async def test_a_newer_code_takes_the_place_of_an_older_one(file: Path) -> None:
    credentials = kept(file)
    first, _ = credentials.give_code("a/b", 60)
    second, _ = credentials.give_code("a/b", 60)
    with pytest.raises(Rejected):
        credentials.use_code(first)
    assert credentials.use_code(second) == "a/b"


@in_virtual_time
async def test_a_certificate_that_is_replaced_stands_among_the_revoked_until_it_has_ended(file: Path) -> None:
    credentials, now = kept(file), VirtualClock().now()
    credentials.give_certificate("a/b", "a1", now + 10_000_000)
    credentials.give_certificate("a/b", "b2", now + 99_000_000)
    assert credentials.revoked() == {"a1": now + 10_000_000}
    credentials.remove("a/b")
    assert set(credentials.revoked()) == {"a1", "b2"}
    await VirtualClock().sleep(11)
    assert set(credentials.revoked()) == {"b2"}


@in_virtual_time
async def test_a_device_of_the_default_namespace_has_two_user_names_but_never_the_gateways(file: Path) -> None:
    credentials = kept(file)
    for device in ("default/pump", "plant/fan", "default/gemelo"):
        credentials.give_password(device)
    assert set(credentials.logins()) == {"default/pump", "pump", "plant/fan", "default/gemelo"}


def test_a_damaged_file_is_set_aside_and_told(file: Path) -> None:
    file.write_text("{")
    credentials = Credentials(file, VirtualClock())
    assert "give each device a new one" in credentials.load()
    assert credentials.logins() == {}
    assert file.with_suffix(".damaged").read_text() == "{"
