"""What came by a connection and was not taken yet."""

from __future__ import annotations

import asyncio

import aiomqtt

ROOM = 67_108_864
"""Bytes of messages that wait at most."""


class Backlog(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt's queue, bounded by bytes: beyond `ROOM` nothing is taken.

    The window of MQTT 5 bounds messages of QoS 1 too, but not those that a broker sends again when a session goes on
    (mosquitto 2.0). What was not taken comes again with the next connection, so `overran` asks for one.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.overran = False
        self._bytes = 0

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self._bytes and self._bytes + len(item.payload) > ROOM:
            self.overran = self.overran or item.qos > 0
            return
        super().put_nowait(item)

    def _put(self, item: aiomqtt.Message) -> None:
        self._bytes += len(item.payload)
        super()._put(item)

    def _get(self) -> aiomqtt.Message:
        item = super()._get()
        self._bytes -= len(item.payload)
        return item
