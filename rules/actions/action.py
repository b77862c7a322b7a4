"""One thing that a rule does."""

from __future__ import annotations

from typing import Protocol

from rules.expression import Expression
from rules.turn import Turn


class Action(Protocol):
    """One thing to do; `label` is where it stands in the manifest. What has no usable value is noted, and not done."""

    label: str

    def perform(self, turn: Turn) -> None: ...

    def expressions(self) -> list[Expression]: ...
