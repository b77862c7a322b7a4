"""States and the ways between them."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.fault import Fault, attempt
from rules.manifest.detector import Detector, microseconds
from twins.schema import nearest


def graph(detector: Detector) -> Iterator[Fault]:
    spec = detector.spec
    if spec.initial not in spec.states:
        yield Fault("spec.initial", f"{spec.initial!r} is no state; {nearest(spec.initial, spec.states)}")
        return
    for name, state in spec.states.items():
        seen: set[str] = set()
        for at, arrow in enumerate(state.on_input.transitions):
            path = f"spec.states.{name}.onInput.transitions[{at}]"
            if arrow.to not in spec.states:
                yield Fault(f"{path}.to", f"{arrow.to!r} is no state; {nearest(arrow.to, spec.states)}")
            title = arrow.name or arrow.to
            if title in seen:
                yield Fault(f"{path}.name", f"{title!r} names another transition of this state; give each its own name")
            seen.add(title)
            yield from attempt(f"{path}.for", microseconds, 1.0 if arrow.hold is None else arrow.hold)
    for name in sorted(spec.states.keys() - _reached(detector)):
        yield Fault(f"spec.states.{name}", f"cannot be reached from {spec.initial!r}; add a transition or remove it")


def _reached(detector: Detector) -> set[str]:
    states = detector.spec.states
    reached: set[str] = set()
    edge = [detector.spec.initial]
    while edge:
        name = edge.pop()
        if name in states and name not in reached:
            reached.add(name)
            edge += [arrow.to for arrow in states[name].on_input.transitions]
    return reached
