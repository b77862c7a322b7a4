"""Lives of a gateway that end between any append and its commit: nothing is decided twice, and nothing is forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.instance import revive
from tests.clock import SetClock, in_virtual_time
from tests.gateway.stage import Disk, Stage, rule, settle
from twins.exchange import Outcome
from twins.stimuli import Updated

KEY = "default/count/default/d1"
COUNT: dict[str, Any] = rule(
    "count",
    variables={"inputs": 0, "rings": 0, "armed": False, "moves": 0, "ticks": 0},
    schedules={"tick": {"cron": "* * * * *"}},
    states={
        state: {
            "onInput": {
                "events": [
                    {
                        "when": 'input == "t"',
                        "do": [{"assign": {"inputs": "inputs + 1.0"}}, {"alert": {"message": "input ${inputs}"}}],
                    },
                    {
                        "when": 'input == "t" && t > 4.0',
                        "do": [{"timer": {"name": "x", "expression": "t"}}, {"assign": {"armed": "true"}}],
                    },
                    {
                        "when": 'timeout("x")',
                        "do": [{"assign": {"rings": "rings + 1.0", "armed": "false"}}, {"alert": {"message": "ring"}}],
                    },
                    {
                        "when": 'schedule("tick")',
                        "do": [{"assign": {"ticks": "ticks + 1.0"}}, {"alert": {"message": "tick"}}],
                    },
                ],
                "transitions": [
                    {"to": other, "when": 'timeout("x")', "do": [{"assign": {"moves": "moves + 1.0"}}]},
                ],
            }
        }
        for state, other in (("A", "B"), ("B", "A"))
    },
)


class Device:
    """Reports once more in each life what was not answered, as devices do that must not lose anything."""

    def __init__(self) -> None:
        self.sent = 0
        self.unanswered: list[Updated] = []

    async def report(self, stage: Stage, value: float) -> None:
        self.sent += 1
        message = stage.update(seq=self.sent, repeats=True, t=str(value))
        self.unanswered.append(message)
        await self._offer(stage, message)

    async def repeat(self, stage: Stage) -> None:
        for message in list(self.unanswered):
            await self._offer(stage, msgspec.structs.replace(message, cause=stage.next_cause(), seen=stage.clock.now()))

    async def _offer(self, stage: Stage, message: Updated) -> None:
        def answered(outcome: Outcome) -> None:
            assert outcome.refused is None
            self.unanswered = [each for each in self.unanswered if each.seq != message.seq]

        await stage.core.offer((message,), answered)
        await settle()


def look(disk: Disk) -> None:
    """Whatever reached the disk is of one piece: state, variables, timers and what was told of them."""
    found = disk.found()
    if KEY not in found.rules:
        assert not any(timer.startswith(KEY) for timer in found.timers)
        return
    record = revive("default/d1", found.rules[KEY])
    assert record is not None
    told = [event.message for batch in disk.batches[: disk.durable] for event in batch.events]
    ids = [event.id for batch in disk.batches[: disk.durable] for event in batch.events]
    values = record.values
    assert len(set(ids)) == len(ids)
    assert [each for each in told if each.startswith("input")] == [
        f"input {n}" for n in range(1, int(values["inputs"]) + 1)
    ]
    assert told.count("tick") == values["ticks"]
    assert told.count("ring") == values["rings"] == values["moves"]
    assert record.state == "AB"[int(values["rings"]) % 2]
    assert [timer for timer in found.timers if timer.startswith(KEY)] == ([f"{KEY}#x"] if values["armed"] else [])


steps = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.sampled_from([1.0, 5.0, 9.0])),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 4.0, 7.0, 61.0])),
        st.tuples(st.just("jump"), st.sampled_from([-3600.0, 3600.0])),
        st.tuples(st.just("commit"), st.sampled_from([1, 1, 2, 3])),
        st.tuples(st.just("kill"), st.sampled_from([0.0, 6.0])),
    ),
    min_size=5,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_a_kill_at_any_point_between_append_and_commit_decides_nothing_twice(plan: list[tuple[str, float]]) -> None:
    @in_virtual_time
    async def play() -> None:
        disk, clock, device = Disk(held=True), SetClock(), Device()
        rest = list(plan)
        for life in range(1 + sum(what == "kill" for what, _ in plan)):
            stage = reborn(disk, clock, life)
            async with stage.running():
                await disk.commit()
                if not stage.rules.detectors:
                    await apply(stage)
                await device.repeat(stage)
                while rest and (step := rest.pop(0))[0] != "kill":
                    await play_one(stage, device, *step)
                    look(disk)
            del disk.batches[disk.durable :]  # what was appended and not committed is gone
            await clock.sleep(step[1] if plan and step[0] == "kill" else 0.0)
        last = reborn(disk, clock, 99)
        async with last.running():
            await disk.commit()
            await device.repeat(last)
            for _ in range(30):
                await clock.sleep(0.5)
                await disk.commit()
        look(disk)
        assert device.unanswered == []
        (instance,) = last.rules.views()[0].instances or [None]
        if device.sent:
            assert instance is not None
            assert instance.values["inputs"] == device.sent
            assert instance.timers == {}

    play()


def reborn(disk: Disk, clock: SetClock, life: int) -> Stage:
    found = disk.found()
    stage = Stage(disk, clock=clock)
    stage.next_cause = lambda: f"test:{life}:{len(disk.batches)}:{clock.now()}"
    start = stage.timers.restore(found.timers, found.clock)
    decided = stage.rules.restore(found.rules, found.timers, start)
    stage.twins.restore(found.twins, found.seen)
    assert stage.registry.restore(found.manifests) == []
    for _, manifest in stage.registry.of("Detector"):
        decided += stage.rules.apply(manifest, start.now)
    stage.core.resume(decided)
    return stage


async def apply(stage: Stage) -> None:
    stage.disk.held = False
    await stage.registry.apply(COUNT, "test")
    stage.disk.held = True


async def play_one(stage: Stage, device: Device, what: str, value: float) -> None:
    match what:
        case "report":
            await device.report(stage, value)
        case "wait":
            await stage.clock.sleep(value)
        case "jump":
            assert isinstance(stage.clock, SetClock)
            stage.clock.jump(value)
        case "commit":
            left = len(stage.disk.batches) - stage.disk.durable
            await stage.disk.commit(min(int(value), left))
