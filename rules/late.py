"""What becomes of the timers of an instance that was away with the gateway: each says so by its `late`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from rules.account import effects
from rules.explain import Evaluation, Verdict
from rules.instance import Record
from rules.instructions import Decided, Explained, Instruction, Wake
from rules.machine import Machine


class Start(Struct, frozen=True):
    """When a life begins, all in microseconds: by the wall clock and in steady time; how long the gateway was away."""

    now: int
    steady: int
    away: int = 0
    back: int = 0
    """How far the wall clock went back meanwhile."""


def take_up(
    machine: Machine, record: Record, found: Mapping[str, tuple[int, bytes]], start: Start, *, again: bool
) -> list[Instruction]:
    """Let the timers of an instance go on. Those that `fire` are left as they are: they ring at once if overdue.

    All are set `again` where the rule did not hold at the start, since what rang meanwhile rang for nobody.
    """
    out: list[Instruction] = []
    if again:
        kept = ((f"{machine.id}/{record.key}#{name}", due) for name, due in record.timers.items())
        out += [Wake(timer, due, found[timer][1]) for timer, due in kept if timer in found]
    for name in sorted(machine.plan.missed & record.timers.keys()):
        timer, due, late = f"{machine.id}/{record.key}#{name}", record.timers[name], machine.plan.late[name]
        body = found[timer][1] if timer in found else b""
        if late == "resume":
            record.timers[name] = due + start.away
            out.append(Wake(timer, due + start.away, body, pauses=True))
        elif due <= start.steady:
            del record.timers[name]
            out += _skipped(machine, record, name, due, body.decode(), start)
    return out


def _skipped(
    machine: Machine, record: Record, name: str, due: int, cause: str, start: Start
) -> tuple[Instruction, ...]:
    """Take the timer back, and let the story tell it."""
    state = record.state
    done = (
        Wake(f"{machine.id}/{record.key}#{name}", None),
        Decided(machine.id, record.key, f"skip {name}", state, state, cause),
    )
    why = Verdict("late", "skip", False, "it came due while the gateway was down")
    trigger = f"timer {name}@{due}"
    evaluation = Evaluation(
        start.now, cause, record.key, trigger, state, state, f"skip {name}", (why,),
        effects(done, {}, start.now - start.steady), machine.id,
    )  # fmt: skip
    machine.story.add(evaluation)
    return (Explained(evaluation), *done)
