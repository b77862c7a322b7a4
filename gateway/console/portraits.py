"""How a device and a camera look on the page: frozen views of twins and feeds, with their recent past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from devices.camera.view import CameraView as Feed
from gateway.console.costs import Costs
from twins.exchange import Condition
from twins.liveness import UNHEARD, Limits, attended
from twins.values import Declared, Property, Twin, Version
from web.views import BoxView, CameraView, CostView, DeviceView, PointView, PropertyView

TREND = 40
"""Numbers in a sparkline."""


class Trends(Protocol):
    """The recent past of a series, from memory."""

    def recent(self, series: str, count: int) -> list[tuple[int, float]]: ...

    def texts(self, series: str, count: int) -> list[tuple[int, str]]: ...


class Portraits:
    """`unit` is that of a property of a device which declares none, `picture` the version of a camera's newest one."""

    def __init__(
        self,
        trends: Trends,
        limits: Limits,
        *,
        unit: Callable[[str, str], str],
        picture: Callable[[str], int],
        conditions: Callable[[str], tuple[Condition, ...]],
    ) -> None:
        self.costs = Costs()
        self._trends = trends
        self._limits = limits
        self._unit = unit
        self._picture = picture
        self._conditions = conditions

    def device(self, twin: Twin, *, trend: bool) -> DeviceView:
        """A device with its properties, those that it has yet to report too; with `trend` a sparkline for each."""
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
            cost=self.costs.of(twin.device),
            reason=twin.life.reason if twin.status else UNHEARD,
            interval=0.0 if attended(twin.life) else twin.life.interval(self._limits.interval)[0] / 1e6,
            conditions=self._conditions(twin.device),
        )

    def camera(self, feed: Feed) -> CameraView:
        """A camera with what was seen in its newest picture."""
        boxes = tuple(
            BoxView(d.label, d.score, d.box.x, d.box.y, d.box.w, d.box.h, d.track)
            for d in feed.detections
            if d.box is not None
        )
        cost = self.costs.of(feed.id) or CostView()
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

    def past(self, twin: Twin, name: str, count: int) -> list[PointView]:
        """The last `count` recorded values of a property, oldest first; texts where numbers lost something."""
        series, kind = f"{twin.device}/{name}", _kind(twin, name)
        points = {at: PointView.of(at, kind, number) for at, number in self._trends.recent(series, count)}
        points |= {at: PointView(at, text) for at, text in self._trends.texts(series, count)}
        return [points[at] for at in sorted(points)[-count:]]

    def _property(self, twin: Twin, name: str, *, trend: bool) -> PropertyView:
        p = twin.properties.get(name, Property())
        declared = twin.declared.get(name)
        reported, desired = p.reported, p.desired
        return PropertyView(
            name=name,
            kind=_kind(twin, name),
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

    def _trend(self, device: str, name: str) -> tuple[float, ...]:
        return tuple(number for _, number in self._trends.recent(f"{device}/{name}", TREND))


def _kind(twin: Twin, name: str) -> str:
    """As the manifest declares it, else as the device said."""
    declared = twin.declared.get(name)
    return declared.kind if declared is not None else twin.properties.get(name, Property()).kind


def _pair(version: Version) -> tuple[int, int]:
    return version.edge, version.cloud


def _writable(declared: Declared | None) -> bool:
    return declared is not None and declared.writable
