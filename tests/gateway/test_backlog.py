from __future__ import annotations

from gateway.backlog import Backlog


def test_the_oldest_go_for_the_quota_and_are_counted() -> None:
    backlog = Backlog()
    backlog.quota = 10
    for number in range(5):
        backlog.add(str(number), ("t", b"123"))
    assert (len(backlog), backlog.bytes, backlog.dropped) == (2, 8, 3)
    assert list(backlog.first(9)) == ["3", "4"]
    assert backlog.gone() == ["0", "1", "2"]
    assert backlog.gone() == []


def test_what_was_dropped_meanwhile_is_not_removed_twice() -> None:
    backlog = Backlog()
    backlog.add("a", ("t", b"1"))
    backlog.add("b", ("t", b"2"))
    taken = backlog.first(2)
    backlog.quota = 2
    backlog.add("c", ("t", b"3"))
    assert backlog.remove(taken) == 0
    assert (backlog.dropped, len(backlog), backlog.bytes) == (2, 1, 2)


def test_a_message_beyond_the_quota_goes_at_once() -> None:
    backlog = Backlog()
    backlog.quota = 2
    backlog.add("a", ("topic", b"long"))
    assert (len(backlog), backlog.bytes, backlog.dropped) == (0, 0, 1)
