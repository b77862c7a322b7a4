"""The part `mqtt`: which broker it takes, and which it will not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import parse
from gateway.messaging import Messaging
from tests.gateway.stage import Stage
from twins.errors import Unavailable


def messaging(text: str, folder: Path) -> Messaging:
    config = parse(text, where="test", folder=folder)
    stage = Stage()
    return Messaging(lambda: config, stage.core, stage.clock, stage.next_cause)


@pytest.mark.parametrize(
    "broker",
    ["", 'listen = "127.0.0.1:0"\nusers_file = "users"'],
    ids=["users wanted", "a users file"],
)
async def test_without_mosquitto_no_broker_without_rights_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str
) -> None:
    monkeypatch.setattr("gateway.ownbroker.find_mosquitto", lambda: None)
    with pytest.raises(Unavailable, match=r"apt-get install mosquitto; or, .* \[broker\] anonymous = true on loopback"):
        await messaging(f"[broker]\n{broker}", tmp_path).run()
