"""All that is known when an action is done, as JSON: what is sent where the manifest says nothing else."""

from __future__ import annotations

import msgspec

from rules.turn import Turn


def knowledge(turn: Turn) -> str:
    """Rule, instance, state, values, device, trigger, cause and time (microseconds UTC) as a JSON object."""
    record = turn.record
    known = {
        "rule": turn.rule,
        "instance": record.key,
        "state": record.state,
        "values": record.values,
        "device": record.device,
        "trigger": turn.trigger,
        "cause": turn.cause,
        "at": turn.now,
    }
    return msgspec.json.encode(known).decode()
