from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.broker import Broker
from devices.mqtt.credentials import Credentials
from devices.mqtt.embedded import EmbeddedBroker
from devices.mqtt.mosquitto import Settings, configuration, find_mosquitto
from devices.mqtt.rights import password_line
from runtime.clock import SystemClock
from tests.crowding import crowding
from twins.errors import Unavailable

UPDATE = "$hw/events/device/default/d1/twin/update"
needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@asynccontextmanager
async def running(broker: Broker | EmbeddedBroker) -> AsyncIterator[Any]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(broker.run())
        await broker.ready()
        try:
            yield broker
        finally:
            task.cancel()


def client(broker: Any, user: str | None = None, password: str | None = None, **options: Any) -> aiomqtt.Client:
    host, port = broker.address
    return aiomqtt.Client(
        host, port, username=user or broker.user or None, password=password or broker.password, **options
    )


async def until(condition: Callable[[], bool]) -> None:
    """For what another process does: it tells nobody. The test's own deadline ends it."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def managed(folder: Path, port: int, **settings: Any) -> Broker:
    return Broker(folder, Settings(port=port, **settings), SystemClock())


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> Broker | EmbeddedBroker:
    if request.param == "embedded":
        pytest.importorskip("amqtt")
        return EmbeddedBroker(port=port)
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    return managed(tmp_path, port, anonymous=True)


async def test_twin_topics_pass_from_publisher_to_subscriber(broker: Broker | EmbeddedBroker) -> None:
    async with running(broker), client(broker) as subscriber, client(broker) as publisher:
        await subscriber.subscribe("$hw/events/device/+/+/twin/+", qos=1)
        await publisher.publish(UPDATE, b"1", qos=1)
        message = await anext(aiter(subscriber.messages))
        assert (str(message.topic), message.payload) == (UPDATE, b"1")
        await publisher.publish(UPDATE, b"2", qos=1)
        assert (await anext(aiter(subscriber.messages))).payload == b"2"


async def test_retained_twin_messages_reach_who_comes_later(broker: Broker | EmbeddedBroker) -> None:
    async with running(broker), client(broker) as publisher:
        await publisher.publish(UPDATE, b"kept", qos=1, retain=True)
        async with client(broker) as late:
            await late.subscribe("$hw/#", qos=1)
            assert (await anext(aiter(late.messages))).payload == b"kept"


async def test_it_takes_the_next_port_when_the_wanted_one_is_taken(broker: Broker | EmbeddedBroker, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        async with running(broker), client(broker):
            assert broker.address[1] > port
    assert broker.state == "stopped"


@needs_mosquitto
async def test_a_killed_broker_is_back_within_a_second_on_its_port_with_its_sessions(tmp_path: Path, port: int) -> None:
    broker = managed(tmp_path, port, anonymous=True)
    async with running(broker):
        persistent = {"identifier": "d1", "clean_session": False}
        async with client(broker, **persistent) as device:
            await device.subscribe("a", qos=1)
        async with client(broker) as publisher:
            await publisher.publish("a", b"while away", qos=1)
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGUSR1)  # mosquitto: write the sessions down now
        await until((tmp_path / "sessions.db").exists)
        address = broker.address
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: broker.pid not in (None, first) and broker.state == "up")
        assert time.monotonic() - killed <= 1.0 * crowding()
        assert (broker.address, broker.restarts) == (address, 1)
        async with client(broker, **persistent) as device:
            assert (await anext(aiter(device.messages))).payload == b"while away"


@needs_mosquitto
async def test_without_a_name_nobody_comes_in_and_a_device_writes_only_its_own_twin(tmp_path: Path, port: int) -> None:
    users = tmp_path / "users"
    users.write_text("\n".join(password_line(u, f"pw-{u}", b"salt" * 3) for u in ("d1", "plant/d2")) + "\n")
    broker = managed(tmp_path / "broker", port, users_file=users)
    async with running(broker):
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client(*broker.address):
                pass
        async with (
            client(broker) as gateway,
            client(broker, "d1", "pw-d1") as d1,
            client(broker, "plant/d2", "pw-plant/d2") as d2,
        ):
            await gateway.subscribe("$hw/events/device/+/+/twin/+", qos=1)
            for topic in (
                "$hw/events/device/plant/d2/twin/update",
                "$hw/events/device/default/d2/twin/update",
                "$hw/events/device/default/d1/twin/update/delta",
                UPDATE,
            ):
                await d1.publish(topic, b"d1", qos=1)
            await d2.publish("$hw/events/device/plant/d2/twin/get", b"d2", qos=1)
            got = [await anext(aiter(gateway.messages)) for _ in range(2)]
            assert {(str(m.topic), m.payload) for m in got} == {
                (UPDATE, b"d1"),
                ("$hw/events/device/plant/d2/twin/get", b"d2"),
            }
            await d1.subscribe("$hw/events/device/default/+/twin/#", qos=1)
            await gateway.publish("$hw/events/device/default/d2/twin/update/delta", b"not yours", qos=1)
            await gateway.publish("$hw/events/device/default/d1/twin/update/delta", b"yours", qos=1)
            assert (await anext(aiter(d1.messages))).payload == b"yours"
        assert (tmp_path / "broker/passwords").stat().st_mode & 0o777 == 0o600


@needs_mosquitto
async def test_a_device_added_to_the_users_file_comes_in_after_a_reload(tmp_path: Path, port: int) -> None:
    users = tmp_path / "users"
    users.write_text("")
    broker = managed(tmp_path / "broker", port, users_file=users)
    async with running(broker), client(broker) as gateway:
        users.write_text(password_line("d1", "secret", b"salt" * 3) + "\n")
        await broker.reload()
        await gateway.subscribe(UPDATE, qos=1)
        while True:
            try:
                async with client(broker, "d1", "secret") as device:
                    await device.publish(UPDATE, b"in", qos=1)
                    break
            except aiomqtt.MqttError:
                await asyncio.sleep(0.02)
        assert (await anext(aiter(gateway.messages))).payload == b"in"


@needs_mosquitto
async def test_a_message_beyond_the_limit_does_not_pass(tmp_path: Path, port: int) -> None:
    broker = managed(tmp_path, port, anonymous=True, max_message_bytes=1000)
    async with running(broker), client(broker) as subscriber, client(broker) as publisher:
        await subscriber.subscribe("a", qos=1)
        await publisher.publish("a", b"x" * 2000, qos=1)
        await publisher.publish("a", b"small", qos=1)
        assert (await anext(aiter(subscriber.messages))).payload == b"small"


async def test_a_broker_that_will_not_start_is_told_with_its_own_words(tmp_path: Path, port: int) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\necho Error: no such plugin\nexit 3\n")
    program.chmod(0o755)

    class Hasty(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    broker = Broker(tmp_path / "b", Settings(port=port), Hasty(), program=str(program))
    with pytest.raises(Unavailable, match=r"does not stay up \(exit 3\): .*Error: no such plugin"):
        async with asyncio.timeout(20):
            await broker.run()


async def test_an_absent_users_file_is_named(tmp_path: Path, port: int) -> None:
    broker = Broker(tmp_path, Settings(port=port, users_file=tmp_path / "gone"), SystemClock(), program="/bin/false")
    with pytest.raises(Unavailable, match="gone: cannot be read: No such file"):
        await broker.run()


async def test_a_user_with_the_gateways_own_name_is_refused_before_anything_starts(tmp_path: Path, port: int) -> None:
    users = tmp_path / "users"
    users.write_text(password_line("gemelo", "secret", b"salt" * 3) + "\n")
    broker = Broker(tmp_path / "b", Settings(port=port, users_file=users), SystemClock(), program="/bin/false")
    with pytest.raises(Unavailable, match="users: the user 'gemelo' is the gateway itself; give this one another name"):
        await broker.run()
    assert broker.pid is None


@needs_mosquitto
async def test_users_that_cannot_be_taken_up_leave_the_running_broker_as_it_is(tmp_path: Path, port: int) -> None:
    users = tmp_path / "users"
    users.write_text(password_line("d1", "secret", b"salt" * 3) + "\n")
    broker = managed(tmp_path / "broker", port, users_file=users)
    async with running(broker):
        users.write_text(password_line("gemelo", "secret", b"salt" * 3) + "\n")
        with pytest.raises(Unavailable, match="is the gateway itself"):
            await broker.reload()
        async with client(broker), client(broker, "d1", "secret"):
            pass


GATEWAY = """
import asyncio, sys
from pathlib import Path
from devices.mqtt.broker import Broker
from devices.mqtt.credentials import Credentials
from devices.mqtt.mosquitto import Settings
from runtime.clock import SystemClock

