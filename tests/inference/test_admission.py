from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from inference.admission import Admission, Counts, Typical
from runtime.clock import SystemClock
from tests.clock import SleepingClock
from twins.errors import Dropped, Rejected, Unavailable
from twins.exchange import Frame, ModelInfo, Result

FrameOf = Callable[..., Frame]


class GatedEngine:
    """The far side: answers one frame each time `open` is released, in as many clock seconds as it is told."""

    info = ModelInfo("m", "1", "test", ("x",), 1, 1, "", "MIT")

    def __init__(self, clock: SleepingClock) -> None:
        self.seen: list[tuple[str, int]] = []
        self.begun = asyncio.Semaphore(0)
        self.open = asyncio.Semaphore(0)
        self.cost = 0.0
        self.error: Exception | None = None
        self._clock = clock

    async def infer(self, frame: Frame, *, deadline: float | None = None) -> Result:
        self.seen.append((frame.device, frame.seq))
        self.begun.release()
        await self.open.acquire()
        self._clock.time += self.cost
        if self.error is not None:
            raise self.error
        return Result(frame.device, "m", "1", frame.seq, frame.at, ())


@asynccontextmanager
async def running(admission: Admission) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(admission.run())
        yield
        task.cancel()


async def _settled(*tasks: asyncio.Task[Result]) -> list[Result | BaseException]:
    async with asyncio.timeout(5):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def _begun(engine: GatedEngine) -> None:
    async with asyncio.timeout(5):
        await engine.begun.acquire()


async def _waiting(admission: Admission, count: int) -> None:
    async with asyncio.timeout(5):
        while admission.counts.waiting != count:  # noqa: ASYNC110 - the admission tells nobody what waits
            await asyncio.sleep(0)


def _adds_up(counts: Counts) -> bool:
    return counts.offered == counts.done + counts.dropped + counts.failed + counts.waiting + counts.running


async def test_an_older_frame_that_waits_gives_way_to_a_newer_one_of_its_source(
    clock: SleepingClock, frame_of: FrameOf
) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with running(admission), asyncio.TaskGroup() as group:
        first = group.create_task(admission.infer(frame_of(seq=1)))
        await _begun(engine)
        second = group.create_task(_outcome(admission, frame_of(seq=2)))
        await _waiting(admission, 1)
        third = group.create_task(admission.infer(frame_of(seq=3)))
        dropped = await second
        assert isinstance(dropped, Dropped)
        assert dropped.kind == "newer"
        assert "frame 3" in dropped.reason
        engine.open.release()
        engine.open.release()
        assert [(await first).seq, (await third).seq] == [1, 3]
    assert engine.seen == [("default/cam", 1), ("default/cam", 3)]
    assert admission.counts.drops == {"newer": 1}


async def test_sources_take_turns_however_fast_one_of_them_is(clock: SleepingClock, frame_of: FrameOf) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with running(admission), asyncio.TaskGroup() as group:
        group.create_task(_outcome(admission, frame_of(device="a", seq=0)))
        await _begun(engine)
        for seq in range(1, 6):
            for device in ("a", "b", "c"):
                group.create_task(_outcome(admission, frame_of(device=device, seq=seq)))
                group.create_task(_outcome(admission, frame_of(device="a", seq=seq + 100)))
        await _waiting(admission, 3)
        for _ in range(3):
            engine.open.release()
            await _begun(engine)
        engine.open.release()
    assert [device for device, _ in engine.seen] == ["a", "a", "b", "c"]
    assert [seq for _, seq in engine.seen] == [0, 105, 5, 5]
    assert _adds_up(admission.counts)


async def test_a_frame_that_would_be_too_late_is_dropped_on_arrival(clock: SleepingClock, frame_of: FrameOf) -> None:
    admission = Admission(GatedEngine(clock), clock)
    dropped = await _outcome(admission, frame_of(received=clock.time - 0.3), deadline=0.2)
    assert isinstance(dropped, Dropped)
    assert (dropped.kind, dropped.reason) == ("deadline", "waited 300 ms and takes 0 ms: over 200 ms")


