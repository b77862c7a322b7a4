"""A detector model of IoT Events as the manifest of a `Detector`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rules.iotevents import reach, subject
from rules.iotevents.actions import Doing
from rules.iotevents.inputs import Options
from rules.iotevents.model import DetectorModel, Event, State
from rules.iotevents.naming import Names
from rules.iotevents.report import Report
from rules.iotevents.syntax import Reference
from rules.iotevents.translation import Translation, Untranslatable
from rules.iotevents.uses import Use, of_state, references
from twins.errors import Rejected
from twins.schema import nearest

ROOT = "detectorModelDefinition"
_ALWAYS = {"", "true"}
Found = dict[str, Any]


def manifest(model: DetectorModel, options: Options, report: Report) -> Found:
    """The manifest. Raises `Rejected` with the JSON path for what is no sound model."""
    _check(model)
    return _Importer(model, options, report).manifest()


class _Importer:
    def __init__(self, model: DetectorModel, options: Options, report: Report) -> None:
        self._model = model
        self._report = report
        self._states = {each.state_name: each for each in model.detector_model_definition.states}
        self._paths = {name: f"{ROOT}.states[{at}]" for at, name in enumerate(self._states)}
        self._uses = {name: list(of_state(state, self._paths[name])) for name, state in self._states.items()}
        self._reached = reach.states(model)
        self._titles = Names(title=True)
        uses = [use for name in self._reached for use in self._uses[name]]
        self._symbols = subject.symbols(uses, model.key, model.detector_model_name, options, report)
        self._trees = {use.path: use.node for use in uses}
        self._doing = Doing(model.detector_model_name, self._symbols, self._trees, report)
        self._doing.started = set(reach.timers(self._states[name] for name in self._reached))

    def manifest(self) -> Found:
        model = self._model
        states = {self._titles.of(name): self._state(name) for name in self._states if name in self._reached}
        self._tell()
        told = model.detector_model_description
        return {
            "apiVersion": "gemelo.dev/v1alpha1",
            "kind": "Detector",
            "metadata": subject.metadata(model.detector_model_name, self._symbols.options),
            "spec": {
                **({"description": told} if told else {}),
                "inputs": subject.inputs(self._symbols, self._report),
                "key": self._symbols.our_key,
                "variables": self._symbols.begin(),
                "evaluation": model.evaluation_method.lower(),
                "initial": self._titles.of(model.detector_model_definition.initial_state_name),
                "states": states,
            },
        }

    def _state(self, name: str) -> Found:
        state, path = self._states[name], self._paths[name]
        ours = self._titles.of(name)
        if ours != name:
            self._report.differs(f"{path}.stateName", name, f"is called {ours} here")
        else:
            self._report.taken(path, name)
        before = self._before(state, path)
        events = self._steps(state.on_input.events, f"{path}.onInput.events")
        if before:
            changed = " || ".join(f"{old} != {new}" for new, old in before.items())
            events.insert(0, {"name": "before", "when": changed, "do": [{"assign": {v: k for k, v in before.items()}}]})
        lists = {
            "onEnter": {"events": self._steps(state.on_enter.events, f"{path}.onEnter.events")},
            "onInput": {"events": events, "transitions": list(self._arrows(state, path, before))},
            "onExit": {"events": self._steps(state.on_exit.events, f"{path}.onExit.events")},
        }
        kept = {when: {group: each for group, each in groups.items() if each} for when, groups in lists.items()}
        return {when: groups for when, groups in kept.items() if groups}

    def _steps(self, events: Iterable[Event], path: str) -> list[Found]:
        found: list[Found] = []
        for at, event in enumerate(events):
            here = f"{path}[{at}]"
            do = self._doing.translate(event.actions, f"{here}.actions", event.event_name)
            if not do:
                self._report.left(here, event.event_name, "it has no action that is taken, so it is left out")
                continue
            found.append({"name": Names(title=True).of(event.event_name), **self._when(event, here), "do": do})
        return found

    def _arrows(self, state: State, path: str, before: dict[str, str]) -> Iterator[Found]:
        names = Names(title=True)
        for at, arrow in enumerate(state.on_input.transition_events):
            here = f"{path}.onInput.transitionEvents[{at}]"
            name = names.of(f"{at} {arrow.event_name}", arrow.event_name)
            do = self._doing.translate(arrow.actions, f"{here}.actions", arrow.event_name)
            when = self._when(arrow, here, before)
            found: Found = {"to": self._titles.of(arrow.next_state), "name": name, **when}
            yield found | ({"do": do} if do else {})

    def _when(self, event: Event, path: str, before: dict[str, str] | None = None) -> Found:
        """The condition, which is false where it cannot be said."""
        here, name = f"{path}.condition", event.event_name
        if (event.condition or "").strip() in _ALWAYS:
            self._report.taken(path, name)
            return {}
        told: list[str] = []
        try:
            when = Translation(self._symbols, told.append, before).condition(self._trees[here])
        except Untranslatable as reason:
            self._report.left(here, name, f"{reason}. Until then it is false: {event.condition}")
            return {"when": "false"}
        for how in told:
            self._report.differs(here, name, how)
        if not told:
            self._report.taken(path, name)
        return {"when": when}

    def _before(self, state: State, path: str) -> dict[str, str]:
        """Variables whose old value the conditions of transitions see in a batch, and the names of those values."""
        if self._model.evaluation_method == "SERIAL":
            return {}
        changed = {use.variable for use in self._of(state, f"{path}.onInput.events") if use.variable is not None}
        asked = {
            each
            for use in self._of(state, f"{path}.onInput.transitionEvents")
            if use.path.endswith("].condition")
            for each in references(use.node)
        }
        found: dict[str, str] = {}
        for variable in sorted(changed & asked):
            name = self._symbols.cel(variable)
            found[name] = self._symbols.former(variable)
            told = f"transitions see {name} as it was before the events, as in IoT Events: the variable {found[name]}"
            self._report.taken(f"{path}.onInput.transitionEvents", state.state_name, told)
        return found

    def _of(self, state: State, path: str) -> Iterator[Use]:
        return (use for use in self._uses[state.state_name] if use.path.startswith(path))

    def _tell(self) -> None:
        """What is to be said of the model as a whole."""
        model, report = self._model, self._report
        name = model.detector_model_name
        report.taken("evaluationMethod", name, model.evaluation_method.lower())
        report.differs("detectorModelName", name, "a changed model keeps its instances (migration: keep); IoT Events "
                       "began them anew")  # fmt: skip
        for state in self._states:
            if state not in self._reached:
                report.left(self._paths[state], state, "no way leads to it from the initial state")
        for variable in sorted(self._unset()):
            begun = self._symbols.begin()[self._symbols.cel(variable)]
            how = f"begins as {begun!r}; in IoT Events it has no value until it is set"
            report.differs(str(variable), variable.path[0], how)
        for timer, states in reach.unasked(model, self._trees).items():
            how = f"if it ends in {', '.join(states)}, where nothing asks for it, no later state hears of it"
            report.differs(f'timeout("{timer}")', timer, how)
        if model.role_arn:
            report.left("roleArn", name, "is not needed: rules do what their manifests say")
        if model.tags:
            report.left("tags", name, "write them as labels, if they are to stay")

    def _unset(self) -> set[Reference]:
        """Variables that are not set in any case when an instance begins."""
        initial = self._model.detector_model_definition.initial_state_name
        sure = {
            action.set_variable.variable_name
            for event in self._states[initial].on_enter.events
            if (event.condition or "").strip() in _ALWAYS
            for action in event.actions
            if action.set_variable is not None
        }
        used = {each for name in self._reached for use in self._uses[name] for each in references(use.node)}
        return {each for each in used if each.kind == "variable" and each.path[0] not in sure}


def _check(model: DetectorModel) -> None:
    """Raise `Rejected` for states that are there twice, and for ways that lead nowhere."""
    definition = model.detector_model_definition
    names: list[str] = []
    for at, state in enumerate(definition.states):
        if state.state_name in names:
            raise Rejected(f"{ROOT}.states[{at}].stateName: {state.state_name!r} is there twice")
        names.append(state.state_name)
    for at, state in enumerate(definition.states):
        for number, arrow in enumerate(state.on_input.transition_events):
            path = f"{ROOT}.states[{at}].onInput.transitionEvents[{number}].nextState"
            _known(arrow.next_state, names, path)
    _known(definition.initial_state_name, names, f"{ROOT}.initialStateName")


def _known(name: str, names: list[str], path: str) -> None:
    if name not in names:
        raise Rejected(f"{path}: {name!r} is no state; {nearest(name, names)}")
