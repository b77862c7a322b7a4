"""Messages at the gateway's broker."""

from __future__ import annotations

from gateway.actions.task import Finished, Sender
from rules.instructions import Act
from rules.tasks import Publish


class Messages:
    """Published in order. With MQTT 5 the action's id is the user property `id`, by which a repeat is known."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def perform(self, act: Act) -> Finished:
        """Do a `Publish`."""
        task = act.task
        assert isinstance(task, Publish)  # what it is registered for
        await self._sender.send(task.topic, task.payload.encode(), act.id, qos=task.qos, retain=task.retain)
        return Finished()
