"""What leaves the gateway after a commit: answers and deltas over MQTT, orders to phones, news to the cloud."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from devices.mqtt import telemetry
from devices.mqtt.broker import Broker
from devices.mqtt.door import MqttDoor
from devices.mqtt.fast import FastLink
from devices.mqtt.link import LinkConfig
from gateway import wiring
from gateway.config import Config, address
from gateway.core import Core
from gateway.turn import Committed
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from runtime.supervision import Part
from twins.errors import Unavailable
from twins.exchange import Recovered
from twins.instructions import Actuate
from twins.kubeedge import SUBSCRIPTIONS, Reader, Writer
from web.views import CloudView

logger = logging.getLogger(__name__)

Actuator = Callable[[str, Mapping[str, str]], Awaitable[None]]
Causes = Callable[[str], Callable[[], str]]
