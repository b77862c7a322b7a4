"""Events of the kind `alarm`: what they say of an alarm, so that whoever has the event needs nothing else."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import structs

from rules.alarms.standing import Standing
from rules.manifest.action import What
from twins.exchange import Event, Severity

KIND = "alarm"
LOUD: frozenset[What] = frozenset({"raised", "escalated", "reminded"})
"""What has the alarm's own severity; all else is information."""


def note(each: Standing, what: What, message: str, *, seed: str, cause: str, now: int, more: dict[str, str]) -> Event:
    """The event that tells `what` became of an alarm, which stands so from then on. `seed` makes its id."""
    severity: Severity = each.severity if what in LOUD else "info"
    detail = {"what": what} | {field: str(value) for field, value in structs.asdict(each).items()} | more
    name = blake2b(f"{seed}|{what}".encode(), digest_size=12).hexdigest()
    return Event(name, now, KIND, f"{each.alarm}/{each.key}", severity, message, cause, detail)


def gone(each: Standing, state: str, why: str, cause: str, now: int) -> Event:
    """The event that tells of an alarm that was dropped, or came into `state`, by what is none of its ways."""
    after = structs.replace(each, state=state, since=now, until=0)
    what: What = "changed" if state else "removed"
    if each.stands and not after.stands:
        what = "cleared"
    seed = f"{cause}|{each.alarm}/{each.key}"
    return note(after, what, f"{what}, as {why}: {each.message}", seed=seed, cause=cause, now=now, more={})


def standing_of(event: Event) -> Standing | None:
    """How the alarm stands of which an event tells; `None` where it tells of none."""
    if event.kind != KIND:
        return None
    try:
        return msgspec.convert(event.detail, Standing, strict=False)
    except msgspec.ValidationError:  # of another version
        return None
