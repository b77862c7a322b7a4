"""The contract of a link, kept by both: against a real mosquitto, and against a far side that speaks no MQTT."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.fast import FastLink
from devices.mqtt.link import Letter, Link, LinkConfig, Message
from devices.mqtt.rights import password_line
from devices.mqtt.steady import SteadyLink
from runtime.clock import SystemClock
from tests.crowding import crowding
from tests.mosquitto import Mosquitto, free_port

CONNACK_5, SUBACK_5 = bytes.fromhex("2003000000"), bytes.fromhex("90050001000187")
PING = b"\xc0\0"
CONNACK_3, SUBACK_3 = bytes.fromhex("20020000"), bytes.fromhex("900400010180")

MakeLink = Callable[..., Link]


class Ears:
    """What a link delivered. `acknowledges` at once, or leaves it to the test."""

    def __init__(self, link: Link, *, acknowledges: bool = True) -> None:
        self.heard: list[Message] = []
        self.link = link
        self._acknowledges = acknowledges
        self._news = asyncio.Event()

    def receive(self, message: Message) -> None:
        self.heard.append(message)
        if self._acknowledges:
            self.link.acknowledge([message])
        self._news.set()

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until it holds, looking again whenever something came, and now and then."""
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def connected(self) -> None:
        await self.until(lambda: self.link.connected)

    async def heard_of(self, *payloads: bytes) -> None:
        await self.until(lambda: self.payloads >= set(payloads))

    @property
    def payloads(self) -> set[bytes]:
        return {message.payload for message in self.heard}


@asynccontextmanager
async def listening(link: Link, *, acknowledges: bool = True, connects: bool = True) -> AsyncIterator[Ears]:
    ears = Ears(link, acknowledges=acknowledges)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run(ears.receive))
        if connects:
            await ears.connected()
        try:
            yield ears
        finally:
            running.cancel()


@pytest.fixture(params=[FastLink, SteadyLink])
def make_link(request: pytest.FixtureRequest, broker: Mosquitto) -> MakeLink:
    """Builds links to `broker`, all with the same session."""

    def make(*subscriptions: str, port: int = broker.port, **config: Any) -> Link:
        link: Link = request.param(LinkConfig(port=port, **config), subscriptions or ("in/#",), SystemClock())
        return link

    return make


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def device(broker: Mosquitto) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port, identifier="device", clean_session=False, timeout=5)


async def test_whoever_looks_sees_whether_a_link_is_there(broker: Mosquitto, make_link: MakeLink) -> None:
    async with device(broker) as there, asyncio.timeout(10):
        await there.subscribe("spBv1.0/STATE/edge", qos=1)
        said = there.messages
        for _ in range(2):
            async with listening(make_link(presence="spBv1.0/STATE/edge")):
                here = await anext(said)
                assert json.loads(bytes(here.payload))["online"] is True
                assert time.time() - json.loads(bytes(here.payload))["timestamp"] / 1000 < 5
            gone = json.loads(bytes((await anext(said)).payload))
            assert gone == json.loads(bytes(here.payload)) | {"online": False}
    async with device(broker) as late:
        await late.subscribe("spBv1.0/STATE/+", qos=1)
        kept = await anext(late.messages)
        assert (kept.retain, json.loads(bytes(kept.payload))) == (True, gone)


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_message_is_delivered_as_it_was_sent(broker: Mosquitto, make_link: MakeLink, qos: int) -> None:
    async with listening(make_link()) as ears, device(broker) as there:
        await there.publish("in/temperature/ä", b"\x00 20.5", qos=qos)
        await ears.heard_of(b"\x00 20.5")
        message = ears.heard[0]
        assert (message.topic, message.qos, message.duplicate) == ("in/temperature/ä", qos, False)
        assert (message.packet > 0) == (qos == 1)


async def test_messages_come_in_their_order(broker: Mosquitto, make_link: MakeLink) -> None:
    async with listening(make_link()) as ears, device(broker) as there:
        for n in range(200):
            await there.publish("in/n", b"%d" % n, qos=1)
        await ears.until(lambda: len(ears.heard) == 200)
        assert [int(m.payload) for m in ears.heard] == list(range(200))


