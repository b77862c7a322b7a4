"""Packets of MQTT 5 as we write them: QoS 1 but for letters, and retained messages with a new subscription alone."""

from __future__ import annotations

from collections.abc import Sequence

import mqtt5

from devices.mqtt.link import Letter, LinkConfig, Sendable, presence

_QOS1 = mqtt5.QoS.AT_LEAST_ONCE
_ONCE = mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
"""Retained messages come with a new session alone: at each start they would overwrite newer values."""


def connect(config: LinkConfig, at: int) -> bytes:
    """Introduce ourselves at a time (ms); an earlier session goes on."""
    gone = presence(online=False, at=at)
    return mqtt5.ConnectPacket(
        config.client_id,
        username=config.username,
        password=None if config.password is None else config.password.encode(),
        clean_start=False,
        will=mqtt5.Will(config.presence, payload=gone, qos=_QOS1, retain=True) if config.presence else None,
        keep_alive=config.keepalive,
        session_expiry_interval=config.session_expiry,
        receive_max=config.receive_maximum,
        max_packet_size=config.packet_limit,
    ).write()


def subscribe(packet: int, topics: Sequence[str]) -> bytes:
    filters = [mqtt5.TopicFilter(t, max_qos=_QOS1, no_local=True, retain_handling=_ONCE) for t in topics]
    return mqtt5.SubscribePacket(packet, filters).write()


def unsubscribe(packet: int, topics: Sequence[str]) -> bytes:
    return mqtt5.UnsubscribePacket(packet, list(topics)).write()


def publish(topic: str, payload: bytes, packet: int, *, duplicate: bool = False, retain: bool = False) -> bytes:
    return mqtt5.PublishPacket(topic, payload, qos=_QOS1, packet_id=packet, duplicate=duplicate, retain=retain).write()


def frame(message: Sendable, packet: int, *, duplicate: bool = False) -> bytes:
    """A message; the `ident` of a letter is the user property `id`. At QoS 0 the packet's number is of no meaning."""
    if type(message) is not Letter:
        return publish(message[0], message[1], packet, duplicate=duplicate)
    return mqtt5.PublishPacket(
        message.topic,
        message.payload,
        qos=mqtt5.QoS(message.qos),
        packet_id=packet if message.qos else None,
        duplicate=duplicate,
        retain=message.retain,
        user_properties=[("id", message.ident)] if message.ident else None,
    ).write()
