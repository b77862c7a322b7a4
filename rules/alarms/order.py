"""Commands to an alarm: which there are, what each makes of each state, and how one is written as a fact.

| state | acknowledge | snooze | disable | enable | reset |
|---|---|---|---|---|---|
| Disabled | - | - | - | Normal | - |
| Normal | - | SnoozeDisabled | Disabled | - | - |
| Active | Acknowledged (1) | SnoozeDisabled | Disabled | - | Normal |
| Acknowledged | - | SnoozeDisabled | Disabled | - | Normal |
| SnoozeDisabled | - | SnoozeDisabled anew | Disabled | Normal (2) | - |
| Latched | Normal (3) | SnoozeDisabled | Disabled | - | Normal |

(1) with `acknowledge: true`; (2) or Latched, where it came from a latch; (3) with `latch: unacknowledged`.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from rules.alarms.variables import INPUT
from rules.manifest.alarm import Alarm, Spec
from twins.duration import Duration, microseconds
from twins.errors import Rejected

Command = Literal["acknowledge", "snooze", "disable", "enable", "reset"]
StateName = Literal["Disabled", "Normal", "Active", "Acknowledged", "SnoozeDisabled", "Latched"]
COMMANDS: tuple[Command, ...] = get_args(Command)
STATES: tuple[StateName, ...] = get_args(StateName)
STANDING = frozenset({"Active", "Acknowledged"})
"""States in which an alarm stands: it was raised and is not cleared."""
LONGEST_WHO, LONGEST_NOTE = 64, 150
_SEPARATOR = "|"

WAYS: dict[tuple[StateName, Command], StateName] = {
    ("Disabled", "enable"): "Normal",
    ("Normal", "snooze"): "SnoozeDisabled",
    ("Normal", "disable"): "Disabled",
    ("Active", "acknowledge"): "Acknowledged",
    ("Active", "snooze"): "SnoozeDisabled",
    ("Active", "disable"): "Disabled",
    ("Active", "reset"): "Normal",
    ("Acknowledged", "snooze"): "SnoozeDisabled",
    ("Acknowledged", "disable"): "Disabled",
    ("Acknowledged", "reset"): "Normal",
    ("SnoozeDisabled", "snooze"): "SnoozeDisabled",
    ("SnoozeDisabled", "disable"): "Disabled",
    ("SnoozeDisabled", "enable"): "Normal",
    ("Latched", "acknowledge"): "Normal",
    ("Latched", "snooze"): "SnoozeDisabled",
    ("Latched", "disable"): "Disabled",
    ("Latched", "reset"): "Normal",
}
"""Where a command leads; what is not here makes no sense."""
_WHY: dict[tuple[str, str], str] = {
    ("Disabled", "acknowledge"): "it is disabled: enable it first",
    ("Disabled", "snooze"): "it is disabled: it is silent as it is",
    ("Disabled", "disable"): "it is disabled already",
    ("Disabled", "reset"): "it is disabled: enable it first",
    ("Normal", "acknowledge"): "it is not raised: there is nothing to acknowledge",
    ("Normal", "enable"): "it is enabled already",
    ("Normal", "reset"): "it is not raised: there is nothing to reset",
    ("Active", "enable"): "it is enabled already, and raised: acknowledge it",
    ("Acknowledged", "acknowledge"): "it is acknowledged already",
    ("Acknowledged", "enable"): "it is enabled already",
    ("SnoozeDisabled", "acknowledge"): "it is snoozed: enable it first",
    ("SnoozeDisabled", "reset"): "it is snoozed: enable it first",
    ("Latched", "acknowledge"): "its condition is over and it stays until it is reset: reset it",
    ("Latched", "enable"): "it is enabled already, and stays until it is reset: reset it",
}


class Order(Struct, frozen=True):
    """One command: who gave it, why, and for `snooze` how long (µs), 0 for the manifest's time."""

    command: Command
    who: str = ""
    note: str = ""
    length: int = 0


def order(command: str, *, who: str = "", note: str = "", length: Duration | None = None) -> Order:
    """Check a command. Raises `Rejected`."""
    found = next((each for each in COMMANDS if each == command), None)
    if found is None:
        raise Rejected(f"{command[:40]!r} is no command to an alarm: {', '.join(COMMANDS)} are", 404)
    if length is not None and found != "snooze":
        raise Rejected(f"{found} takes no time: only snooze does")
    for name, text, most in (("who", who, LONGEST_WHO), ("note", note, LONGEST_NOTE)):
        if len(text) > most or not text.isprintable():
            raise Rejected(f"{name}: at most {most} printable characters on one line are taken")
    try:
        micros = 0 if length is None else microseconds(length, 1_000_000)
    except ValueError as error:
        raise Rejected(f"for: {error}") from None
    return Order(found, who, note, micros)


def ways(spec: Spec, state: StateName) -> dict[Command, StateName]:
    """The commands that make sense in a state, and where they lead."""
    return {
        command: to for (source, command), to in WAYS.items() if source == state and not _refused(spec, state, command)
    }


def refusal(alarm: Alarm, state: str, command: Command) -> str:
    """Why a command makes no sense in a state, in words; empty when it does."""
    source = known(state)
    if source is not None and command in ways(alarm.spec, source):
        return ""
    why = _WHY.get((state, command), "its manifest says acknowledge: false; snooze, disable or reset it")
    return f"{alarm.id}: can't {command}: {why}"


def known(state: str) -> StateName | None:
    """A state by its name; `None` when alarms have none such."""
    return next((each for each in STATES if each == state), None)


def written(order: Order) -> str:
    """A command as the value of a fact."""
    return _SEPARATOR.join((order.command, str(order.length), order.who.replace(_SEPARATOR, "/"), order.note))


def read(text: str) -> Order | None:
    """What `written` gave."""
    command, length, who, note = (*text.split(_SEPARATOR, 3), "", "", "")[:4]
    found = next((each for each in COMMANDS if each == command), None)
    return None if found is None or not length.isdigit() else Order(found, who, note, int(length))


def given(command: Command) -> str:
    """The CEL condition that this evaluation is of that command."""
    return f'input == "{INPUT}" && {INPUT}.startsWith("{command}{_SEPARATOR}")'


def _refused(spec: Spec, state: StateName, command: Command) -> bool:
    if command != "acknowledge":
        return False
    return spec.latch != "unacknowledged" if state == "Latched" else not spec.acknowledge
