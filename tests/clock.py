"""Virtual time: an event loop in which nobody waits.

    @in_virtual_time
    async def test_a_timer_fires_after_an_hour() -> None: ...

Time stands still while there is work and jumps to the next thing that waits when there is none. `asyncio.sleep`,
timeouts and `VirtualClock` all go by it. Sockets and threads of the test would not: they live in real time.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

START = 1_795_243_950_000_000
"""Where virtual wall time begins, microseconds UTC."""
STUCK = 2.0
"""Real seconds after which a test that nothing will wake is ended."""


class VirtualClock:
    """The clock of the running loop."""

    def now(self) -> int:
        return START + round(self.monotonic() * 1e6)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SetClock(VirtualClock):
    """One whose wall time somebody sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> int:
        return super().now() + round(self.ahead * 1e6)

    def jump(self, seconds: float) -> None:
        self.ahead += seconds


class SleepingClock:
    """A clock in real time's place that moves by sleeping alone, at once; `slept` keeps what was slept."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self.slept: list[float] = []

    def now(self) -> int:
        return int(self.time * 1e6)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Impatient(self.jump))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _Impatient(selectors.DefaultSelector):
    """Where another selector would wait, this one lets the time pass."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(STUCK if timeout is None else 0)
        if timeout is None and not ready:
            msg = "every task waits for something that nothing will bring"
            raise RuntimeError(msg)
        if timeout and not ready:
            self._jump(timeout)
        return ready


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a `JumpingLoop`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*args, **kwargs))

    # pytest looks through __wrapped__ for the arguments; pytest-asyncio must not find a coroutine function there
    return run
