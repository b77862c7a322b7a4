"""Inference as the gateway sees it: pipelines by name, loaded when first asked for, each behind its admission."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from inference.admission import Admission, Counts
from inference.catalogue import Recipe
from inference.depot import Depot
from runtime.clock import Clock
from twins.errors import Dropped, GemeloError, Unavailable
from twins.exchange import Frame, ModelInfo, Result

if TYPE_CHECKING:
    from inference.engine import OpenVinoEngine, Pipeline

logger = logging.getLogger(__name__)


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """How models run.

    `workers`: frames worked on at once, over all pipelines. `threads`: cores of one network; under load two workers of
    one core each gave more results a second than one worker, or networks, of two. `sources`: how many may wait for one
    pipeline. `limit`: seconds after which a caller is told that nothing came. `retry`: seconds before a pipeline that
    could not be loaded is tried again. `cache`: a folder for compiled models; empty: none.
    """

    workers: int = 2
    threads: int = 1
    sources: int = 64
    limit: float = 30.0
    retry: float = 5.0
    cache: str = ""


class Inference:
    """Answers frames by pipeline while `run` runs. numpy, OpenVINO and Pillow are imported with the first pipeline."""

    def __init__(self, depot: Depot, clock: Clock, settings: Settings | None = None) -> None:
        self._depot = depot
        self._clock = clock
        self._settings = settings or Settings()
        self._ready: dict[str, Admission] = {}
        self._loading: dict[str, asyncio.Future[Admission]] = {}
        self._failed: dict[str, tuple[float, GemeloError]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._pool: ThreadPoolExecutor | None = None

    def models(self) -> list[ModelInfo]:
        """The pipelines whose files are here, loaded or not."""
        recipes = self._depot.catalogue.pipelines
        return [self._info(recipe) for recipe in recipes if all(map(self._depot.find, recipe.models))]

    def counts(self) -> dict[str, Counts]:
        """What each loaded pipeline did, exactly."""
        return {name: admission.counts for name, admission in self._ready.items()}

    async def infer(self, model: str, frame: Frame, *, deadline: float | None = None) -> Result:
        """The result of one frame; `deadline` in seconds after `frame.received`.

        Raises `Dropped` (not looked at, with the reason), `Rejected` (no such pipeline, not a picture), `Unavailable`
        (files missing: says the command; OpenVINO failed; no answer in time).
        """
        admission = self._ready.get(model) or await self.load(model)
        return await admission.infer(frame, deadline=deadline)

    async def load(self, model: str) -> Admission:
        """Have a pipeline ready and return its admission, an engine of its own; as `infer` does on first use."""
        if (ready := self._ready.get(model)) is not None:
            return ready
        recipe = self._depot.catalogue.pipeline(model)
        if self._group is None:
            message = "inference is not running: the gateway starts or stops"
            raise Unavailable(message)
        tried, error = self._failed.get(model, (0.0, None))
        if error is not None and self._clock.monotonic() - tried < self._settings.retry:
            raise Unavailable(str(error))
        if model not in self._loading:
            self._loading[model] = asyncio.get_running_loop().create_future()
            self._group.create_task(self._start(recipe, self._group), name=f"inference {model}")
        try:
            async with asyncio.timeout(self._settings.limit):
                return await asyncio.shield(self._loading[model])
        except TimeoutError as late:
            message = f"{model} was not loaded within {self._settings.limit:.0f} s"
            raise Unavailable(message) from late

    async def run(self) -> None:
        """Serve until cancelled; what still waits then is dropped as `stopping`."""
        try:
            with self._threads():
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self._group = None  # from here on nothing new is loaded
        finally:
            self._ready.clear()
            for future in self._loading.values():
                _refuse(future, Dropped("stopping", "the gateway stops"))
            self._loading.clear()

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        self._pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="inference")
        try:
            yield
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _start(self, recipe: Recipe, group: asyncio.TaskGroup) -> None:
        """Load one pipeline and start its admission; its failure is its callers' and not the group's."""
        assert self._pool is not None
        try:
            engine = await asyncio.get_running_loop().run_in_executor(self._pool, self._build, recipe)
        except GemeloError as error:
            logger.warning("%s is not available: %s", recipe.name, error)
            self._failed[recipe.name] = (self._clock.monotonic(), error)
            _refuse(self._loading.pop(recipe.name), error)
            return
        settings = self._settings
        admission = Admission(
            engine, self._clock, workers=settings.workers, sources=settings.sources, limit=settings.limit
        )
        group.create_task(admission.run(), name=f"admission {recipe.name}")
        logger.info("%s is ready", recipe.name)
        self._ready[recipe.name] = admission
        self._loading.pop(recipe.name).set_result(admission)

    def _build(self, recipe: Recipe) -> OpenVinoEngine:
        """In a thread of the pool: check, compile, and look at a black picture: no real one shall be the slow first."""
        assert self._pool is not None
        paths = [self._depot.need(name) for name in recipe.models]
        try:
            from PIL import Image

            from inference.engine import OpenVinoEngine
        except ImportError as error:
            message = f"{error.name} is not installed, and {recipe.name} needs it: pip install 'gemelo[vision]'"
            raise Unavailable(message) from error
        info = self._info(recipe)
        pipeline = self._pipeline(recipe, paths, info.labels)
        pipeline.look(Image.new("RGB", (info.width, info.height)))
        return OpenVinoEngine(info, pipeline, self._pool, self._clock)

    def _pipeline(self, recipe: Recipe, paths: list[Path], labels: tuple[str, ...]) -> Pipeline:
        from inference import emotion, persons, yunet
        from inference.network import Network
        from inference.pipeline import FaceEmotion, Persons

        cache = Path(self._settings.cache) if self._settings.cache else None

        def network(path: Path, shape: tuple[int, ...]) -> Network:
            return Network(path, shape, self._clock, threads=self._settings.threads, cache=cache)

        match recipe.name:
            case "persons":
                return Persons(network(paths[0], persons.SHAPE), labels)
            case "face-emotion":
                return FaceEmotion(network(paths[0], yunet.SHAPE), network(paths[1], emotion.SHAPE), labels)
            case _:
                message = f"this release has no code for the pipeline {recipe.name}"
                raise Unavailable(message)

    def _info(self, recipe: Recipe) -> ModelInfo:
        """One model's identity is its file's; a pipeline of several has the digest of their digests."""
        entries = [self._depot.catalogue.entry(name) for name in recipe.models]
        digests = [entry.sha256 for entry in entries]
        return ModelInfo(
            name=recipe.name,
            version="+".join(entry.version for entry in entries),
            task=recipe.task,
            labels=entries[-1].labels,
            width=entries[0].width,
            height=entries[0].height,
            sha256=digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
            licence=" and ".join(dict.fromkeys(entry.licence for entry in entries)),
        )


def _refuse(future: asyncio.Future[Admission], error: GemeloError) -> None:
    future.set_exception(error)
    future.exception()  # marks it as heard: perhaps nobody waits any more
