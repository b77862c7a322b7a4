"""Times in the addresses that Grafana asks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from web.prometheus.api import _time


@pytest.fixture
def _vienna(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Vienna")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_vienna")
@pytest.mark.parametrize(
    "text", ["1795255200", "2026-11-21T10:00:00Z", "2026-11-21T11:00:00+01:00", "2026-11-21T10:00"]
)
def test_a_time_is_of_utc_wherever_the_gateway_stands(text: str) -> None:
    assert _time(text) == 1_795_255_200_000_000
