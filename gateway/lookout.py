"""Models for whoever has pictures: the engine is there when somebody first looks, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gateway.config import Config
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Frame, ModelInfo, Result

if TYPE_CHECKING:
    from inference.serving import Inference


class Lookout:
    """The port `Detector` of cameras and phones: `deadline` is in seconds after `frame.received`."""

    def __init__(self, config: Callable[[], Config], clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._inference: Inference | None = None

    def models(self) -> Sequence[ModelInfo]:
        return [] if self._inference is None else self._inference.models()

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        """See `inference.serving.Inference.infer`."""
        if self._inference is None:
            message = "no models now: the gateway starts or stops, or [inference] enabled = false"
            raise Unavailable(message)
        return await self._inference.infer(model, frame, deadline=deadline)

    async def run(self) -> None:
        from inference.depot import Depot
        from inference.serving import Inference, Settings

        section = self._config().inference
        settings = Settings(threads=section.threads or 1, sources=section.max_queued)
        self._inference = Inference(Depot(section.models), self._clock, settings)
        try:
            await self._inference.run()
        finally:
            self._inference = None
