"""What people do, from the page, the API and the command line: each a stimulus, answered after its commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.telemetry.frame import NAME
from devices.telemetry.leaves import NAMES, is_property
from gateway.core import Core
from gateway.flow import KINDS as STREAMS
from gateway.manifests.documents import documents_of, in_order
from gateway.manifests.registry import Registry
from gateway.manifests.schemas import schema
from gateway.manifests.standing import manifest_of, standing
from rules.alarms import detector as alarms
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Condition
from twins.schema import nearest
from twins.stimuli import Edit, Left, Updated
from twins.values import device_id

_TOLD = 20
"""Of the documents that were applied before one was refused, so many are named."""


class Operations:
    """Implements `web.ports.Commands`."""

    def __init__(
        self,
        core: Core,
        registry: Registry,
        clock: Clock,
        next_cause: Callable[[], str],
        conditions: Callable[[str], tuple[Condition, ...]] | None = None,
    ) -> None:
        self._core = core
        self._registry = registry
        self._clock = clock
        self._next_cause = next_cause
        self._conditions = conditions or registry.conditions

    async def set_desired(self, device: str, values: Mapping[str, str], who: str) -> str:
        twin = self._core.twins.get(device)
        if twin is None:
            known = [t.device for t in self._core.twins]
            raise Rejected(f"there is no device {device[:200]}: {nearest(device, known)}", 404)
        for name in values:
            if twin.declared and name not in twin.declared and name not in twin.properties:
                raise Rejected(f"{device} has no property {name[:NAME]}: {nearest(name, twin.declared)}", 404)
            if name not in twin.declared and not is_property(name):
                raise Rejected(f"{name[:NAME]!r} is no name of a property: {NAMES}")
        now, cause = self._clock.now(), self._next_cause()
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in values.items()}
        outcome = await self._core.ask(Updated(device, cause, now, edits, now, origin="edge"))
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)
        return cause

    async def apply(self, manifest: bytes) -> Sequence[str]:
        """All documents are read before the first is applied; models go first, queries after those that they read.

        A megabyte of YAML takes half a second to read: a thread does that, and messages are answered meanwhile.
        """
        ordered = in_order(await asyncio.to_thread(documents_of, manifest))
        self._registry.check(ordered)
        done: list[str] = []
        for where, data in ordered:
            try:
                done.append(await self._registry.apply(data, where, anew=self._anew))
            except Rejected as error:
                if not done:
                    raise
                raise Rejected(f"{error.reason}; before that: {', '.join(done[-_TOLD:])}", error.code) from None
        return done

    async def objects(self, kind: str, name: str = "") -> Sequence[dict[str, Any]]:
        found = self._registry.bodies(kind)
        if kind == "Device":
            found |= {t.device: manifest_of(t) for t in self._core.twins if not self._registry.is_device(t.device)}
            for device, manifest in found.items():
                if (twin := self._core.twins.get(device)) is not None:
                    manifest["status"] = standing(twin, self._conditions(device))
        elif kind in ("Detector", "Alarm"):
            for each, manifest in found.items():
                if trouble := self._trouble(kind, each):
                    manifest["status"] = {"conditions": [{"reason": "Quarantined", "message": trouble}]}
        elif kind in STREAMS:
            for each, manifest in found.items():
                manifest["status"] = self._core.streams.standing(kind, each)
        elif kind == "DeviceStatus":
            found = {t.device: manifest_of(t, kind) | {"status": standing(t)} for t in self._core.twins}
        if name and name not in found:
            raise Rejected(f"there is no {kind} {name[:200]}: {nearest(name, found)}", 404)
        return [found[name]] if name else list(found.values())

    def _anew(self, kind: str, name: str) -> bool:
        """A rule in quarantine is let out by whoever applies it, changed or not."""
        return bool(self._trouble(kind, name))

    def _trouble(self, kind: str, name: str) -> str:
        """Why a rule is in quarantine, be it written as a detector or as an alarm."""
        if kind not in ("Detector", "Alarm"):
            return ""
        return self._core.rules.trouble(name if kind == "Detector" else alarms.name(name))

    def schema(self, kind: str) -> dict[str, Any]:
        return schema(kind)

    async def delete(self, kind: str, name: str, *, force: bool = False) -> None:
        name = name if "/" in name else device_id("default", name)
        declared = self._registry.is_device(name)
        if kind == "Device" and not declared and self._core.twins.get(name) is not None:
            await self._core.ask(Left(name, self._next_cause(), self._clock.now()))  # it joined by its first message
            return
        await self._registry.delete(kind, name, force=force)
