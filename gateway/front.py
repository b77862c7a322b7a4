"""The front: the page with its probes, HTTP API and metrics. Alive first and last, so that a start can be watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway import wiring
from gateway.alarms.desk import Desk
from gateway.config import Config
from gateway.console import Console
from gateway.diagrams import Diagrams
from gateway.enrolment import Enrolment
from gateway.groups import Groups
from gateway.hearing import Hearing
from gateway.lessons import Lessons
from gateway.metrics import Metrics
from gateway.operations import Operations
from gateway.recording import Recording
from gateway.tunings import Tunings
from gateway.uploading import Uploading
from gateway.why import Why
from runtime.clock import Clock
from runtime.supervision import Part, Supervisor
from store.sql.service import Sql
from twins.errors import Unavailable
from web.alarms import AlarmApi
from web.cloud import CloudApi, CloudStatus
from web.diagrams import DiagramApi
from web.enrolment import EnrolmentApi
from web.inputs import InputsApi
from web.learning import LearningApi
from web.nodes.api import NodeApi
from web.points import PointsApi
from web.ports import Pictures
from web.server import Web
from web.tuning import TuningApi
from web.uploads import UploadApi
from web.why import WhyApi


class Views(Struct, frozen=True):
    """What there is to see and to do."""

    console: Console
    operations: Operations
    recording: Recording
    enrolment: Enrolment
    sql: Sql
    pictures: Pictures
    metrics: Metrics
    cloud: Callable[[], CloudStatus]
    uploads: Uploading
    lessons: Lessons
    tunings: Tunings
    groups: Groups
    reasons: Why
    diagrams: Diagrams
    hearing: Hearing
    node: Callable[[], dict[str, Any]]
    alarms: Desk


class Front:
    """One page at a time, as `[web]` wants it."""

    def __init__(self, config: Config, clock: Clock, views: Views) -> None:
        """Raises `Rejected` as `page` does."""
        self._clock = clock
        self._views = views
        self._group = Supervisor(clock, transient=Unavailable)
        self._group.add(self.page(config))

    def page(self, config: Config) -> Part:
        """A page, not yet running. Raises `Rejected` for a `[web]` section that cannot be meant."""
        section, views = config.web, self._views
        if not section.enabled or not section.listen:
            return Part("page", _off)
        page = Web(
            wiring.web(config),
            views.console,
            views.operations,
            views.sql,
            views.pictures,
            self._clock,
            views.metrics.registry(),
            (
                *EnrolmentApi(views.enrolment).routes(),
                *CloudApi(views.cloud).routes(),
                *PointsApi(views.recording).routes(),
                *UploadApi(views.uploads).routes(),
                *LearningApi(views.lessons).routes(),
                *TuningApi(views.tunings).routes(),
                *NodeApi(views.node).routes(),
                *AlarmApi(views.alarms).routes(),
                *WhyApi(views.reasons).routes(),
                *DiagramApi(views.diagrams).routes(),
                *InputsApi(views.hearing).routes(),
            ),
            views.groups,
        )
        return Part("page", page.run)

    async def turn(self, page: Part) -> None:
        """Show this one in place of the one that is shown."""
        await self._group.replace(page)

    async def run(self) -> None:
        await self._group.run()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._group.stop()


async def _off() -> None:
    """The run of a page that is turned off."""
