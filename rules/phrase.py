"""What an action does, in words."""

from __future__ import annotations

from rules.instructions import Act, Command, Held, Instruction, Raise, Rehearsed, Signal, Write


def phrase(instruction: Instruction) -> str:
    """As `default/pump: speed = 80`; empty for what only keeps the books."""
    match instruction:
        case Command(device, values):
            return f"set {device}: " + ", ".join(f"{name} = {value}" for name, value in values.items())
        case Act(task=task):
            return str(task)
        case Write(device=device, property=name, value=value):
            return f"write {device}/{name} = {value}"
        case Signal(detector=detector, key=key, input=name, value=value):
            return f"signal {detector}/{key}: {name} = {value}"
        case Raise(event):
            return f"tell ({event.severity}): {event.message}"
        case Held(what=what):
            return f"held back: {what}"
        case Rehearsed(instruction=meant):
            return f"dry run: {phrase(meant)}"
        case _:
            return ""
