"""All manifests of this node: kind → schema → journal → watchers. Command line, API and cloud all go through it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from gateway.committed import Committed
from gateway.manifests.declarations import Declarations
from gateway.manifests.kinds import KINDS, Kind
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Condition, Outcome
from twins.liveness import ATTENDED
from twins.manifests import owned
from twins.schema import nearest
from twins.stimuli import Applied, Joined, Left, Stimulus
from twins.values import NAME_RULE, Origin, device_id, is_name

logger = logging.getLogger(__name__)

Watcher = Callable[[str, Any], None]
Anew = Callable[[str, str], bool]


class Offer(Protocol):
    """Where stimuli go, and what becomes of them."""

    async def __call__(self, *stimuli: Stimulus) -> Outcome: ...


IGNORED = "DeviceStatus"
"""The kind that devices make themselves: it is read, and not kept."""


class Registry:
    """The manifests that hold now. Changes pass the sequencer, so a manifest and its effect are one commit.

    It listens to the core that `offer` leads to: what was committed holds, and nothing else.
    """

    def __init__(
        self, offer: Offer, clock: Clock, next_cause: Callable[[], str], kinds: dict[str, Kind] = KINDS
    ) -> None:
        self._kinds = kinds
        self._offer = offer
        self._clock = clock
        self._next_cause = next_cause
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._objects: dict[tuple[str, str], Any] = {}
        self._declarations = Declarations(self._objects)
        self._watchers: dict[str, list[Watcher]] = {}
        self._unread: set[tuple[str, str]] = set()
        self._turn = asyncio.Lock()  # what a manifest means depends on those that hold, so one comes after the other

    def watch(self, kind: str, watcher: Watcher) -> None:
        """Call `watcher(name, manifest)` for each manifest of a kind, now and on each change; `None` when deleted."""
        self._watchers.setdefault(kind, []).append(watcher)
        for name, manifest in list(self.of(kind)):
            watcher(name, manifest)

    def of(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Name and manifest of each object of a kind."""
        return ((name, m) for (k, name), m in self._objects.items() if k == kind)

    @property
    def manifests(self) -> dict[tuple[str, str], bytes]:
        """All manifests as they are kept, by kind and name."""
        return dict(self._bodies)

    def bodies(self, kind: str) -> dict[str, dict[str, Any]]:
        """All objects of a kind as they were written, by name."""
        self._known(kind)
        return {name: msgspec.json.decode(body) for (k, name), body in self._bodies.items() if k == kind}

    def is_device(self, name: str) -> bool:
        """True for what a manifest declares to be a device, of whatever kind."""
        return any((kind, name) in self._bodies for kind, each in self._kinds.items() if _has_twin(kind, each))

    def body(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object as it was written."""
        body = self._bodies.get((kind, name))
        return None if body is None else dict(msgspec.json.decode(body))

    def restore(self, manifests: dict[tuple[str, str], bytes]) -> list[str]:
        """Take up what the journal kept; returns what could not be read, in words."""
        faults = []
        for (kind, name), body in manifests.items():
            try:
                self._keep(kind, name, body, self._kinds[kind].understand(body, f"{kind} {name}"))
            except (Rejected, KeyError, msgspec.DecodeError) as error:
                self._unread.add((kind, name))
                faults.append(f"{kind} {name} was kept by another version and can't be read: {error}")
        return faults

    def unread(self, kind: str) -> set[str]:
        """Names of this kind whose manifests could not be read at the start, and were not applied since."""
        return {name for k, name in self._unread if k == kind and (k, name) not in self._objects}

    async def rejoin(self, known: Callable[[str], bool]) -> None:
        """Let devices join again that have a manifest and no twin any more: their twin could not be read back."""
        lost = [
            effect
            for (kind, name), manifest in self._objects.items()
            if (kind == "Device" or self._kinds[kind].is_device) and not known(name)
            for effect in self._effects(kind, name, manifest, "edge")
        ]
        if lost:
            await self._offer(*lost)

    async def apply(self, data: object, where: str, *, origin: Origin = "edge", anew: Anew | None = None) -> str:
        """Apply one manifest; says what was done. Raises `Rejected` with path, reason and nearest valid name.

        One that is the same is applied again where `anew(kind, name)` says so. What a cluster added to its metadata,
        and its status, are left out.
        """
        kind, name, manifest, own = self._decoded(data, where)
        if kind == IGNORED:
            return f"{kind.lower()}/{name} ignored: it is made by what the device reports"
        async with self._turn:
            self._declarations.check(manifest, where)
            again = anew is not None and anew(kind, name)
            return await self._apply(kind, name, manifest, own, where, origin, again=again)

    def check(self, documents: Sequence[tuple[str, object]]) -> None:
        """Raise what `apply` would raise for the first bad one of documents `(where, data)` that go together."""
        read = [(where, *self._decoded(data, where)) for where, data in documents]
        coming: dict[tuple[str, str], object] = {(kind, name): manifest for _, kind, name, manifest, _ in read}
        for where, _, _, manifest, _ in read:
            self._declarations.check(manifest, where, coming)

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """What keeps a device from being what its manifest says."""
        return self._declarations.conditions(device)

    def tell(self, committed: Committed) -> None:
        """Take up what was committed, be it after whoever applied it had given up waiting."""
        for applied in committed.applied:
            self.learned(applied.kind, applied.name, applied.body)

    def learned(self, kind: str, name: str, body: bytes | None) -> None:
        """Take up a manifest that was committed; that it holds already is no news."""
        if (kind, name) in self._objects and self._bodies.get((kind, name)) == body:
            return
        if body is None:
            self._bodies.pop((kind, name), None)
            if self._objects.pop((kind, name), None) is not None:
                self._declarations.forget(kind, name)
                self._tell(kind, name, None)
            return
        try:
            manifest = self._known(kind).understand(body, f"{kind} {name}")
        except (Rejected, msgspec.DecodeError) as error:
            logger.warning("a manifest is kept, but not understood: %s", error)
            return
        self._keep(kind, name, body, manifest)

    async def delete(self, kind: str, name: str, *, force: bool = False) -> str:
        """Delete a manifest and what it stands for; of the cloud's only by force.

        Raises `Rejected`: 404 when there is none, 409 when it is the cloud's.
        """
        self._known(kind)
        async with self._turn:
            return await self._delete(kind, name, force=force)

    async def _apply(
        self, kind: str, name: str, manifest: Any, data: dict[str, Any], where: str, origin: Origin, *, again: bool
    ) -> str:
        known = self._bodies.get((kind, name))
        if known is not None and owned(msgspec.json.decode(known)) == data and not again:
            return f"{kind.lower()}/{name} unchanged{self._declarations.remark(kind, name)}"
        self._refuse_clouds(kind, name, "apply it there")
        body = msgspec.json.encode(data)
        stimuli: list[Stimulus] = [self._applied(kind, name, body)]
        stimuli += self._effects(kind, name, manifest, origin)
        outcome = await self._offer(*stimuli)
        if outcome.refused is not None:
            raise Rejected(f"{where}: {outcome.refused}", outcome.code or 400)
        done = "created" if known is None else "configured"
        return f"{kind.lower()}/{name} {done}{self._declarations.remark(kind, name)}"

    async def _delete(self, kind: str, name: str, *, force: bool) -> str:
        if (kind, name) not in self._bodies:
            names = [n for k, n in self._bodies if k == kind]
            raise Rejected(f"there is no {kind} {name}: {nearest(name, names)}", 404)
        if not force:
            self._refuse_clouds(kind, name, "delete it there; when it is gone there, delete it here by force (--force)")
        stimuli: list[Stimulus] = [self._applied(kind, name, None)]
        if _has_twin(kind, self._kinds[kind]):
            stimuli.append(Left(name, self._next_cause(), self._clock.now()))
        outcome = await self._offer(*stimuli)
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code or 400)
        return f"{kind.lower()}/{name} deleted"

    def _refuse_clouds(self, kind: str, name: str, advice: str) -> None:
        """Raise `Rejected` (409) for what the cloud manages: a change made here would cut the device off from it."""
        held = self._objects.get((kind, name))
        if held is not None and getattr(held.metadata, "uid", None):
            raise Rejected(f"{kind} {name} is managed by the cloud: {advice}", 409)

    def _decoded(self, data: object, where: str) -> tuple[str, str, Any, dict[str, Any]]:
        """Kind, name, the manifest, and its data without what others than its author put in."""
        if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
            raise Rejected(f"{where}: no manifest: it needs apiVersion, kind, metadata and spec")
        kind = data["kind"]
        own = owned(data)
        manifest = self._known(kind, where).decode(own, where)
        metadata = manifest.metadata
        for field in ("namespace", "name"):
            value = str(getattr(metadata, field))
            if not is_name(value):
                raise Rejected(f"{where}: metadata.{field}: {value[:80]!r} is no name: {NAME_RULE}")
        return kind, device_id(metadata.namespace, metadata.name), manifest, own

    def _known(self, kind: str, where: str = "") -> Kind:
        found = self._kinds.get(kind)
        if found is None:
            raise Rejected(f"{where or 'kind'}: no kind {kind[:80]}: {nearest(kind, self._kinds)}", 404)
        return found

    def _effects(self, kind: str, name: str, manifest: Any, origin: Origin) -> list[Stimulus]:
        """What a manifest means for the twins."""
        told, now = self._declarations, self._clock.now()
        if kind == "Device":
            return [told.joined(manifest, told.model_of(manifest), origin, self._next_cause(), now)]
        if kind == "DeviceModel":
            return [told.joined(d, manifest, origin, self._next_cause(), now) for d in told.users(name)]
        if self._kinds[kind].is_device:
            description = manifest.metadata.labels.get("description", kind.lower())
            properties = getattr(manifest, "properties", {})
            model = kind.lower()
            return [Joined(name, self._next_cause(), now, properties, description, model, origin, ATTENDED)]
        return []

    def _applied(self, kind: str, name: str, body: bytes | None) -> Applied:
        return Applied("", self._next_cause(), self._clock.now(), kind, name, body)

    def _keep(self, kind: str, name: str, body: bytes, manifest: Any) -> None:
        self._bodies[kind, name] = body
        self._objects[kind, name] = manifest
        self._declarations.forget(kind, name)
        self._tell(kind, name, manifest)

    def _tell(self, kind: str, name: str, manifest: Any) -> None:
        for watcher in self._watchers.get(kind, ()):
            watcher(name, manifest)


def _has_twin(name: str, kind: Kind) -> bool:
    return name == "Device" or kind.is_device