async def test_a_frame_that_became_too_late_while_it_waited_is_not_begun(
    clock: SleepingClock, frame_of: FrameOf
) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with running(admission), asyncio.TaskGroup() as group:
        group.create_task(admission.infer(frame_of(device="a")))
        await _begun(engine)
        late = group.create_task(_outcome(admission, frame_of(device="b", received=clock.time), deadline=0.1))
        await _waiting(admission, 1)
        engine.cost = 0.5
        engine.open.release()
        outcome = await late
        assert isinstance(outcome, Dropped)
        assert outcome.kind == "deadline"
    assert engine.seen == [("a", 1)]


async def test_what_the_model_typically_takes_counts_against_the_deadline(
    clock: SleepingClock, frame_of: FrameOf
) -> None:
    engine = GatedEngine(clock)
    engine.cost = 0.08
    admission = Admission(engine, clock)
    async with running(admission):
        engine.open.release()
        await admission.infer(frame_of())
        assert admission.counts.typical == pytest.approx(0.08)
        kinds = []
        for _ in range(2):
            outcome = await _outcome(admission, frame_of(received=clock.time - 0.03), deadline=0.1)
            kinds.append(outcome.kind if isinstance(outcome, Dropped) else "done")
            engine.open.release()
        assert kinds[0] == "deadline"


async def test_an_estimate_that_refuses_everything_fades_until_one_frame_corrects_it(
    clock: SleepingClock, frame_of: FrameOf
) -> None:
    engine = GatedEngine(clock)
    engine.cost = 3.0
    admission = Admission(engine, clock)
    async with running(admission):
        for _ in range(100):
            engine.open.release()
        await admission.infer(frame_of())
        engine.cost = 0.01
        outcomes = [await _outcome(admission, frame_of(received=clock.time), deadline=0.1) for _ in range(60)]
        assert isinstance(outcomes[0], Dropped)
        assert isinstance(outcomes[-1], Result)


async def test_a_source_too_many_is_busy(clock: SleepingClock, frame_of: FrameOf) -> None:
    admission = Admission(GatedEngine(clock), clock, sources=2)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(_outcome(admission, frame_of(device=device))) for device in "ab"]
        await _waiting(admission, 2)
        outcome = await _outcome(admission, frame_of(device="c"))
        assert isinstance(outcome, Dropped)
        assert outcome.kind == "busy"
        runner = group.create_task(admission.run())
        await _waiting(admission, 0)
        runner.cancel()
        assert [outcome.kind for outcome in await asyncio.gather(*waiting) if isinstance(outcome, Dropped)] == [
            "stopping",
            "stopping",
        ]


async def test_a_failed_frame_is_its_callers_alone(clock: SleepingClock, frame_of: FrameOf) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with running(admission):
        for error in (Rejected("no picture"), Unavailable("no engine"), RuntimeError("unforeseen")):
            engine.error = error
            engine.open.release()
            assert await _outcome(admission, frame_of()) is error
        engine.error = None
        engine.open.release()
        assert isinstance(await _outcome(admission, frame_of()), Result)
    assert (admission.counts.failed, admission.counts.done) == (3, 1)


async def test_a_caller_who_goes_away_frees_its_slot(clock: SleepingClock, frame_of: FrameOf) -> None:
    admission = Admission(GatedEngine(clock), clock)
    task = asyncio.get_running_loop().create_task(admission.infer(frame_of()))
    await _waiting(admission, 1)
    task.cancel()
    assert isinstance((await _settled(task))[0], asyncio.CancelledError)
    assert (admission.counts.waiting, admission.counts.drops) == (0, {"left": 1})


