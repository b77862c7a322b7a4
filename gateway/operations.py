"""What people do, from the page, the API and the command line: each a stimulus, answered after its commit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from gateway.core import Core
from gateway.registry import Registry
from runtime.clock import Clock
from twins.errors import Rejected
from twins.schema import nearest
from twins.stimuli import Edit, Left, Updated
from twins.values import device_id

DEPTH = 64
"""Collections within collections."""
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
        name = name if "/" in name else device_id("default", name)
        declared = any(known == name for known, _ in self._registry.of(kind))
        if kind == "Device" and not declared and self._core.twins.get(name) is not None:
            await self._core.ask(Left(name, self._next_cause(), self._clock.now()))  # it joined by its first message
            return
        await self._registry.delete(kind, name)


def documents_of(text: bytes, where: str = "manifest") -> list[tuple[str, object]]:
    """YAML or JSON documents with the place each stands at; a List is taken apart. Raises `Rejected` for bad YAML."""
    found: list[tuple[str, object]] = []
    try:
        _check_form(text, where)
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


def _check_form(text: bytes, where: str) -> None:
    """Raise `Rejected` for aliases, and for what is nested so deeply that it would overflow the parser's own stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Rejected(f"{where}: line {line}: aliases are not taken: they let a small text grow without bound")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                raise Rejected(f"{where}: nested more than {DEPTH} deep: that is no manifest we take")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _story(error: Exception) -> str:
    """What is wrong with a text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', '')}"


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without dates, which are text to us, and with YAML 1.2's booleans: `ON` and `no` are words of devices."""


_OURS = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _OURS]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), ["t", "T", "f", "F"]
)