async def test_what_was_not_acknowledged_comes_again_as_a_duplicate(broker: Mosquitto, make_link: MakeLink) -> None:
    """Fails when an update of aiomqtt or paho acknowledges for us."""
    async with device(broker) as there:
        async with listening(make_link(), acknowledges=False) as ears:
            for payload in (b"kept", b"not kept"):
                await there.publish("in/a", payload, qos=1)
            await ears.heard_of(b"kept", b"not kept")
            ears.link.acknowledge([m for m in ears.heard if m.payload == b"kept"])
            await there.publish("in/a", b"after", qos=1)  # the broker has read our acknowledgement before this comes
            await ears.heard_of(b"after")
            assert ears.link.counts.acknowledged == 1
        async with listening(make_link()) as ears:
            await ears.heard_of(b"not kept", b"after")
            assert [(m.payload, m.duplicate) for m in ears.heard] == [(b"not kept", True), (b"after", True)]
        async with listening(make_link()) as ears:
            await there.publish("in/a", b"new", qos=1)
            await ears.heard_of(b"new")
            assert ears.payloads == {b"new"}


async def test_what_came_while_the_link_was_away_waits_for_it(broker: Mosquitto, make_link: MakeLink) -> None:
    async with listening(make_link()):
        pass
    async with device(broker) as there:
        await there.publish("in/a", b"while away", qos=1)
    async with listening(make_link()) as ears:
        await ears.heard_of(b"while away")


async def test_what_comes_before_the_handshake_is_over_is_acknowledged_too(
    broker: Mosquitto, make_link: MakeLink
) -> None:
    """A broker sends what waited for us as soon as it knows us, before it has answered our subscription."""
    async with listening(make_link()):
        pass
    async with device(broker) as there:
        for n in range(10):
            await there.publish("in/a", b"%d" % n, qos=1)
    async with listening(make_link()) as ears:
        await ears.until(lambda: len(ears.heard) == 10)
        assert ears.link.counts.acknowledged == 10
    async with listening(make_link()) as ears, device(broker) as there:
        await there.publish("in/a", b"last", qos=1)
        await ears.heard_of(b"last")
        assert ears.payloads == {b"last"}


async def test_an_acknowledgement_of_an_older_connection_is_not_sent_on_a_newer_one(
    broker: Mosquitto, make_link: MakeLink
) -> None:
    """Packet ids begin anew with each connection, so it would be taken for that of another message."""
    async with listening(make_link(), acknowledges=False) as ears:
        async with device(broker) as there:
            await there.publish("in/a", b"old", qos=1)
        await ears.heard_of(b"old")
        old = ears.heard[0]
        broker.write_sessions()
        broker.kill()
        broker.start()
        await ears.until(lambda: len(ears.heard) == 2)
        await ears.connected()
        again = ears.heard[1]
        assert (again.payload, again.duplicate, again.epoch > old.epoch) == (b"old", True, True)
        ears.link.acknowledge([old])
        assert ears.link.counts.acknowledged == 0
        ears.link.acknowledge([again])
        assert ears.link.counts.acknowledged == 1


async def test_the_broker_holds_back_what_we_have_no_room_for(broker: Mosquitto, make_link: MakeLink) -> None:
    broker.stop()
    broker.start("max_inflight_messages 5")
    link = make_link(receive_maximum=5)
    async with device(broker) as there, listening(link, acknowledges=False) as ears:
        for n in range(20):
            await there.publish("in/n", b"%d" % n, qos=1)
        await there.publish("in/qos0", b"past them", qos=0)
        await ears.heard_of(b"past them")
        assert [m.payload for m in ears.heard if m.qos] == [b"0", b"1", b"2", b"3", b"4"]
        while len(ears.heard) < 21:
            seen = len(ears.heard)
            link.acknowledge([m for m in ears.heard if m.qos][-5:])
            await ears.until(lambda: len(ears.heard) > seen)  # noqa: B023 - awaited at once
        assert [int(m.payload) for m in ears.heard if m.qos] == list(range(20))


