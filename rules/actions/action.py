"""One thing that a rule does."""

from __future__ import annotations

from typing import Protocol

from rules.expression import Expression
from rules.turn import Turn


class Action(Protocol):
    """One thing to do. What has no usable value is not done, and is noted."""

    label: str

    def perform(self, turn: Turn) -> None: ...

    def expressions(self) -> list[Expression]: ...