async def test_a_caller_who_goes_away_during_the_work_is_counted_once(clock: SleepingClock, frame_of: FrameOf) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with running(admission):
        task = asyncio.get_running_loop().create_task(admission.infer(frame_of(seq=1)))
        await _begun(engine)
        task.cancel()
        await _settled(task)
        engine.open.release()
        engine.open.release()
        assert (await admission.infer(frame_of(seq=2))).seq == 2
    assert (admission.counts.done, admission.counts.drops, admission.counts.running) == (1, {"left": 1}, 0)


async def test_an_engine_that_hangs_is_unavailable_after_the_limit(clock: SleepingClock, frame_of: FrameOf) -> None:
    admission = Admission(GatedEngine(clock), clock, workers=1, limit=0.02)
    async with running(admission):
        running_one, waiting_one = [await _outcome(admission, frame_of(device=device)) for device in "ab"]
    assert isinstance(running_one, Unavailable)
    assert isinstance(waiting_one, Unavailable)
    assert (admission.counts.failed, admission.counts.offered) == (2, 2)


async def test_when_it_stops_every_frame_is_answered_and_none_is_taken_any_more(
    clock: SleepingClock, frame_of: FrameOf
) -> None:
    engine = GatedEngine(clock)
    admission = Admission(engine, clock, workers=1)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(admission.run())
        tasks = [group.create_task(_outcome(admission, frame_of(device=device))) for device in "abc"]
        await _begun(engine)
        runner.cancel()
        outcomes = [*await asyncio.gather(*tasks), await _outcome(admission, frame_of())]
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, Dropped)] == ["stopping"] * 4
    assert admission.counts.dropped == admission.counts.offered == 4


@pytest.mark.parametrize("seed", range(5))
async def test_under_any_load_every_frame_has_exactly_one_outcome(frame_of: FrameOf, seed: int) -> None:
    """Real time passes here: 400 frames of five sources against an engine of a millisecond or so, some of them bad."""
    chance, clock, heard = random.Random(seed), SystemClock(), []

    class Engine:
        info = GatedEngine.info

        async def infer(self, frame: Frame, *, deadline: float | None = None) -> Result:
            await clock.sleep(chance.random() * 0.002)
            if chance.random() < 0.1:
                raise Rejected("no picture")
            return Result(frame.device, "m", "1", frame.seq, frame.at, ())

    async def offer(device: str, seq: int) -> None:
        frame = frame_of(device=device, seq=seq, received=clock.monotonic())
        try:
            async with asyncio.timeout(chance.choice([0.001, 5])):
                heard.append(type(await admission.infer(frame, deadline=chance.choice([None, 0.004]))).__name__)
        except (Dropped, Rejected, TimeoutError) as error:
            heard.append(type(error).__name__)

    admission = Admission(Engine(), clock, sources=4)
    async with running(admission), asyncio.TaskGroup() as group:
        for seq in range(400):
            group.create_task(offer(chance.choice("abcde"), seq))
            if chance.random() < 0.3:
                await clock.sleep(0.0005)
            assert _adds_up(admission.counts)
    counts = admission.counts
    assert len(heard) == counts.offered == counts.done + counts.dropped + counts.failed == 400
    gone = heard.count("TimeoutError")  # a caller may go away in the moment in which its frame is settled otherwise
    assert heard.count("Rejected") <= counts.failed <= heard.count("Rejected") + gone
    assert heard.count("Result") <= counts.done <= heard.count("Result") + gone
    assert heard.count("Dropped") <= counts.dropped <= heard.count("Dropped") + gone
    assert min(counts.done, counts.dropped, counts.failed) > 0


def test_a_typical_time_follows_what_is_learned() -> None:
    typical = Typical()
    typical.learn(1.0)
    assert typical.seconds == 1.0
    for _ in range(40):
        typical.learn(0.1)
    assert typical.seconds == pytest.approx(0.1, abs=0.001)


async def _outcome(admission: Admission, frame: Frame, deadline: float | None = None) -> Result | Exception:
    try:
        return await admission.infer(frame, deadline=deadline)
    except Exception as error:  # noqa: BLE001 - the outcome is what is looked at
        return error
