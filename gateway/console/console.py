"""What the page sees: twins, cameras, rules, cloud and events, by revision. Reads the core's state, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import rules.instructions as wanted
from devices.camera.view import CameraView as Feed
from gateway.alarms.board import Board
from gateway.committed import Committed
from gateway.console.news import News
from gateway.console.portraits import Portraits
from gateway.console.rulebook import Rulebook
from rules.alarms import detector as alarms
from rules.instructions import Instruction
from rules.rules import Rules
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Event
from twins.stimuli import Applied
from twins.twin import Twins
from web.revisions import Revisions
from web.views import CloudView, DeviceView, Health, HintView, Members, NodeView, PointView, QueryView, Snapshot


class Console:
    """Implements `web.ports.Console`, and listens to the core for what changed."""

    def __init__(
        self,
        node: NodeView,
        twins: Twins,
        rules: Rules,
        portraits: Portraits,
        revisions: Revisions,
        news: News,
        board: Board,
        clock: Clock,
        *,
        cameras: Callable[[], Iterable[Feed]],
        cloud: Callable[[], CloudView],
        health: Callable[[], Health],
        hints: Callable[[], Sequence[HintView]],
        queries: Sequence[QueryView],
    ) -> None:
        self._node = node
        self._twins = twins
        self._rules = rules
        self._rulebook = Rulebook(rules)
        self._portraits = portraits
        self._revisions = revisions
        self._news = news
        self._board = board
        self._clock = clock
        self._cameras = cameras
        self._cloud = cloud
        self._health = health
        self._hints = hints
        self._queries = tuple(queries)

    # -- the core's side -------------------------------------------------------------------------------------------

    def tell(self, committed: Committed) -> None:
        """Note what a commit changed."""
        touched: set[str] = set()
        for inferred in committed.inferred:
            touched.add(f"camera:{inferred.device}")
            self._portraits.costs.add(inferred.device, inferred.result)
        for device in committed.changed:
            if self._twins.get(device) is None:
                self._portraits.costs.forget(device)
                self._revisions.drop(f"device:{device}")
            else:
                touched.add(f"device:{device}")
        touched.update(_rules_of(committed.decisions))
        for applied in committed.applied:
            touched.update(self._applied(applied))
        for event in committed.events:
            self._news.note(event)
        if self._board.note(committed.events):
            touched.add("alarms")
        if touched:
            self._revisions.touch(*touched)

    def restore(self, events: Iterable[Event]) -> None:
        """Everything the journal brought back is new to every viewer."""
        self._revisions.touch(*(f"device:{twin.device}" for twin in self._twins))
        for event in events:
            self._news.note(event)

    # -- the page's side -------------------------------------------------------------------------------------------

    def snapshot(self, since: int = 0) -> Snapshot:
        whole = since == 0
        changed = [key.partition(":") for key in self._revisions.since(since)]
        devices = [d for kind, _, d in changed if kind == "device"]
        if whole:
            devices = [twin.device for twin in self._twins]
        twins = [twin for twin in map(self._twins.get, devices) if twin is not None]
        rules = None if whole else {name for kind, _, name in changed if kind == "rule"}
        cameras = {d for kind, _, d in changed if kind in {"camera", "device"}}
        return Snapshot(
            revision=self._revisions.number,
            whole=whole,
            now=self._clock.now(),
            node=self._node if whole else None,
            health=self._health(),
            cloud=self._cloud(),
            devices=tuple(self._portraits.device(twin, trend=whole) for twin in twins),
            cameras=tuple(self._portraits.camera(feed) for feed in self._cameras() if whole or feed.id in cameras),
            rules=tuple(self._rulebook.views(rules)) if whole or rules else (),
            events=self._news.since(since),
            alarms=self._board.views() if whole or any(kind == "alarms" for kind, _, _ in changed) else None,
            members=self._members() if whole or self._revisions.dropped(since) else None,
            hints=tuple(self._hints()) if whole else (),
            queries=self._queries if whole else (),
        )

    async def changed(self, since: int) -> None:
        await self._revisions.changed(since)

    def device(self, device: str) -> DeviceView | None:
        twin = self._twins.get(device)
        return None if twin is None else self._portraits.device(twin, trend=True)

    def health(self) -> Health:
        return self._health()

    async def history(self, device: str, name: str, count: int) -> Sequence[PointView]:
        twin = self._twins.get(device)
        if twin is None or name not in twin.properties:
            reason = f"there is no {device} with a property {name}"
            raise Rejected(reason, 404)
        return self._portraits.past(twin, name, count)

    def _members(self) -> Members:
        return Members(
            tuple(twin.device for twin in self._twins),
            tuple(feed.id for feed in self._cameras()),
            tuple(self._rules.detectors),
        )

    def _applied(self, applied: Applied) -> list[str]:
        """What a manifest touches: itself, so that whoever follows manifests is woken, and the rule that it is."""
        keys = [f"manifest:{applied.kind}/{applied.name}"]
        if applied.kind in ("Detector", "Alarm"):
            rule = alarms.name(applied.name) if applied.kind == "Alarm" else applied.name
            keys.append(f"rule:{rule}")
            if applied.body is None:
                self._rulebook.forget(rule)
        if applied.body is not None:
            return keys
        for key in keys:
            self._revisions.drop(key)
        return []


def _rules_of(decisions: Iterable[Instruction]) -> Iterator[str]:
    """The rules that decided something, or whose machines moved."""
    for each in decisions:
        if isinstance(each, wanted.Keep | wanted.Drop):
            yield f"rule:{_detector(each.key)}"
        elif isinstance(each, wanted.Decided):
            yield f"rule:{each.rule}"


def _detector(key: str) -> str:
    """`namespace/detector` of an instance's key, whose own part may hold slashes."""
    return "/".join(key.split("/", 2)[:2])