async def test_publishes_arrive_in_order_and_are_confirmed(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link(receive_maximum=8)
    async with device(broker) as there, listening(link) as ears:
        await there.subscribe("out", qos=1)
        link.publish([("out", b"%d" % n) for n in range(100)])
        got = [(await anext(there.messages)).payload for _ in range(100)]
        assert got == [b"%d" % n for n in range(100)]
        await ears.until(lambda: link.waiting == 0)
        assert (link.counts.published, link.counts.confirmed, link.counts.dropped) == (100, 100, 0)


async def test_publishes_wait_for_a_broker_that_is_away(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link()
    async with device(broker) as there:
        await there.subscribe("out", qos=1)
    broker.stop()
    async with listening(link, connects=False) as ears:
        link.publish([("out", b"early"), ("out", b"later")])
        broker.start()
        async with device(broker) as there:
            assert [(await anext(there.messages)).payload for _ in range(2)] == [b"early", b"later"]
        await ears.until(lambda: link.waiting == 0)


async def test_publishes_that_the_broker_did_not_confirm_are_sent_again(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link(receive_maximum=4)
    async with device(broker) as there:
        await there.subscribe("out", qos=1)
    broker.write_sessions()
    async with listening(link) as ears:
        broker.freeze()
        link.publish([("out", b"%d" % n) for n in range(10)])
        assert (link.counts.published, link.waiting) == (4, 10)
        await asyncio.to_thread(broker.kill)
        broker.start()
        async with device(broker) as there:
            assert [(await anext(there.messages)).payload for _ in range(10)] == [b"%d" % n for n in range(10)]
        await ears.until(lambda: link.waiting == 0)
        assert link.counts.confirmed == 10


@pytest.mark.parametrize("qos", [0, 1])
async def test_the_sender_of_a_letter_hears_when_the_broker_has_it(
    broker: Mosquitto, make_link: MakeLink, qos: int
) -> None:
    told: list[bool] = []
    link = make_link()
    async with listening(link) as ears, device(broker) as there:
        await there.subscribe("out", qos=1)
        link.publish([Letter("out", b"x", told.append, qos, True, "id-1")])
        async with asyncio.timeout(10):
            came = await anext(there.messages)
        assert (came.payload, came.qos) == (b"x", qos)
        await ears.until(lambda: told == [True])
        assert link.waiting == 0
    async with device(broker) as late, asyncio.timeout(10):
        await late.unsubscribe("out")
        await late.subscribe("out", qos=1)
        assert (await anext(late.messages)).retain


async def test_the_sender_of_a_letter_hears_when_it_is_let_go_and_when_it_came_late(
    broker: Mosquitto, make_link: MakeLink
) -> None:
    told: dict[str, bool] = {}

    def letter(name: str, topic: str = "out") -> Letter:
        return Letter(topic, b"x", lambda sent: told.__setitem__(name, sent))

    link = make_link(outgoing_limit=2)
    link.publish([letter("oldest"), letter("unfit", "a/#"), letter("kept")])
    assert told == {"oldest": False}
    async with listening(link) as ears:
        await ears.until(lambda: len(told) == 3)
    assert told == {"oldest": False, "unfit": False, "kept": True}


async def test_the_outgoing_queue_lets_the_oldest_go_and_counts_them(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link(outgoing_limit=3)
    link.publish([("out", b"%d" % n) for n in range(5)])
    assert (link.counts.dropped, link.waiting) == (2, 3)
    async with device(broker) as there:
        await there.subscribe("out", qos=1)
        async with listening(link):
            assert [(await anext(there.messages)).payload for _ in range(3)] == [b"2", b"3", b"4"]


@pytest.mark.parametrize(
    "unfit", [("out", b"x" * 5000), ("out/+", b"a wildcard"), ("out/#", b"another"), ("o\0ut", b"NUL")]
)
async def test_what_no_broker_would_take_is_left_out_and_the_rest_goes_on(
    broker: Mosquitto, make_link: MakeLink, unfit: tuple[str, bytes]
) -> None:
    broker.stop()
    broker.start("max_packet_size 4000")
    link = make_link(packet_limit=4000)
    async with device(broker) as there, listening(link) as ears:
        await there.subscribe("out", qos=1)
        link.publish([("out", b"before"), unfit, ("out", b"after")])
        assert [(await anext(there.messages)).payload for _ in range(2)] == [b"before", b"after"]
        await ears.until(lambda: link.waiting == 0)
        assert (link.counts.unfit, link.counts.connects) == (1, 1)


async def test_a_wrong_password_is_told_and_the_link_comes_in_once_it_is_right(
    broker: Mosquitto, make_link: MakeLink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(password_line("gemelo", "right", b"salt" * 3) + "\n")
    broker.stop()
    broker.start("allow_anonymous false", f"password_file {passwords}")
    async with listening(make_link(username="gemelo", password="new"), connects=False) as ears:
        await ears.until(lambda: f"broker 127.0.0.1:{broker.port} is away: " in caplog.text)
        assert "not authori" in caplog.text.lower().replace("_", " ")
        assert isinstance(ears.link, SteadyLink) or "check [broker] user and password_file" in caplog.text
        passwords.write_text(password_line("gemelo", "new", b"salt" * 3) + "\n")
        broker.reload()
        await ears.connected()
    assert caplog.text.count("is away") <= 2


async def test_a_refused_subscription_is_told_by_name(
    broker: Mosquitto, make_link: MakeLink, caplog: pytest.LogCaptureFixture
) -> None:
    """The far side is a broker with rights on subscriptions; mosquitto has them only as a plugin."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(1000)
        connack, suback = (CONNACK_5, SUBACK_5) if hello[8] == 5 else (CONNACK_3, SUBACK_3)
        writer.write(connack)
        await reader.read(1000)
        writer.write(suback)
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        link = make_link("in/#", "secret/#", port=server.sockets[0].getsockname()[1])
        async with listening(link, connects=False) as ears:
            await ears.until(lambda: "refuses our subscription to secret/#: give this user the right" in caplog.text)
            assert not link.connected


async def test_a_frozen_broker_is_noticed_and_the_link_comes_back(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link(keepalive=1, connect_timeout=1.0)
    async with device(broker) as there, listening(link) as ears:
        broker.freeze()
        await ears.until(lambda: not link.connected)
        broker.thaw()
        await ears.connected()
        await there.publish("in/a", b"again", qos=1)
        await ears.heard_of(b"again")
        await there.publish("in/a", b"and once only", qos=0)
        await ears.heard_of(b"and once only")
        assert [m.payload for m in ears.heard] == [b"again", b"and once only"]


async def test_a_killed_broker_is_found_two_seconds_after_it_is_back(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link()
    async with listening(link) as ears:
        broker.kill()
        await ears.until(lambda: not link.connected)
        await asyncio.sleep(3.0)  # long enough for the pauses to reach their full length
        broker.start()
        back = time.monotonic()
        await ears.connected()
        assert time.monotonic() - back <= 2.2 * crowding()
        async with device(broker) as there:
            await there.publish("in/a", b"after", qos=1)
            await ears.heard_of(b"after")


async def test_a_broker_that_throws_us_out_at_once_is_not_asked_in_a_rush(
    broker: Mosquitto, make_link: MakeLink, caplog: pytest.LogCaptureFixture
) -> None:
    """Two gateways with one name throw each other out, for ever."""
    rival = make_link()
    link = make_link()
    async with listening(link, connects=False), listening(rival, connects=False) as ears:
        with pytest.raises(TimeoutError):
            await ears.until(lambda: link.counts.connects + rival.counts.connects > 30, within=3.0)
    assert caplog.text.count("is away") <= 4


async def test_a_message_beyond_our_limit_does_not_end_the_link(broker: Mosquitto, make_link: MakeLink) -> None:
    """An MQTT 5 broker keeps to our limit; to an older one we cannot tell it, and it delivers."""
    link = make_link(packet_limit=2000)
    async with device(broker) as there, listening(link) as ears:
        await there.publish("in/a", b"x" * 5000, qos=1)
        await there.publish("in/a", b"small", qos=1)
        await ears.heard_of(b"small")
        assert link.counts.connects == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"\x00" * 64, id="zeros"),
        pytest.param(b"\xff" * 64, id="ones"),
        pytest.param(b"\x20\xff\xff\xff\xff\xff", id="a length without end"),
        pytest.param(CONNACK_5 + b"\x90\x05\x00\x01\x00\x01\x01", id="codes too many, 5"),
        pytest.param(CONNACK_3 + b"\x90\x04\x00\x01\x01\x01", id="codes too many, 3"),
        pytest.param(CONNACK_5 + b"\x30\x04\x00\x09ab", id="a topic cut off, 5"),
        pytest.param(CONNACK_3 + b"\x30\x04\x00\x09ab", id="a topic cut off, 3"),
        pytest.param(CONNACK_3 + b"\x30\x04\x00\x02\xff\xfe", id="a topic that is no text"),
        pytest.param(b"", id="silence"),
    ],
)
async def test_what_is_no_mqtt_is_endured_and_a_broker_in_its_place_is_found(
    broker: Mosquitto, make_link: MakeLink, answer: bytes
) -> None:
    """The far side here is a listener that speaks something else: the fault itself."""
    tries = 0

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.write(answer)
        try:
            await reader.read(-1)
        except OSError:
            pass
        finally:
            writer.close()

    port = free_port()
    link = make_link(port=port, connect_timeout=0.3)
    async with listening(link, connects=False) as ears:
        async with await asyncio.start_server(babble, "127.0.0.1", port) as server:
            await ears.until(lambda: tries >= 2)
            assert not link.connected
            server.close()
        broker.stop()
        broker.port = port
        broker.start()
        await ears.connected()


async def test_the_fast_link_gives_up_a_packet_longer_than_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    """A broker that does not keep to our limit, the far side of a fault, cannot fill our memory."""
    taken = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        writer.write(CONNACK_5 + b"\x30\xff\xff\xff\x7f\x00\x01a")  # a publish of 256 MiB
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                taken += 65_536
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        link = FastLink(LinkConfig(port=port, packet_limit=100_000), ("in/#",), SystemClock())
        async with listening(link, connects=False) as ears:
            await ears.until(lambda: "a packet of more than 100000 bytes" in caplog.text)
            assert taken < 32 * 1024 * 1024


async def let_go(there: aiomqtt.Client, ears: Ears, topic: str) -> None:
    """Wait until the broker delivers no more of a topic: what is said behind on one that stays comes alone."""
    for turn in range(200):
        said, behind = f"{topic} {turn}".encode(), f"behind {topic} {turn}".encode()
        await there.publish(topic, said, qos=1)
        await there.publish("in/fixed", behind, qos=1)
        await ears.heard_of(behind)
        if said not in ears.payloads:
            return
    pytest.fail(f"{topic} is still heard")


async def test_topics_are_heard_and_let_go_while_the_connection_stays(broker: Mosquitto, make_link: MakeLink) -> None:
    link = make_link()
    async with device(broker) as there, listening(link) as ears:
        link.hear({"a/+", "b/#"})
        link.hear({"b/#", "c"})
        await let_go(there, ears, "a/1")
        for topic in ("b/1/2", "c", "in/fixed"):
            await there.publish(topic, topic.encode(), qos=1)
        await ears.heard_of(b"b/1/2", b"c", b"in/fixed")
        link.hear(())
        await let_go(there, ears, "c")
        assert link.counts.connects == 1


async def test_what_is_heard_is_heard_again_after_a_reconnect_and_what_was_let_go_is_not(
    broker: Mosquitto, make_link: MakeLink
) -> None:
    link = make_link()
    link.hear({"before", "kept"})
    async with listening(link) as ears:
        async with device(broker) as there:
            await there.publish("kept", b"1", qos=1)
        await ears.heard_of(b"1")
        broker.stop()
        await ears.until(lambda: not link.connected)
        link.hear({"kept", "while away"})
        broker.start()
        await ears.connected()
        async with device(broker) as there:
            for topic in ("before", "kept", "while away", "in/last"):
                await there.publish(topic, topic.encode(), qos=1)
        await ears.heard_of(b"kept", b"while away", b"in/last")
        assert b"before" not in ears.payloads


async def test_retained_messages_come_with_a_new_subscription_and_not_again(
    broker: Mosquitto, make_link: MakeLink
) -> None:
    async with device(broker) as there:
        for topic in ("in/a", "early/a", "late/a"):
            await there.publish(topic, topic.encode(), qos=1, retain=True)
    link = make_link()
    link.hear({"early/+"})
    async with listening(link) as ears:
        await ears.heard_of(b"in/a", b"early/a")
        link.hear({"early/+", "late/+"})
        await ears.heard_of(b"late/a")
        broker.stop()
        await ears.until(lambda: not link.connected)
        broker.start()
        await ears.connected()
        async with device(broker) as there:
            await there.publish("in/b", b"fresh", qos=1)
        await ears.heard_of(b"fresh")
        once = sorted(m.payload for m in ears.heard if not m.duplicate)  # an acknowledgement may be lost with the link
        assert once == [b"early/a", b"fresh", b"in/a", b"late/a"]
    again = make_link()
    again.hear({"early/+", "late/+"})
    async with listening(again) as ears, device(broker) as there:
        await there.publish("in/b", b"of another process", qos=1)
        await ears.heard_of(b"of another process")
        assert ears.payloads == {b"of another process"}


async def test_a_refused_topic_is_told_and_the_link_goes_on(
    broker: Mosquitto, make_link: MakeLink, caplog: pytest.LogCaptureFixture
) -> None:
    """The far side is a broker with rights on subscriptions; mosquitto has them only as a plugin."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        new = (await reader.read(1000))[8] == 5
        writer.write(CONNACK_5 if new else CONNACK_3)
        for code in (1, 135 if new else 128):
            packet = (await reader.read(1000)).removeprefix(PING)[2:4]
            writer.write((b"\x90\x04" + packet + b"\0" if new else b"\x90\x03" + packet) + bytes([code]))
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        link = make_link(port=server.sockets[0].getsockname()[1])
        link.hear({"secret/#"})
        async with listening(link) as ears:
            await ears.until(lambda: "refuses our subscription to secret/#: give this user the right" in caplog.text)
            assert link.connected
