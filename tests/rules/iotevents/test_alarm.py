from __future__ import annotations

import json
from typing import Any

import pytest

from rules.iotevents import Options, convert, read
from rules.manifest.alarm import Alarm, decode
from twins.errors import Rejected

MODEL: dict[str, Any] = {
    "alarmModelName": "PumpTooHot",
    "key": "pumpId",
    "severity": 5,
    "alarmRule": {
        "simpleRule": {
            "inputProperty": "$input.PumpReading.bearing.temperature",
            "comparisonOperator": "GREATER_OR_EQUAL",
            "threshold": "$input.PumpReading.limit",
        }
    },
    "alarmCapabilities": {
        "acknowledgeFlow": {"enabled": True},
        "initializationConfiguration": {"disabledOnInitialization": False},
    },
    "alarmEventActions": {"alarmActions": [{"iotTopicPublish": {"mqttTopic": "pumps/alarm"}}]},
    "alarmNotification": {
        "notificationActions": [
            {
                "action": {"lambdaAction": {"functionArn": "arn"}},
                "emailConfigurations": [{"from": "a@example.com", "recipients": {"to": []}}],
            }
        ]
    },
}


def bring(model: dict[str, Any]) -> Alarm:
    ((_, found),) = read(json.dumps(model).encode(), "alarm.json")
    conversion = convert(found, Options())
    assert conversion.faults == ()
    return decode(conversion.manifest)


def rule(**change: str) -> dict[str, Any]:
    return MODEL | {"alarmRule": {"simpleRule": MODEL["alarmRule"]["simpleRule"] | change}}


def test_an_alarm_that_is_acknowledged_is_over_with_its_condition_and_else_it_stays(site: Any) -> None:
    alarm = bring(MODEL)
    assert (alarm.id, alarm.spec.acknowledge, alarm.spec.latch) == ("default/pump-too-hot", True, "unacknowledged")
    site.rules.alarms.apply(alarm, "", 0)
    states = []
    for name, value in (("limit", 80), ("temperature", 70), ("temperature", 80), ("temperature", 70)):
        site.fact("pump-1", name, value)
        states.append(site.state("default/pump-1"))
    assert states == ["Normal", "Normal", "Active", "Latched"]


def test_without_a_flow_of_acknowledgement_it_is_over_with_its_condition(site: Any) -> None:
    flows: dict[str, Any] = {
        "acknowledgeFlow": {"enabled": False},
        "initializationConfiguration": {"disabledOnInitialization": False},
    }
    site.rules.alarms.apply(
        bring(rule(threshold="-5", comparisonOperator="LESS") | {"alarmCapabilities": flows}), "", 0
    )
    states = []
    for value in (0, -6, -5):
        site.fact("pump-1", "temperature", value)
        states.append(site.state("default/pump-1"))
    assert states == ["Normal", "Active", "Normal"]


def test_it_begins_disabled_where_the_model_does_not_say(site: Any) -> None:
    model = {name: each for name, each in MODEL.items() if name != "alarmCapabilities"}
    alarm = bring(model)
    assert (alarm.spec.start_disabled, alarm.spec.acknowledge) == (True, False)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [("30", 30), ("true", True), ("'open'", '"open"'), ("$input.PumpReading.l * 2", "l * 2.0")],
)
def test_a_threshold_is_a_value_or_an_expression(threshold: str, expected: object) -> None:
    assert bring(rule(threshold=threshold, comparisonOperator="EQUAL")).spec.condition.threshold == expected


def test_who_was_told_and_how_much_it_matters_is_named() -> None:
    ((_, model),) = read(json.dumps(MODEL).encode(), "alarm.json")
    found = {each.path: each for each in convert(model, Options()).findings}
    assert "people were told by email" in found["alarmNotification.notificationActions[0]"].how
    assert found["severity"].verdict == found["alarmEventActions"].verdict == "differs"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputProperty": "temperature"}, "alarmRule.simpleRule.inputProperty: 'temperature' is neither"),
        ({"inputProperty": "1 + 1"}, "alarmRule.simpleRule.inputProperty: '1 + 1' is no $input.NAME.path"),
        ({"threshold": "5 |"}, "alarmRule.simpleRule.threshold: the end at character 4"),
        ({"threshold": "5 | 2"}, "alarmRule.simpleRule.threshold: there are no operations on bits"),
        ({"comparisonOperator": "ABOVE"}, "alarm.json: alarmRule.simpleRule.comparisonOperator: 'ABOVE' is not valid"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_its_path(change: dict[str, str], why: str) -> None:
    with pytest.raises(Rejected) as refused:
        bring(rule(**change))
    assert refused.value.reason.startswith(why)
