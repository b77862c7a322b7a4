"""What is wrong with properties of a device now, by what was tried with them."""

from __future__ import annotations

import logging
from collections.abc import Container
from typing import Literal

from twins.errors import Rejected

logger = logging.getLogger(__name__)

SHOWN = 3
"""Faults that a reason names; the rest is counted."""

Verb = Literal["read", "write", "save"]


class Faults:
    """Each is logged when it changes, with where it broke if that was not foreseen."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._known: dict[tuple[Verb, str], str] = {}

    @property
    def reason(self) -> str:
        """All of them in words; empty when nothing is wrong."""
        whys = [f"{name}: {why}" for (_, name), why in self._known.items()]
        more = f", and {len(whys) - SHOWN} more" if len(whys) > SHOWN else ""
        return "; ".join(whys[:SHOWN]) + more

    def judge(self, verb: Verb, name: str, fault: Rejected | None) -> None:
        """What came of trying; `None` when it went well."""
        if fault is None:
            self._known.pop((verb, name), None)
            return
        if self._known.get((verb, name)) != fault.reason:
            logger.warning("%s: %s: %s", self._device, name, fault.reason, exc_info=fault.__cause__)
        self._known[verb, name] = fault.reason

    def keep(self, names: Container[str]) -> None:
        """Forget those of all other properties."""
        self._known = {(verb, name): why for (verb, name), why in self._known.items() if name in names}
