"""Devices in a process of their own, with a record of their own: `python load.py PORT DEVICES RATE LOG`.

Each device reports 1, 2, 3, … and repeats the same bytes until it is answered. A line of the record is
`SECONDS EVENT DEVICE NUMBER`, an event being sent, repeated, done or refused. SIGTERM: nothing new begins, and the
process ends with 0 when everything is answered. It shares no code with the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

import aiomqtt

PATIENCE = 0.5
"""Seconds after which a message that was not answered is sent again."""
TOPIC = "$hw/events/device/default/{}/twin/update"


class Fleet:
    def __init__(self, port: int, devices: int, rate: float, log: TextIO) -> None:
        self._port = port
        self._devices = [f"d{n}" for n in range(devices)]
        self._pause = devices / rate
        self._log = log
        self._client: aiomqtt.Client | None = None
        self._online = asyncio.Event()
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            link = group.create_task(self._link())
            devices = [group.create_task(self._device(name, n)) for n, name in enumerate(self._devices)]
            await asyncio.wait(devices)
            link.cancel()

    async def _link(self) -> None:
        """One connection after the other."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self._port, identifier="load", clean_session=False) as client:
                    client.pending_calls_threshold = len(self._devices) + 1
                    await client.subscribe(TOPIC.format("+") + "/result", qos=1)
                    self._client = client
                    self._online.set()
                    async for message in client.messages:
                        self._answered(message.payload)
            self._online.clear()
            await asyncio.sleep(0.05)

    def _answered(self, payload: object) -> None:
        assert isinstance(payload, bytes)
        body = json.loads(payload)
        answer = self._answers.get(body["event_id"])
        if answer is not None and not answer.done():
            answer.set_result("refused" if body.get("code") else "done")

    async def _device(self, name: str, offset: int) -> None:
        await asyncio.sleep(self._pause * offset / len(self._devices))
        number = 0
        while not self._stopping.is_set():
            number += 1
            began = time.monotonic()
            await self._update(name, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began + self._pause - time.monotonic())):
                    await self._stopping.wait()

    async def _update(self, name: str, number: int) -> None:
        event = f"{name}:{number}"
        twin = {"n": {"actual": {"value": str(number)}, "metadata": {"type": "int"}}}
        body = json.dumps({"event_id": event, "timestamp": time.time_ns() // 1_000_000, "twin": twin}).encode()
        answer = self._answers[event] = asyncio.get_running_loop().create_future()
        self._note("sent", name, number)
        while not answer.done():
            await self._online.wait()
            assert self._client is not None
            with contextlib.suppress(aiomqtt.MqttError):
                await self._client.publish(TOPIC.format(name), body, qos=1, timeout=PATIENCE)
            await asyncio.wait({answer}, timeout=PATIENCE)
            if not answer.done():
                self._note("repeated", name, number)
        del self._answers[event]
        self._note(answer.result(), name, number)

    def _note(self, what: str, name: str, number: int) -> None:
        self._log.write(f"{time.time():.3f} {what} {name} {number}\n")


def main() -> None:
    port, devices, rate, path = sys.argv[1:]
    with Path(path).open("w", buffering=1) as log:
        asyncio.run(Fleet(int(port), int(devices), float(rate), log).run())


if __name__ == "__main__":
    main()
