"""Who may be which phone, and which doors are not opened at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from devices.offload.access import Access, tokens
from devices.offload.config import OffloadConfig
from devices.offload.server import OffloadDoor
from tests.devices.offload.doubles import Light, MemoryIntake, ShiftedClock
from twins.errors import Rejected

ONE, ALL = (hashlib.sha256(token).hexdigest() for token in (b"one", b"all"))
TLS: dict[str, Any] = {"cert_file": Path("c"), "key_file": Path("k")}


def test_a_tokens_file_names_devices_and_the_digests_of_their_tokens() -> None:
    found = tokens(f"# phones\nphone-1  {ONE.upper()}  # the first\n\n* {ALL}\n")
    assert found == {"phone-1": ONE, "*": ALL}
    Access(found).check([("authorization", "Bearer one")], "phone-1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no token in it"),
        ("# later\n", "there is no token in it"),
        (f"\nphone-1 {ONE} more", "line 2 is not `device sha256`"),
        ("phone-1 secret", "printf %s TOKEN | sha256sum"),
        (f"Phone {ONE}", "line 1 is not"),
        (f"a {ONE}\na {ALL}", "line 2: a has a token already"),
    ],
)
def test_a_tokens_file_that_cannot_be_meant_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        tokens(text)
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({}, "set cert_file and key_file, and tokens_file or client_ca_file, or listen on 127.0.0.1"),
        ({"tokens": {"*": ALL}}, "set cert_file and key_file, or listen"),
        (TLS, "set tokens_file or client_ca_file, or listen"),
        ({"cert_file": Path("c")}, "go together"),
        ({"client_ca_file": Path("a")}, "client_ca_file needs TLS"),
    ],
)
@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051", "edge-1:50051"])
async def test_a_door_that_the_network_could_open_is_not_opened(
    intake: MemoryIntake, light: Light, clock: ShiftedClock, listen: str, keys: dict[str, Any], reason: str
) -> None:
    door = OffloadDoor(OffloadConfig(listen=listen, **keys), intake, light, clock, lambda: "c")
    with pytest.raises(Rejected) as refused:
        await door.run()
    assert reason in refused.value.reason
    assert not door.ready.is_set()


@pytest.mark.parametrize(
    "config",
    [
        OffloadConfig(listen="127.0.0.1:0"),
        OffloadConfig(listen="[::1]:0"),
        OffloadConfig(listen="localhost:0", tokens={"*": ALL}),
        OffloadConfig(listen="0.0.0.0:0", tokens={"*": ALL}, **TLS),
        OffloadConfig(listen="0.0.0.0:0", client_ca_file=Path("a"), **TLS),
    ],
)
def test_a_locked_door_may_be_open_to_the_network_and_an_unlocked_one_to_this_machine(config: OffloadConfig) -> None:
    config.check()
