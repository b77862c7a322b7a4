"""A broker inside the gateway, for a demo where mosquitto cannot be had: MQTT 3.1.1, no rights, no persistence.

It is amqtt with one rule taken out: amqtt closes the connection of who publishes to a topic that begins with `$`, and
all of KubeEdge's twin protocol is there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal

from devices.mqtt.broker import State
from devices.mqtt.ports import free_port
from twins.errors import Unavailable

if TYPE_CHECKING:
    from amqtt.broker import Broker

logger = logging.getLogger(__name__)

NOTICE = (
    "embedded broker: for a try on this machine only, without rights or persistence; better: apt-get install mosquitto"
)


class EmbeddedBroker:
    """Listens on `host` at `port` or the next free one."""

    protocol: Literal[4, 5] = 4
    user = ""
    password = ""
    restarts = 0

    def __init__(self, host: str = "127.0.0.1", port: int = 1883) -> None:
        self._host = host
        self._wanted = port
        self._port = 0
        self._ready = asyncio.Event()
        self.state: State = "new"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; known once `ready()`."""
        return self._host, self._port

    async def ready(self) -> None:
        """Wait until it takes connections."""
        await self._ready.wait()

    async def run(self) -> None:
        """Run until cancelled. Raises `Unavailable` when amqtt is not installed."""
        self.state = "starting"
        self._port = free_port(self._host, self._wanted)
        broker = _broker(self._host, self._port)
        await broker.start()
        try:
            logger.warning("%s", NOTICE)
            self.state = "up"
            self._ready.set()
            await asyncio.Event().wait()
        finally:
            self._ready.clear()
            await broker.shutdown()
            self.state = "stopped"


def _broker(host: str, port: int) -> Broker:
    """amqtt is imported here: the gateway with a mosquitto never loads it."""
    try:
        from amqtt.broker import Broker
        from amqtt.contexts import Action
        from amqtt.events import BrokerEvents
    except ImportError:
        msg = "neither mosquitto nor amqtt is here: apt-get install mosquitto, or pip install 'gemelo[broker]'"
        raise Unavailable(msg) from None

    class DollarBroker(Broker):  # type: ignore[misc]  # untyped where amqtt is absent
        """amqtt's own method without its rule on `$`; the package's version is locked and this is tested."""

        async def _handle_message_delivery(self, client_session: Any, handler: Any, wait_deliver: Any) -> bool:
            message = wait_deliver.result()
            if message is None or not message.topic.startswith("$"):
                return bool(await super()._handle_message_delivery(client_session, handler, wait_deliver))
            if "#" in message.topic or "+" in message.topic:
                return False
            if await self._topic_filtering(client_session, topic=message.topic, action=Action.PUBLISH):
                client = client_session.client_id
                await self.plugins_manager.fire_event(BrokerEvents.MESSAGE_BROADCAST, client_id=client, message=message)
                await self._broadcast_message(client_session, message.topic, message.data)
                if message.publish_packet and message.publish_packet.retain_flag:
                    await self.retain_message(client_session, message.topic, message.data, message.qos)
            return True

    listener = {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 1000}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    return DollarBroker({"listeners": {"default": listener}, "plugins": plugins})
