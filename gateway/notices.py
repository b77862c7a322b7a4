"""Events by which the sequencer tells people of what it met: an intruder, two wishes, rules that answer themselves."""

from __future__ import annotations

from gateway.waits import Wait
from rules.instructions import Command, Signal
from twins.exchange import Event, Outcome
from twins.instructions import Conflict, Refuse


def intrusion(i: Refuse, seen: int) -> Event:
    """The event that tells of a client that spoke as the cloud."""
    message = f"somebody at the broker spoke as the cloud ({i.topic}) and was refused: look at who may write there"
    return Event(f"{i.cause}:{i.device}:intrusion", seen, "security", i.device, "warning", message, i.cause)


def conflict(i: Conflict, seen: int) -> Event:
    """The event that tells of two desired values."""
    message = (
        f"{i.name} was set to {i.edge!r} here and to {i.cloud!r} in the cloud while they were apart: the cloud's holds"
    )
    detail = {"edge": i.edge or "", "cloud": i.cloud or ""}
    return Event(f"{i.cause}:{i.device}:{i.name}:conflict", seen, "twin", i.device, "warning", message, i.cause, detail)


def loop(rule: str, cause: str, rounds: int, chain: str, seen: int) -> Event:
    """The event that tells of a chain of rules that was cut, after so many `rounds`; 0: it grew too fast."""
    when = f"after {rounds} rounds" if rounds else "for it goes on too fast"
    message = f"rule {rule} answers its own commands: cut {when}; look for a loop of rules: {chain}"
    return Event(f"{cause}:{rule}:loop", seen, "rule", rule, "error", message, cause, {"chain": chain})


def unreported(wait: Wait, seen: int) -> Event:
    """The event that tells of a device that has not reported in time what a rule asked of it."""
    message = f"{wait.device} has not reported {wait.name} = {wait.value} in time, as rule {wait.rule} asked"
    detail = {"id": wait.id, "instance": wait.rule, "outcome": "failed"}
    detector = "/".join(wait.rule.split("/", 2)[:2])
    return Event(f"{wait.id}:{seen}:unreported", seen, "action", detector, "warning", message, wait.cause, detail)


def unsaid(signal: Signal, reason: str, seen: int) -> Event:
    """The event that tells of a rule that another could not hear."""
    rule, cause = signal.rule, signal.cause
    return Event(f"{signal.id}:unsaid", seen, "rule", rule, "warning", f"rule {rule}: {reason}", cause)


def unheard(command: Command, outcome: Outcome, seen: int) -> Event:
    """The event that tells of a rule's command that was refused."""
    rule, cause, device = command.rule, command.cause, command.device
    message = f"rule {rule} can't set {device}: {outcome.refused}"
    return Event(f"{cause}:{rule}:{device}:refused", seen, "rule", rule, "warning", message, cause)


def jump(micros: int, now: int) -> Event:
    """The event that tells of a wall clock that was set, by so many microseconds, to `now`."""
    way = "forward" if micros > 0 else "back"
    message = (
        f"the clock was set {way} by {abs(micros) / 1e6:g} s: timers go on as they were, times of day by the new time"
    )
    return Event(f"clock:{now}", now, "clock", "", "info", message)
