from __future__ import annotations

import pytest

from tests.clock import SleepingClock


@pytest.fixture
def clock() -> SleepingClock:
    return SleepingClock()
