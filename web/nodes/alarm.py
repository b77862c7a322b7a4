"""What a person has to hear of other nodes, each thing once a minute: a flood of attempts is one."""

from __future__ import annotations

from collections.abc import Callable

from runtime.clock import Clock

_AGAIN = 60.0
_MOST = 256


class Alarm:
    """`warn` takes which node it is about, empty for a stranger, and a sentence."""

    def __init__(self, clock: Clock, warn: Callable[[str, str], None]) -> None:
        self._clock = clock
        self._warn = warn
        self._told: dict[tuple[str, str], float] = {}

    def tell(self, who: str, words: str) -> None:
        now = self._clock.monotonic()
        if now - self._told.get((who, words), -_AGAIN) < _AGAIN:
            return
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[who, words] = now
        self._warn(who, words)
