"""One camera at work: open, watch, infer, report; and after each fault again, a little later.

Theory of operation. `connecting` until the first picture, then `online`; when a source ends, breaks or falls silent,
`offline` with the reason, and it stays so while tries go on behind it (1, 2, 5, 10, 20, 40, 60 s apart). A model that
does not answer leaves the camera `online`: pictures are shown, and the reason says what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Callable

from devices.camera.gallery import Gallery
from devices.camera.limits import Limits
from devices.camera.manifest import Camera, count_name
from devices.camera.ports import Detector, Intake
from devices.camera.reader import Ended, Mark, Reader
from devices.camera.redaction import redact
from devices.camera.slot import Shot, Slot
from devices.camera.view import CameraView, Rates, State
from runtime.clock import Clock
from twins.errors import Broken, GemeloError, Rejected, Unavailable
from twins.exchange import Detection, Frame, Result
from twins.stimuli import Inferred, Seen, Stimulus

logger = logging.getLogger(__name__)

PATIENCE = 3
"""Refusals in a row after which the model counts as missing: one frame too many under load is no news."""


class Feed:
    """One camera's pictures on their way to the model, and what it saw on its way to the twin."""

    def __init__(
        self,
        camera: Camera,
        intake: Intake,
        detector: Detector,
        clock: Clock,
        next_cause: Callable[[], str],
        gallery: Gallery,
        limits: Limits | None = None,
    ) -> None:
        self.camera = camera
        self._intake = intake
        self._detector = detector
        self._clock = clock
        self._next_cause = next_cause
        self._gallery = gallery
        self._limits = limits or Limits()
        self._state: State = "connecting"
        self._reason = ""
        self._reader: Reader | None = None
        self._slot: Slot | None = None
        self._played: Mark | None = None
        self._tries = 0
        self._refusals = 0
        self._processed = 0
        self._refused = 0
        self._rates = Rates()
        self._infer_ms = 0.0
        self._size = (0, 0)
        self._detections: tuple[Detection, ...] = ()

    async def run(self) -> None:
        """Until cancelled; only `Broken` comes out."""
        self._slot = Slot()
        await self._become("connecting", "", force=True)
        while True:
            pause = await self._try_once(self._slot)
            await self._clock.sleep(pause)

    @property
    def view(self) -> CameraView:
        counts = self._counts()
        came, processed, skipped = self._rates.at(self._clock.monotonic(), counts)
        width, height = self._size
        return CameraView(
            id=self.camera.id,
            source=self.camera.spec.shown,
            model=self.camera.spec.model,
            state=self._state,
            reason=self._reason,
            fps_in=came,
            fps_processed=processed,
            fps_skipped=skipped,
            offered=counts[0],
            processed=counts[1],
            skipped=counts[2],
            infer_ms=self._infer_ms,
            width=width,
            height=height,
            detections=self._detections,
        )

    async def _try_once(self, slot: Slot) -> float:
        """Watch until it fails; the pause before the next try."""
        pause = None
        try:
            await self._watch(slot)
        except Broken:
            raise
        except Ended as ended:
            self._played, pause, reason = ended.mark, self._limits.replay, str(ended)
        except (Unavailable, Rejected) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - supervises one camera: its defect must not stop the others
            # Not `exc_info`: a traceback quotes messages, and those may quote the source's credentials.
            story = redact("".join(traceback.format_exception(error)))
            logger.error("camera %s failed: %s", self.camera.id, story)  # noqa: TRY400 - see above
            reason = redact(f"internal error: {error!r}; see the log")
        await self._become("offline", reason)
        return self._next_pause() if pause is None else pause

    async def _watch(self, slot: Slot) -> None:
        if self._reader is not None and self._reader.alive:
            message = f"the last attempt to read {self.camera.spec.shown} still hangs"
            raise Unavailable(message)
        slot.clear()
        self._reader = Reader(self.camera, slot, self._clock, self._limits, self._played)
        self._reader.start()
        silence = self._limits.silence + 1 / self.camera.spec.fps
        try:
            while True:
                shot = await self._take(slot, silence)
                self._tries, self._played = 0, None
                await self._process(shot)
        finally:
            if not await self._reader.stop():
                logger.warning("camera %s: its reader did not end in time", self.camera.id)
            slot.clear()

    async def _take(self, slot: Slot, silence: float) -> Shot:
        try:
            async with asyncio.timeout(silence):
                return await slot.take()
        except TimeoutError as error:
            message = f"no picture from {self.camera.spec.shown} for {silence:.0f} s: unplugged or stalled"
            raise Unavailable(message) from error

    async def _process(self, shot: Shot) -> None:
        done = False
        try:
            frame = await self._frame(shot)
            if self._state != "online":
                await self._become("online", "")
            result = await self._infer(frame)
            self._detections = self._counted(result)
            self._gallery.show(frame, self._detections)
            if result is not None:
                self._processed, done = self._processed + 1, True
                await self._report(frame, result)
        finally:
            self._refused += not done

    async def _frame(self, shot: Shot) -> Frame:
        from devices.camera.video import convert

        spec = self.camera.spec
        data, width, height = await asyncio.to_thread(convert, shot.frame, spec.width, spec.rotate)
        self._size = (width, height)
        return Frame(
            device=self.camera.id,
            seq=shot.seq,
            at=shot.at,
            received=shot.received,
            width=width,
            height=height,
            format="rgb24",
            data=data,
            cause=self._next_cause(),
        )

    async def _infer(self, frame: Frame) -> Result | None:
        """`None` if the model did not answer; the state's reason says so."""
        started = self._clock.monotonic()
        patience, model = self._limits.inference, self.camera.spec.model
        try:
            # A little longer than the detector's own deadline: it knows better why.
            async with asyncio.timeout(patience + 0.5):
                result = await self._detector.infer(model, frame, deadline=patience)
        except Broken:
            raise
        except GemeloError as error:
            await self._model_refused(str(error))
            return None
        except TimeoutError:
            await self._model_refused(f"no answer within {patience:g} s")
            return None
        self._infer_ms = (self._clock.monotonic() - started) * 1000
        self._refusals = 0
        await self._become("online", "")
        return result

    async def _model_refused(self, reason: str) -> None:
        self._refusals += 1
        if self._refusals == PATIENCE:
            await self._become("online", redact(f"model {self.camera.spec.model}: {reason}"))

    def _counted(self, result: Result | None) -> tuple[Detection, ...]:
        spec = self.camera.spec
        found = result.detections if result is not None else ()
        return tuple(d for d in found if d.score >= spec.minimum and d.label in spec.labels)

    async def _report(self, frame: Frame, result: Result) -> None:
        values = {
            count_name(label): str(sum(d.label == label for d in self._detections)) for label in self.camera.spec.labels
        }
        _, processed, _ = self._rates.at(self._clock.monotonic(), self._counts())
        values["fps"] = f"{processed:.1f}"
        seen = self._clock.now()
        await self._offer(Inferred(self.camera.id, frame.cause, seen, result, values, frame.at, frame.seq))

    async def _become(self, state: State, reason: str, *, force: bool = False) -> None:
        if (state, reason) == (self._state, self._reason) and not force:
            return
        changed, self._state, self._reason = state != self._state, state, reason
        level = logging.WARNING if state == "offline" and changed else logging.INFO
        logger.log(level, "camera %s is %s%s", self.camera.id, state, f": {reason}" if reason else "")
        await self._offer(Seen(self.camera.id, self._next_cause(), self._clock.now(), state, reason=reason))

    async def _offer(self, stimulus: Stimulus) -> None:
        try:
            await self._intake.offer([stimulus])
        except (Unavailable, Rejected) as error:
            logger.warning("camera %s: %s was not taken: %s", self.camera.id, type(stimulus).__name__, error)

    def _counts(self) -> tuple[int, int, int]:
        if self._slot is None:
            return 0, 0, 0
        counts = self._slot.counts
        return counts.offered, self._processed, counts.passed_over + counts.superseded + self._refused

    def _next_pause(self) -> float:
        pauses = self._limits.pauses
        pause = pauses[min(self._tries, len(pauses) - 1)]
        self._tries += 1
        return pause * random.uniform(0.8, 1.2)
