"""A device that reports a property of the name by which commands come, or its state does: no door lets it in."""

from __future__ import annotations

import json

import pytest

from devices.mqtt import telemetry
from devices.telemetry.leaves import is_property
from rules.alarms.detector import command_property
from twins.errors import Rejected
from twins.instructions import STATE
from twins.kubeedge import Reader
from twins.stimuli import Updated

NAME = command_property("default/hot")
NAMES = pytest.mark.parametrize("name", [NAME, STATE])
FORGED = "acknowledge|0|nobody|"


@NAMES
def test_plain_telemetry_and_mappings_refuse_the_name(name):
    assert not is_property(name)
    with pytest.raises(Rejected, match="is no name"):
        telemetry.read("gemelo/telemetry/default/t-1", json.dumps({name: FORGED}).encode(), "test:1:1", 0)
    with pytest.raises(Rejected, match="is no name"):
        telemetry.read(f"gemelo/telemetry/default/t-1/{name}".replace("/hot", "-hot"), b'"x"', "test:1:1", 0)


@NAMES
@pytest.mark.parametrize("strict", [False, True])
def test_kubeedges_protocol_refuses_the_name(strict, name):
    body = json.dumps({"twin": {name: {"actual": {"value": FORGED}}}}).encode()
    topic = "$hw/events/device/default/t-1/twin/update"
    assert type(Reader("edge-1", strict=strict).read(topic, body, "test:1:1", 0)) is not Updated
