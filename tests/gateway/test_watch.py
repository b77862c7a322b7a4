from __future__ import annotations

from gateway.watch import MOST, PERIOD, Watch
from twins.exchange import Event

START = 1_795_000_000_000_000


def tell(watch: Watch, who: str, seen: int, message: str = "it knocks") -> Event | None:
    return watch.tell(Event(f"mqtt:1:{seen}", seen, "security", who, "warning", message, "mqtt:1:1"))


def test_the_first_is_told_at_once_and_names_its_object_and_cause() -> None:
    event = tell(Watch(), "plant/pump", START)
    assert event is not None
    assert (event.kind, event.object, event.severity, event.cause) == ("security", "plant/pump", "warning", "mqtt:1:1")


def test_the_same_again_is_counted_and_told_after_a_minute() -> None:
    watch = Watch()
    tell(watch, "a/b", START)
    assert [tell(watch, "a/b", START + n) for n in range(1, 40)] == [None] * 39
    again = tell(watch, "a/b", START + PERIOD)
    assert again is not None
    assert again.message == "it knocks (39 more times since it was last told)"


def test_another_device_and_another_message_are_told_by_themselves() -> None:
    watch = Watch()
    assert all(tell(watch, *each) for each in (("a/b", START), ("a/c", START), ("a/b", START, "it shouts")))


def test_a_thousand_devices_in_a_minute_make_no_flood_and_are_counted() -> None:
    watch = Watch()
    told = [tell(watch, f"a/{n}", START + n) for n in range(1000)]
    assert sum(each is not None for each in told) == MOST
    after = tell(watch, "a/next", START + PERIOD)
    assert after is not None
    assert after.message == f"it knocks; {1000 - MOST} events of this kind went untold before it"


def test_what_people_did_is_told_each_time() -> None:
    watch = Watch()
    for n in range(100):
        event = Event(f"api:1:{n}", START + n, "security", "a/b", "info", "it has a new password")
        assert watch.tell(event) is event