async def main():
    broker = Broker(Path(sys.argv[1]), Settings(port=int(sys.argv[2]), anonymous=True), SystemClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(broker.run())
        await broker.ready()
        print(broker.pid, flush=True)

asyncio.run(main())
"""


@needs_mosquitto
async def test_the_broker_dies_with_a_killed_gateway_and_the_next_has_the_port(tmp_path: Path, port: int) -> None:
    gateway = subprocess.Popen(  # noqa: ASYNC220 - ends by SIGKILL
        [sys.executable, "-c", GATEWAY, str(tmp_path), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert gateway.stdout is not None
    with gateway, gateway.stdout:
        pid = int(await asyncio.to_thread(gateway.stdout.readline))
        gateway.kill()
        async with running(managed(tmp_path, port, anonymous=True)) as broker:
            assert broker.address[1] == port
            assert broker.pid != pid


@needs_mosquitto
async def test_a_broker_left_by_an_earlier_gateway_is_ended_and_its_port_taken_over(tmp_path: Path, port: int) -> None:
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(configuration(Settings(anonymous=True), tmp_path, port))
    left = await asyncio.create_subprocess_exec(str(find_mosquitto()), "-c", str(conf))
    (tmp_path / "pid").write_text(f"{left.pid}\n")
    await until(lambda: b"mosquitto.conf" in Path(f"/proc/{left.pid}/cmdline").read_bytes())
    async with running(managed(tmp_path, port, anonymous=True)) as broker:
        assert broker.address[1] == port
        assert await left.wait() in (0, -signal.SIGTERM)


@needs_mosquitto
async def test_whoever_waits_for_a_reload_shares_it_and_it_holds_when_it_returns(tmp_path: Path, port: int) -> None:
    credentials = Credentials(tmp_path / "credentials.json", SystemClock())
    broker = Broker(tmp_path / "broker", Settings(port=port), SystemClock(), credentials)
    async with running(broker):
        passwords = {f"plant/d{n}": credentials.give_password(f"plant/d{n}") for n in range(20)}
        began = time.monotonic()
        await asyncio.gather(*(broker.reload() for _ in passwords))
        assert time.monotonic() - began <= 1.0 * crowding()  # twenty one after the other would take two
        for user, password in passwords.items():
            async with client(broker, user, password):
                pass


@needs_mosquitto
async def test_a_reload_while_the_broker_starts_again_ends_nothing_and_holds(tmp_path: Path, port: int) -> None:
    credentials = Credentials(tmp_path / "credentials.json", SystemClock())
    broker = Broker(tmp_path / "broker", Settings(port=port), SystemClock(), credentials)
    async with running(broker):
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: broker.state == "starting")
        password = credentials.give_password("plant/d1")
        await broker.reload()
        async with client(broker, "plant/d1", password):
            pass
        assert broker.restarts == 1


@needs_mosquitto
async def test_each_login_that_is_refused_is_told_and_no_client_can_pretend_one(tmp_path: Path, port: int) -> None:
    refused: list[None] = []
    credentials = Credentials(tmp_path / "credentials.json", SystemClock())
    password = credentials.give_password("plant/d1")
    broker = Broker(
        tmp_path / "broker", Settings(port=port), SystemClock(), credentials, refused=lambda: refused.append(None)
    )
    async with running(broker):
        async with client(broker, "plant/d1", password, identifier="<unknown> disconnected, not authorised."):
            pass
        for _ in range(3):
            with pytest.raises(aiomqtt.MqttError):
                async with client(broker, "plant/d1", "wrong"):
                    pass
        await until(lambda: len(refused) == 3)
        assert not any("onnect" in line for line in broker.output)  # a crowd must not push out what matters
