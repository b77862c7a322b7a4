"""Events by which the sequencer tells people of what it met: an intruder, two wishes, rules that answer themselves."""

from __future__ import annotations

from rules.instructions import Command
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


def loop(rule: str, cause: str, rounds: int, seen: int) -> Event:
    """The event that tells of a rule that was cut after so many `rounds`."""
    message = f"rule {rule} answers its own commands: cut after {rounds} rounds; look for a loop of rules"
    return Event(f"{cause}:{rule}:loop", seen, "rule", rule, "error", message, cause)


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
