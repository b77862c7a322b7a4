"""Custom messages of the rule router."""

from __future__ import annotations

from tests.conformance.skycases import Case, Thing, frame, is_like

CLOSED = ("$hw/events/device/default/d1/twin/update", "$CONTROL/dynamic-security/v1", "gemelo/telemetry/default/d1",
          "spBv1.0/g/NCMD/n", "a/+", "#", "")  # fmt: skip


def tell(thing: Thing, operation: str, topic: str, payload: str | None = None) -> None:
    thing.sky.tell("router_eventbus", "user", operation, topic, payload)


def subscribe(thing: Thing, topic: str) -> None:
    """A rule wants a topic heard; return when it is."""
    sky = thing.sky
    tell(thing, "subscribe", topic)
    sky.until(lambda: topic in sky.status()["messages"]["topics"])
    sky.until(lambda: sky.say(topic, b"probe") or sky.up(topic))
    sky.say(topic, b"probe: the last")
    sky.until(lambda: any(line["content"] == "probe: the last" for line in sky.up(topic)))
    sky.until(lambda: not sky.status()["messages"]["waiting"])


def contents(thing: Thing, topic: str) -> list[str]:
    """What came up of a topic since the case began, but for probes."""
    return [line["content"] for line in thing.sky.up(topic) if not line["content"].startswith("probe")]


def outlives_a_restart(thing: Thing) -> None:
    sky, topic = thing.sky, f"default/{thing.name}"
    subscribe(thing, topic)
    sky.restart()
    sky.until(lambda: sky.online)
    assert topic in sky.status()["messages"]["topics"]
    sky.say(topic, b"x")
    sky.until(lambda: contents(thing, topic) == ["x"])


def goes_up(thing: Thing) -> None:
    sky, topic = thing.sky, f"default/{thing.name}"
    subscribe(thing, topic)
    sky.say(topic, b"x")
    sky.say(topic, '{"a": "ü"}'.encode())
    sky.until(lambda: len(contents(thing, topic)) == 2)
    assert contents(thing, topic) == ["x", '{"a": "ü"}']
    is_like(sky.up(topic)[-2], frame("upload", topic, "x", "bus", "user"))
    sky.until(lambda: not sky.status()["messages"]["waiting"])


def comes_down(thing: Thing) -> None:
    sky, topic = thing.sky, f"a/{thing.name}"
    tell(thing, "publish", topic, "hi")
    tell(thing, "publish", topic, '{"deep": [1]}')
    sky.until(lambda: len(sky.said(topic)) == 2)
    assert sky.said(topic) == ["hi", {"deep": [1]}]
    assert contents(thing, topic) == []


def is_heard_no_more(thing: Thing) -> None:
    sky, topic = thing.sky, f"default/{thing.name}"
    subscribe(thing, topic)
    tell(thing, "unsubscribe", topic)
    sky.until(lambda: topic not in sky.status()["messages"]["topics"])
    sky.say(topic, b"x")
    sky.barrier()
    fixed(thing)
    assert contents(thing, topic) == []
    sky.restart()
    assert topic not in sky.status()["messages"]["topics"]


def fixed(thing: Thing) -> None:
    """What goes up without a rule."""
    sky = thing.sky
    topics = ("SYS/dis/upload_records", f"{thing.name}/user/y/z", f"$hw/events/upload/{thing.name}")
    for topic in topics:
        sky.say(topic, topic.encode())
    for topic in topics:
        sky.until(lambda t=topic: t in contents(thing, t))


def waits_for_the_cloud(thing: Thing) -> None:
    sky, topic = thing.sky, f"default/{thing.name}"
    subscribe(thing, topic)
    sky.cut()
    for number in range(100):
        sky.say(topic, b"%d" % number)
    sky.until(lambda: sky.status()["messages"]["waiting"] == 100)
    sky.restart()
    assert sky.status()["messages"]["waiting"] == 100
    sky.mend()
    sky.until(lambda: len(contents(thing, topic)) >= 100)
    sky.until(lambda: not sky.status()["messages"]["waiting"])
    assert contents(thing, topic) == [str(number) for number in range(100)]


def drops_the_oldest(thing: Thing) -> None:
    """A quota of 1 MiB, and 14 messages of 100 kB."""
    sky, topic = thing.sky, f"default/{thing.name}"
    subscribe(thing, topic)
    sky.cut()
    for number in range(14):
        sky.say(topic, f"{number:02}".encode() * 50_000)
    sky.until(lambda: sky.status()["messages"]["waiting"] + sky.status()["messages"]["dropped"] == 14)
    said = sky.status()["messages"]
    assert (said["waiting"], said["dropped"]) == (10, 4)
    assert said["bytes"] <= 1 << 20
    sky.mend()
    sky.until(lambda: not sky.status()["messages"]["waiting"])
    assert [content[:2] for content in contents(thing, topic)] == [f"{number:02}" for number in range(4, 14)]


def stays_closed(thing: Thing) -> None:
    """Topics of devices, of the gateway and of the broker are no rule's."""
    sky = thing.sky
    before = sky.status()["messages"]["refused"]
    for topic in CLOSED:
        tell(thing, "publish", topic, "{}")
        tell(thing, "subscribe", topic)
    sky.until(lambda: sky.status()["messages"]["refused"] == before + 2 * len(CLOSED))
    sky.barrier()
    assert [one.topic for one in sky.heard if not one.topic.startswith("marker/")] == []
    assert not set(CLOSED) & set(sky.status()["messages"]["topics"])
    thing.join()
    thing.says(temp="1")
    sky.until(lambda: sky.said(f"{thing.topic}/twin/update/result"))
    assert sky.lines("uploaded") == []


CASES = [
    Case("RUL-01", "a topic that a rule wants is heard, after a restart too", outlives_a_restart),
    Case("RUL-01", "but not those of devices, of the gateway and of the broker", stays_closed, "closed"),
    Case("RUL-02", "what is said there goes up", goes_up),
    Case("RUL-03", "what a rule publishes comes down", comes_down),
    Case("RUL-04", "a topic that no rule wants any more is heard no more", is_heard_no_more),
    Case("RUL-05", "KubeEdge's fixed topics go up without a rule", fixed),
    Case("RUL-06", "what is said while the cloud is away is kept, over a restart, in order", waits_for_the_cloud),
    Case(
        "RUL-06",
        "within a quota",
        drops_the_oldest,
        "quota",
        options={"section": "messages_mb = 1"},
    ),
]
