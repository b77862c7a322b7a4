"""Other gateways: which there are, who we are to them, and the door by which they ask."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.config import Config, address
from gateway.core import Core
from gateway.manifests.registry import Registry
from runtime.clock import Clock
from store.sql.service import Sql
from twins.exchange import Encoded, Event
from twins.stimuli import Noted
from web.listener import Listener
from web.nodes.alarm import Alarm
from web.nodes.door import DoorCounts, NodeDoor
from web.nodes.identity import Identity
from web.nodes.manifest import Group, Node, Position
from web.nodes.members import Place, named, place

_FRESH = 1.0
"""Seconds in which the newest points are not looked for again: each of some 10,000 series takes its time."""
_MOST = 64
Run = Callable[[], Awaitable[None]]


class Nodes:
    """The part `nodes`. `answer` and `newest` are this node's own, as `web.nodes.door.Answerer` wants them."""

    def __init__(
        self,
        config: Callable[[], Config],
        sql: Sql,
        registry: Registry,
        core: Core,
        clock: Clock,
        next_cause: Callable[[], str],
    ) -> None:
        self._config = config
        self._sql = sql
        self._registry = registry
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        node = config().node
        self.identity = Identity(config().store.path / "node", node.name, clock)
        self.alarm = Alarm(clock, self._warn)
        self.counts = DoorCounts()
        labels = named(node.labels, node.name, node.site)
        position = None
        if node.latitude is not None and node.longitude is not None:
            position = Position(node.latitude, node.longitude)
        self.own = Place(node.name, labels, position)
        self._newest: dict[tuple[tuple[str, ...], ...], tuple[float, int]] = {}
        self._door: NodeDoor | None = None

    @property
    def places(self) -> list[Place]:
        """This gateway and all others it knows."""
        others = (node for _, node in self._registry.of("Node"))
        return [self.own, *(place(node) for node in others if node.metadata.name != self.own.name)]

    @property
    def groups(self) -> dict[str, Group]:
        return {group.metadata.name: group for _, group in self._registry.of("Group")}

    def apply(self, _name: str, _manifest: Node | None) -> None:
        """A manifest of a node came, changed or went."""
        if self._door is not None:
            self._door.know(node for _, node in self._registry.of("Node"))

    def door(self, config: Config) -> Run | None:
        """The door for other nodes; `None` when it is off."""
        endpoint = address(config.nodes.listen)
        if endpoint is None:
            return None

        def listener(tls: ssl.SSLContext) -> Listener:
            return Listener(endpoint, tls, what="the door for nodes", key="[nodes] listen")

        door = NodeDoor(listener, self.identity, self, self.alarm, self.counts)

        async def run() -> None:
            self._door = door
            self.apply("", None)
            await door.run()

        return run

    async def answer(self, text: str, rights: Sequence[Sequence[str]], *, deadline: float, limit: int) -> Encoded:
        """An Arrow stream of what all these rights allow. Raises Rejected or Unavailable."""
        narrowed = await self._sql.prepared(lambda: _restricted(text, rights))
        return await self._sql.encoded(narrowed, form="arrow", deadline=deadline, limit=limit)

    def newest(self, rights: Sequence[Sequence[str]]) -> int:
        """The time of the newest point that these rights allow, in microseconds; 0 for none."""
        key, now = tuple(map(tuple, rights)), self._clock.monotonic()
        looked, at = self._newest.get(key, (-_FRESH, 0))
        if now - looked < _FRESH:
            return at
        from store.sql.rights import ALL, allows

        everything = all(ALL in patterns for patterns in rights)
        found = (one.at for one in self._sql.latest() if everything or allows(rights, f"{one.device}/{one.property}"))
        at = max(found, default=0)
        if len(self._newest) >= _MOST:
            self._newest.clear()
        self._newest[key] = (now, at)
        return at

    def manifest(self) -> dict[str, Any]:
        """This gateway as others may take it up."""
        config = self._config()
        metadata: dict[str, Any] = {"name": self.own.name}
        if config.node.labels:
            metadata["labels"] = dict(config.node.labels)
        spec: dict[str, Any] = {}
        if url := config.nodes.url or _url(config.nodes.listen):
            spec["url"] = url
        if config.node.site:
            spec["site"] = config.node.site
        if self.own.position is not None:
            spec["position"] = {"latitude": self.own.position.latitude, "longitude": self.own.position.longitude}
        spec |= {"fingerprint": self.identity.fingerprint, "certificate": self.identity.certificate}
        return {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Node", "metadata": metadata, "spec": spec}

    def _warn(self, who: str, words: str) -> None:
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:node", now, "security", f"node/{who}" if who else "node", "warning", words, cause)
        self._core.offer_nowait((Noted("", cause, now, event),))


def _url(listen: str) -> str:
    """Where others reach what listens there; of all addresses, by this machine's name."""
    host, port = address(listen) or ("", 0)
    if host in {"0.0.0.0", "::"}:
        host = socket.gethostname()
    return f"https://{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def _restricted(text: str, rights: Sequence[Sequence[str]]) -> str:
    from store.sql.rights import restricted

    return restricted(text, rights)
