"""Where the instances of a detector model can come, and the timers that run there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rules.iotevents.model import Actions, DetectorModel, State
from rules.iotevents.syntax import Call, Node, Text
from rules.iotevents.uses import nodes


def states(model: DetectorModel) -> set[str]:
    """Those that a way leads to from the initial one."""
    definition = model.detector_model_definition
    return _closure({definition.initial_state_name}, {each.state_name: each for each in definition.states}, "")


def timers(found: Iterable[State]) -> Iterator[str]:
    """The timers that states set."""
    for state in found:
        for actions in _lists(state):
            yield from (each.set_timer.timer_name for each in actions if each.set_timer is not None)


def unasked(model: DetectorModel, trees: Mapping[str, Node]) -> dict[str, list[str]]:
    """By timer, the states in which it may end and no condition asks for that, while those of other states do.

    `trees` are the expressions by path. A state that clears the timer when it is left ends it.
    """
    named = {each.state_name: each for each in model.detector_model_definition.states}
    asking: dict[str, set[int]] = {}
    for path, tree in trees.items():
        if ".onInput." in path and path.endswith(".condition"):
            for timer in _asked(tree):
                asking.setdefault(timer, set()).add(int(path.partition("[")[2].partition("]")[0]))
    begun, reached = _begun(named), states(model)
    found: dict[str, list[str]] = {}
    for timer, places in asking.items():
        runs = _closure(begun.get(timer, set()), named, timer) & reached
        silent = [name for at, name in enumerate(named) if name in runs and at not in places]
        if silent:
            found[timer] = silent
    return found


def _closure(begin: set[str], named: Mapping[str, State], timer: str) -> set[str]:
    reached: set[str] = set()
    edge = list(begin)
    while edge:
        name = edge.pop()
        if name not in reached:
            reached.add(name)
            if not timer or not _clears(named[name], timer):
                edge += [arrow.next_state for arrow in named[name].on_input.transition_events]
    return reached


def _begun(named: Mapping[str, State]) -> dict[str, set[str]]:
    """By timer, the states in which it begins to run."""
    found: dict[str, set[str]] = {}
    for name, state in named.items():
        for event in (*state.on_enter.events, *state.on_input.events):
            _note(found, event.actions, name)
        for arrow in state.on_input.transition_events:
            for actions in (arrow.actions, *(event.actions for event in state.on_exit.events)):
                _note(found, actions, arrow.next_state)
    return found


def _note(found: dict[str, set[str]], actions: Actions, state: str) -> None:
    for each in actions:
        if each.set_timer is not None:
            found.setdefault(each.set_timer.timer_name, set()).add(state)


def _clears(state: State, timer: str) -> bool:
    actions = [action for event in state.on_exit.events for action in event.actions]
    return any(each.clear_timer is not None and each.clear_timer.timer_name == timer for each in actions)


def _lists(state: State) -> Iterator[Actions]:
    on_input = state.on_input
    for event in (*state.on_enter.events, *on_input.events, *on_input.transition_events, *state.on_exit.events):
        yield event.actions


def _asked(tree: Node) -> Iterator[str]:
    for node in nodes(tree):
        match node:
            case Call("timeout", (Text() as name,)) if name.plain is not None:
                yield name.plain
