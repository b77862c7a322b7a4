"""Every expression of a model, with the JSON path where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from rules.iotevents.model import Action, Actions, Event, Payload, State
from rules.iotevents.syntax import Binary, Call, Node, Reference, Text, Unary, parse, template
from rules.manifest.form import InputType
from twins.errors import Rejected


class Use(Struct, frozen=True):
    """One expression; `wanted` is the type it must have, `variable` what its value is assigned to."""

    path: str
    node: Node
    wanted: InputType | None = None
    variable: Reference | None = None


def of_state(state: State, path: str) -> Iterator[Use]:
    """The expressions of a state. Raises `Rejected` with the path."""
    groups = {
        "onEnter.events": state.on_enter.events,
        "onInput.events": state.on_input.events,
        "onInput.transitionEvents": state.on_input.transition_events,
        "onExit.events": state.on_exit.events,
    }
    for group, events in groups.items():
        for at, event in enumerate(events):
            yield from _of_event(event, f"{path}.{group}[{at}]")


def of_actions(actions: Actions, path: str) -> Iterator[Use]:
    """The expressions of actions. Raises `Rejected` with the path, also for an object with another number of them."""
    for at, action in enumerate(actions):
        here = f"{path}[{at}]"
        if len(action.given) != 1:
            raise Rejected(f"{here}: one action is needed in each object, given: {', '.join(action.given) or 'none'}")
        yield from _of_action(action, f"{here}.{action.given[0]}")


def read(source: str, path: str, parser: Callable[[str], Node] = parse) -> Node:
    """The tree of an expression. Raises `Rejected` with the path."""
    try:
        return parser(source)
    except Rejected as error:
        raise Rejected(f"{path}: {error.reason}") from None


def topic(text: str) -> Node:
    """A topic stands with quotes or without."""
    return parse(text) if text.lstrip().startswith("'") else template(text)


def references(node: Node) -> Iterator[Reference]:
    for each in nodes(node):
        if isinstance(each, Reference):
            yield each


def nodes(node: Node) -> Iterator[Node]:
    """A tree's nodes, itself first."""
    yield node
    match node:
        case Text(parts):
            inner = [part for part in parts if not isinstance(part, str)]
        case Unary(_, operand):
            inner = [operand]
        case Binary(_, left, right):
            inner = [left, right]
        case Call(_, arguments):
            inner = list(arguments)
        case _:
            inner = []
    for each in inner:
        yield from nodes(each)


def _of_event(event: Event, path: str) -> Iterator[Use]:
    if event.condition:
        yield Use(f"{path}.condition", read(event.condition, f"{path}.condition"), "boolean")
    yield from of_actions(event.actions, f"{path}.actions")


def _of_action(action: Action, path: str) -> Iterator[Use]:
    if action.set_variable is not None:
        variable = Reference("variable", (action.set_variable.variable_name,))
        here = f"{path}.value"
        yield Use(here, read(action.set_variable.value, here), variable=variable)
    if action.set_timer is not None:
        length = action.set_timer.duration_expression
        if (length is None) == (action.set_timer.seconds is None):
            raise Rejected(f"{path}: either seconds or durationExpression is needed")
        if length is not None:
            yield Use(f"{path}.durationExpression", read(length, f"{path}.durationExpression"), "number")
    if action.iot_topic_publish is not None:
        here = f"{path}.mqttTopic"
        yield Use(here, read(action.iot_topic_publish.mqtt_topic, here, topic))
    if action.iot_site_wise is not None and action.iot_site_wise.property_value is not None:
        given = action.iot_site_wise.property_value.value
        found = () if given is None else (getattr(given, name) for name in given.__struct_fields__)
        source = next((each for each in found if each is not None), None)
        if source is not None:
            yield Use(f"{path}.propertyValue.value", read(source, f"{path}.propertyValue.value"))
    payload = _payload(action)
    if payload is not None:
        here = f"{path}.payload.contentExpression"
        yield Use(here, read(payload.content_expression, here))


def _payload(action: Action) -> Payload | None:
    """The payload of an action that has one."""
    found = (getattr(action, name) for name in action.__struct_fields__)
    return next((payload for each in found if (payload := getattr(each, "payload", None)) is not None), None)
