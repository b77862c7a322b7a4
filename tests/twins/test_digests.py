"""The memory of stored messages."""

from __future__ import annotations

from twins.digests import Digests


def test_the_last_digests_are_known_and_very_old_ones_are_not() -> None:
    digests = Digests(100)
    digests.update(range(1000))
    assert all(n in digests for n in range(900, 1000))
    assert not any(n in digests for n in range(800))


def test_memory_is_bounded_to_twice_the_size() -> None:
    digests = Digests(100)
    for n in range(10_000):
        digests.add(n)
        assert len(digests) <= 200


def test_a_digest_that_comes_again_stays_known() -> None:
    digests = Digests(10)
    for n in range(100):
        digests.add(7)
        digests.add(n)
        assert 7 in digests
