"""Home Assistant's MQTT discovery: what a device says of one of its entities, and the manifests that follow from it.

    homeassistant/sensor/0x00158d/temperature/config
    {"state_topic": "zigbee2mqtt/Hall", "value_template": "{{ value_json.temperature }}", "unit_of_measurement": "°C",
     "device": {"identifiers": ["0x00158d"], "name": "Hall"}}

Sensors, binary sensors, switches, numbers, selects and texts, with full or short keys. Of templates `{{ value }}` and
`{{ value_json.path }}` are understood, with filters that change nothing but the form of a number; what needs more is
refused, and a command that has a template of its own is left out. Pure.
"""

from devices.telemetry.homeassistant.body import BODY_LIMIT
from devices.telemetry.homeassistant.discovery import Discovery
from devices.telemetry.homeassistant.entity import Entity, entity
from devices.telemetry.homeassistant.manifests import (
    OURS,
    mapping_name,
    with_device,
    with_mapping,
    with_model,
    with_state,
    without,
)

__all__ = [
    "BODY_LIMIT",
    "OURS",
    "Discovery",
    "Entity",
    "entity",
    "mapping_name",
    "with_device",
    "with_mapping",
    "with_model",
    "with_state",
    "without",
]
