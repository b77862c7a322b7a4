"""An alarm model of IoT Events as the manifest of an `Alarm`."""

from __future__ import annotations

from typing import Any

from rules.iotevents import subject
from rules.iotevents.actions import Doing
from rules.iotevents.inputs import Options
from rules.iotevents.model import AlarmModel, Notification
from rules.iotevents.report import Report
from rules.iotevents.syntax import Binary, Boolean, Node, Number, Reference, Unary
from rules.iotevents.translation import Translation, Untranslatable
from rules.iotevents.uses import Use, of_actions, read
from twins.errors import Rejected

_OPERATORS = {
    "GREATER": ">", "GREATER_OR_EQUAL": ">=", "LESS": "<", "LESS_OR_EQUAL": "<=", "EQUAL": "==", "NOT_EQUAL": "!=",
}  # fmt: skip
_RULE = "alarmRule.simpleRule"
_ACTIONS = "alarmEventActions.alarmActions"
Found = dict[str, Any]


def manifest(model: AlarmModel, options: Options, report: Report) -> Found:
    """The manifest. Raises `Rejected` with the JSON path for what is no sound model."""
    rule = model.alarm_rule.simple_rule
    watched = read(rule.input_property, f"{_RULE}.inputProperty")
    threshold = read(rule.threshold, f"{_RULE}.threshold")
    actions = model.alarm_event_actions.alarm_actions
    uses = [Use(_RULE, Binary("<", watched, threshold)), *of_actions(actions, _ACTIONS)]
    symbols = subject.symbols(uses, model.key, model.alarm_model_name, options, report)
    if not isinstance(watched, Reference) or watched.kind != "input":
        raise Rejected(f"{_RULE}.inputProperty: {rule.input_property!r} is no $input.NAME.path")
    doing = Doing(model.alarm_model_name, symbols, {use.path: use.node for use in uses}, report)
    write = Translation(symbols, lambda how: report.differs(f"{_RULE}.threshold", model.alarm_model_name, how))
    name = symbols.cel(watched)
    operator = _OPERATORS[rule.comparison_operator]
    try:
        limit = _limit(threshold, write)
    except Untranslatable as reason:
        raise Rejected(f"{_RULE}.threshold: {reason}") from None
    report.taken(_RULE, model.alarm_model_name, f"{name} {operator} {limit}")
    do = doing.translate(actions, _ACTIONS, model.alarm_model_name)
    _tell(model, report, has_actions=bool(do))
    told = model.alarm_model_description
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Alarm",
        "metadata": subject.metadata(model.alarm_model_name, options),
        "spec": {
            **({"description": told} if told else {}),
            "inputs": subject.inputs(symbols, report),
            "key": symbols.our_key,
            "condition": {"input": name, "operator": operator, "threshold": limit},
            "message": f"{model.alarm_model_name}: {name} of ${{device}} is ${{{name}}}",
            **_flow(model, report),
            "flapping": None,
            **({"onRaise": do, "onClear": do} if do else {}),
        },
    }


def _limit(threshold: Node, write: Translation) -> float | bool | str:
    match threshold:
        case Number(value) | Boolean(value):
            return value
        case Unary("-", Number(value)):
            return -value
        case _:
            return write.cel(threshold)


def _flow(model: AlarmModel, report: Report) -> Found:
    """Acknowledgement and how it begins."""
    name, able = model.alarm_model_name, model.alarm_capabilities
    flow, begin = able.acknowledge_flow, able.initialization_configuration
    path = "alarmCapabilities"
    if flow is None:
        report.differs(f"{path}.acknowledgeFlow", name, "is absent: nobody need acknowledge it")
    else:
        report.taken(f"{path}.acknowledgeFlow", name)
    disabled = begin is None or begin.disabled_on_initialization
    how = "it begins disabled, as IoT Events has it by default: gemelo alarm enable, or startDisabled: false"
    report.taken(f"{path}.initializationConfiguration", name, how if begin is None else "")
    if flow is not None and flow.enabled:
        return {"acknowledge": True, "latch": "unacknowledged", "startDisabled": disabled}
    return {"acknowledge": False, "startDisabled": disabled}


def _tell(model: AlarmModel, report: Report, *, has_actions: bool) -> None:
    name = model.alarm_model_name
    if has_actions:
        how = "they run when it is raised and when it is cleared, not at each change of its state"
        report.differs("alarmEventActions", name, how)
    if model.severity is not None:
        report.differs("severity", name, f"{model.severity} is a number; it is an alert here: info, warning, error are")
    for at, each in enumerate(model.alarm_notification.notification_actions):
        path = f"alarmNotification.notificationActions[{at}]"
        report.left(path, name, _notified(each))
    if model.role_arn:
        report.left("roleArn", name, "is not needed: rules do what their manifests say")
    if model.tags:
        report.left("tags", name, "write them as labels, if they are to stay")


def _notified(each: Notification) -> str:
    ways = [("email", each.email_configurations), ("SMS", each.sms_configurations)]
    named = " and ".join(word for word, given in ways if given) or "a function"
    return f"people were told by {named}; here an alarm is told as an event, on the page and over MQTT"
