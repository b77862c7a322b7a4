from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from runtime.notify import Notify


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_ready_status_and_stopping(tmp_path: Path, abstract: bool) -> None:
    address = f"@gemelo-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0", 1) if abstract else address)
        systemd.settimeout(5)
        notify = Notify.from_environment({"NOTIFY_SOCKET": address})
        notify.ready("20 devices\nonline")
        notify.status("21 devices")
        notify.stopping()
        assert [systemd.recv(200).decode() for _ in range(3)] == [
            "READY=1\nSTATUS=20 devices online",
            "STATUS=21 devices",
            "STOPPING=1",
        ]


def test_the_watchdog_may_be_meant_for_another_process() -> None:
    ours = {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notify.from_environment(ours).watchdog == 3.0
    assert Notify.from_environment(ours | {"WATCHDOG_PID": "1"}).watchdog is None
    assert Notify.from_environment({}).watchdog is None


async def test_a_gateway_that_does_not_live_does_not_beat(tmp_path: Path) -> None:
    slept: list[float] = []
    lives = iter([True, False, True])

    class Clock:
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                raise asyncio.CancelledError

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        with pytest.raises(asyncio.CancelledError):
            await Notify(str(tmp_path / "notify"), 10.0).beat(lambda: next(lives), Clock())
        assert [systemd.recv(200), systemd.recv(200)] == [b"WATCHDOG=1"] * 2
        with pytest.raises(BlockingIOError):
            systemd.recv(200)
    assert slept == [5.0, 5.0, 5.0]
    await Notify().beat(lambda: True, Clock())


def test_nobody_to_tell_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notify().ready()
    Notify(str(tmp_path / "gone")).ready()
    assert "was not told READY=1" in caplog.text
