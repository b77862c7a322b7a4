"""The client of aiomqtt that a connection is made with."""

from __future__ import annotations

import socket
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.mqtt.backlog import Backlog
from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import LIMIT

UNDER_WAY = 64
"""Messages that may be unconfirmed, either way."""
_ROOM = LIMIT + 65_536
"""Bytes of the largest packet that we take: larger ones MQTT 5 keeps from us."""
_FIVE: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": False}
_OLDER: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": False}


def make(config: MqttConfig, within: float, password: str | None, tls: Any, will: aiomqtt.Will) -> aiomqtt.Client:
    """With a persistent session; it waits `within` seconds for its greeting, and for what it subscribes to."""
    host, port = config.address
    five = config.protocol == "5"
    client = aiomqtt.Client(
        host,
        port,
        identifier=config.client_id,
        username=config.user or None,
        password=password,
        **(_FIVE if five else _OLDER),
        properties=_wishes(config) if five else None,
        will=will,
        keepalive=max(5, round(config.heartbeat)),
        timeout=within,
        tls_context=tls,
        max_inflight_messages=UNDER_WAY,
        queue_type=Backlog,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    client._client.connect_timeout = config.connect
    return client


def _wishes(config: MqttConfig) -> Properties:
    """What we ask of a broker that speaks MQTT 5."""
    wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    wishes.SessionExpiryInterval = config.session_expiry
    wishes.ReceiveMaximum = UNDER_WAY
    wishes.MaximumPacketSize = 2 * _ROOM
    return wishes
