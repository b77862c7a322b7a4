"""What the page sees: twins, cameras, rules, cloud and events, by revision. Reads the core's state, changes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import rules.instructions as wanted
from devices.camera.view import CameraView as Feed
from gateway import reasons
from gateway.album import picture_key
from gateway.costs import Costs
from gateway.rulebook import Rulebook
from gateway.turn import Committed
from rules.rules import Rules
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Condition, Event
from twins.liveness import UNHEARD, Limits, attended
from twins.twin import Twins
from twins.values import Declared, Property, Twin, Version
from web.revisions import Revisions
from web.views import (
    BoxView,
    CameraView,
    CloudView,
    CostView,
    DeviceView,
    EventView,
    Health,
    HintView,
    Members,
    NodeView,
    PointView,
    PropertyView,
    QueryView,
    Snapshot,
)

EVENTS = 200
TREND = 40


class Trends(Protocol):
    """The recent past of a series, from memory."""

    def recent(self, series: str, count: int) -> list[tuple[int, float]]: ...

    def texts(self, series: str, count: int) -> list[tuple[int, str]]: ...


class Console:
    """Implements `web.ports.Console`, and listens to the core for what changed."""

    def __init__(
        self,
        node: NodeView,
        twins: Twins,
        rules: Rules,
        trends: Trends,
        clock: Clock,
        *,
        cameras: Callable[[], Iterable[Feed]],
        unit: Callable[[str, str], str],
        picture: Callable[[str], int],
        cloud: Callable[[], CloudView],
        health: Callable[[], Health],
        hints: Callable[[], Sequence[HintView]],
        queries: Sequence[QueryView],
        limits: Limits | None = None,
        conditions: Callable[[str], tuple[Condition, ...]] = lambda _: (),
    ) -> None:
        self._node = node
        self._twins = twins
        self._rules = rules
        self._rulebook = Rulebook(rules)
        self._trends = trends
        self._clock = clock
        self._cameras = cameras
        self._unit = unit
        self._picture = picture
        self._cloud = cloud
        self._health = health
        self._hints = hints
        self._queries = tuple(queries)
        self._conditions = conditions
        self._revisions = Revisions()
        self._events: deque[tuple[int, EventView]] = deque(maxlen=EVENTS)
        self._costs = Costs()
        self._limits = limits or Limits()

    # -- the core's side -------------------------------------------------------------------------------------------

    def tell(self, committed: Committed) -> None:
        """Note what a commit changed."""
        touched: set[str] = set()
        for inferred in committed.inferred:
            touched.add(f"camera:{inferred.device}")
            self._costs.add(inferred.device, inferred.result)
        for device in committed.changed:
            if self._twins.get(device) is None:
                self._costs.forget(device)
                self._revisions.drop(f"device:{device}")
            else:
                touched.add(f"device:{device}")
        for d in committed.decisions:
            if isinstance(d, wanted.Keep | wanted.Drop):
                touched.add(f"rule:{_detector(d.key)}")
            elif isinstance(d, wanted.Decided):
                touched.add(f"rule:{d.rule}")
        for applied in committed.applied:
            if applied.body is None:
                self._revisions.drop(f"manifest:{applied.kind}/{applied.name}")
            else:
                touched.add(f"manifest:{applied.kind}/{applied.name}")  # whoever follows manifests is woken
            if applied.kind == "Detector":
                key = f"rule:{applied.name}"
                if applied.body is None:
                    self._revisions.drop(key)
                    self._rulebook.forget(applied.name)
                else:
                    touched.add(key)
        for event in committed.events:
            self.note(event)
        if touched:
            self._revisions.touch(*touched)

    def note(self, event: Event) -> None:
        """Show an event."""
        why = reasons.why(self._rules.why(event.cause)[:3]) if event.cause else ""
        picture = picture_key(event.cause) if "picture" in event.detail else ""
        view = EventView(
            event.id, event.at, event.kind, event.object, event.severity, event.message, event.cause, why, picture
        )
        self._revisions.touch("events")
        self._events.append((self._revisions.number, view))

    def restore(self) -> None:
        """Everything the journal brought back is new to every viewer."""
        self._revisions.touch(*(f"device:{twin.device}" for twin in self._twins))

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
            devices=tuple(self._device(twin, trend=whole) for twin in twins),
            cameras=tuple(self._camera(feed) for feed in self._cameras() if whole or feed.id in cameras),
            rules=tuple(self._rulebook.views(rules)) if whole or rules else (),
            events=tuple(event for revision, event in self._events if revision > since),
            members=self._members() if whole or self._revisions.dropped(since) else None,
            hints=tuple(self._hints()) if whole else (),
            queries=self._queries if whole else (),
        )

    async def changed(self, since: int) -> None:
        await self._revisions.changed(since)

    def device(self, device: str) -> DeviceView | None:
        twin = self._twins.get(device)
        return None if twin is None else self._device(twin, trend=True)

    def health(self) -> Health:
        return self._health()

    async def history(self, device: str, name: str, count: int) -> Sequence[PointView]:
        twin = self._twins.get(device)
        if twin is None or name not in twin.properties:
            reason = f"there is no {device} with a property {name}"
            raise Rejected(reason, 404)
        series, kind = f"{device}/{name}", self._kind(twin, name)
        past = {at: PointView.of(at, kind, number) for at, number in self._trends.recent(series, count)}
        past |= {at: PointView(at, text) for at, text in self._trends.texts(series, count)}
        return [past[at] for at in sorted(past)[-count:]]

    def _members(self) -> Members:
        return Members(
            tuple(twin.device for twin in self._twins),
            tuple(feed.id for feed in self._cameras()),
            tuple(self._rules.detectors),
        )

    def _device(self, twin: Twin, *, trend: bool) -> DeviceView:
        names = [n for n, p in twin.properties.items() if not p.deleted]
        names += [n for n in twin.declared if n not in twin.properties]
        properties = tuple(self._property(twin, name, trend=trend) for name in names)
        return DeviceView(
            id=twin.device,
            model=twin.model,
            state=twin.status or "unknown",
            seen=twin.seen,
            description=twin.description,
            properties=properties,
            cost=self._costs.of(twin.device),
            reason=twin.life.reason if twin.status else UNHEARD,
            interval=0.0 if attended(twin.life) else twin.life.interval(self._limits.interval)[0] / 1e6,
            conditions=self._conditions(twin.device),
        )

    def _property(self, twin: Twin, name: str, *, trend: bool) -> PropertyView:
        p = twin.properties.get(name, Property())
        declared = twin.declared.get(name)
        reported, desired = p.reported, p.desired
        return PropertyView(
            name=name,
            kind=self._kind(twin, name),
            reported=None if reported is None else reported.value,
            reported_at=0 if reported is None else reported.at,
            desired=None if desired is None or not desired.value else desired.value,
            desired_at=0 if desired is None else desired.at,
            edge_version=0 if reported is None else reported.version.edge,
            cloud_version=0 if desired is None else desired.version.cloud,
            drifts=p.drifts,
            unit=(declared.unit if declared is not None else "") or self._unit(twin.device, name),
            writable=_writable(declared),
            minimum=declared.minimum if declared is not None else None,
            maximum=declared.maximum if declared is not None else None,
            choices=("true", "false") if declared is not None and declared.kind == "boolean" else (),
            trend=self._trend(twin.device, name) if trend else None,
            reported_version=(0, 0) if reported is None else _pair(reported.version),
            desired_version=(0, 0) if desired is None else _pair(desired.version),
            synced=name in twin.properties and not p.unsynced,
        )

    @staticmethod
    def _kind(twin: Twin, name: str) -> str:
        """As the manifest declares it, else as the device said."""
        declared = twin.declared.get(name)
        return declared.kind if declared is not None else twin.properties.get(name, Property()).kind

    def _trend(self, device: str, name: str) -> tuple[float, ...]:
        return tuple(number for _, number in self._trends.recent(f"{device}/{name}", TREND))

    def _camera(self, feed: Feed) -> CameraView:
        boxes = tuple(
            BoxView(d.label, d.score, d.box.x, d.box.y, d.box.w, d.box.h, d.track)
            for d in feed.detections
            if d.box is not None
        )
        cost = self._costs.of(feed.id) or CostView()
        return CameraView(
            id=feed.id,
            state=feed.state,
            reason=feed.reason,
            fps=feed.fps_processed,
            skipped=feed.skipped,
            queue_ms=cost.queue_ms,
            infer_ms=cost.infer_ms,
            width=feed.width,
            height=feed.height,
            boxes=boxes,
            picture=self._picture(feed.id),
            decode_ms=cost.decode_ms,
            post_ms=cost.post_ms,
        )


def _detector(key: str) -> str:
    """`namespace/detector` of an instance's key, whose own part may hold slashes."""
    return "/".join(key.split("/", 2)[:2])


def _pair(version: Version) -> tuple[int, int]:
    return version.edge, version.cloud


def _writable(declared: Declared | None) -> bool:
    return declared is not None and declared.writable
