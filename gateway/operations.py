"""What people do, from the page, the API and the command line: each a stimulus, answered after its commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import yaml

from gateway.core import Core
from gateway.registry import Registry
from runtime.clock import Clock
from twins.errors import Rejected
from twins.schema import nearest
from twins.stimuli import Edit, Updated
from twins.values import device_id

MANIFESTS = 10_000
"""Documents in one call."""


class Operations:
    """Implements `web.ports.Commands`."""

    def __init__(self, core: Core, registry: Registry, clock: Clock, next_cause: Callable[[], str]) -> None:
        self._core = core
        self._registry = registry
        self._clock = clock
        self._next_cause = next_cause

    async def set_desired(self, device: str, name: str, value: str, who: str) -> str:
        twin = self._core.twins.get(device)
        if twin is None:
            known = [t.device for t in self._core.twins]
            raise Rejected(f"there is no device {device}: {nearest(device, known)}", 404)
        if twin.declared and name not in twin.declared and name not in twin.properties:
            raise Rejected(f"{device} has no property {name}: {nearest(name, twin.declared)}", 404)
        now, cause = self._clock.now(), self._next_cause()
        update = Updated(device, cause, now, {name: Edit(desired=value)}, now, origin="edge")
        outcome = await self._core.ask(update)
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)
        return cause

    async def apply(self, manifest: bytes) -> Sequence[str]:
        """All documents are read before the first is applied; models go before the devices that use them."""
        documents = documents_of(manifest)
        ordered = sorted(documents, key=lambda d: isinstance(d[1], dict) and d[1].get("kind") != "DeviceModel")
        for where, data in ordered:
            self._registry.check(data, where)
        return [await self._registry.apply(data, where) for where, data in ordered]

    async def objects(self, kind: str) -> Sequence[dict[str, Any]]:
        return self._registry.bodies(kind)

    async def delete(self, kind: str, name: str) -> None:
        await self._registry.delete(kind, name if "/" in name else device_id("default", name))


def documents_of(text: bytes, where: str = "manifest") -> list[tuple[str, object]]:
    """YAML or JSON documents with the place each stands at; a List is taken apart. Raises `Rejected` for bad YAML."""
    if text.count(b"&") > 1000:
        raise Rejected(f"{where}: more than 1000 anchors or ampersands: that is no manifest we take")
    found: list[tuple[str, object]] = []
    try:
        for number, document in enumerate(yaml.load_all(text, Loader=_Loader), 1):
            if document is None:
                continue
            items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else None
            for item in items if isinstance(items, list) else [document]:
                found.append((f"{where}#{number}", item))
                if len(found) > MANIFESTS:
                    raise Rejected(f"{where}: more than {MANIFESTS} documents; apply them in parts")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Rejected(f"{where}: not YAML: {_story(error)}") from None
    return found


def _story(error: Exception) -> str:
    """What is wrong with a text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', '')}"


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases (they can grow a small text without bound) and without dates (they are text to us)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.constructor.ConstructorError(None, None, "aliases are not taken", event.start_mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
