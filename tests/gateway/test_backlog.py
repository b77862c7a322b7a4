from __future__ import annotations

import tracemalloc

from gateway.backlog import EACH, Backlog


def test_the_oldest_go_for_the_quota_and_are_counted() -> None:
    backlog = Backlog()
    backlog.quota = 2 * EACH + 10
    for number in range(5):
        backlog.add(str(number), ("t", b"123"))
    assert (len(backlog), backlog.bytes, backlog.dropped) == (2, 2 * EACH + 8, 3)
    assert list(backlog.first(9)) == ["3", "4"]
    assert backlog.gone() == ["0", "1", "2"]
    assert backlog.gone() == []


def test_what_was_dropped_meanwhile_is_not_removed_twice() -> None:
    backlog = Backlog()
    backlog.add("a", ("t", b"1"))
    backlog.add("b", ("t", b"2"))
    taken = backlog.first(2)
    backlog.quota = EACH + 2
    backlog.add("c", ("t", b"3"))
    assert backlog.remove(taken) == 0
    assert (backlog.dropped, len(backlog), backlog.bytes) == (2, 1, EACH + 2)


def test_a_message_beyond_the_quota_goes_at_once() -> None:
    backlog = Backlog()
    backlog.quota = EACH + 2
    backlog.add("a", ("topic", b"long"))
    assert (len(backlog), backlog.bytes, backlog.dropped) == (0, 0, 1)


def test_the_quota_bounds_the_memory_of_very_many_short_messages_too() -> None:
    backlog = Backlog()
    backlog.quota = 1 << 20
    tracemalloc.start()
    try:
        for number in range(50_000):
            backlog.add(f"mqtt:1:{number}", (f"default/t{number % 10}", b"%d" % number))
        backlog.gone()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1.5 * backlog.quota
