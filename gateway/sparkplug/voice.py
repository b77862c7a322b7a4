"""Where messages go out: `Messaging`, which hears by the host and so is made after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Messages = Sequence[tuple[str, bytes]]


class Voice(Protocol):
    """Where messages go out."""

    @property
    def connects(self) -> int:
        """Another number after each connection to the broker."""
        ...

    def say(self, messages: Messages) -> None: ...

    def regrant(self) -> None:
        """What devices are granted may be something else now."""
        ...


class Mute:
    """Before there is another: nothing is said."""

    connects = 0

    def say(self, messages: Messages) -> None:
        """Say nothing."""

    def regrant(self) -> None:
        """Nobody was granted anything."""
