"""Revisions: what changed since when, without a queue."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from web.revisions import Revisions


def test_a_key_that_changed_often_is_told_once_and_in_the_order_of_last_change():
    revisions = Revisions()
    for key in ("a", "b", "a", "c", "a"):
        revisions.touch(key)
    assert revisions.since(0) == ["b", "c", "a"]


def test_who_has_seen_everything_hears_nothing():
    revisions = Revisions()
    revisions.touch("a", "b")
    assert revisions.since(revisions.number) == []


def test_a_dropped_key_is_told_by_dropped_alone():
    revisions = Revisions()
    revisions.touch("a", "b")
    seen = revisions.number
    revisions.drop("a")
    assert revisions.dropped(seen)
    assert revisions.since(seen) == []
    assert not revisions.dropped(revisions.number)


def test_dropping_what_is_not_there_changes_nothing():
    revisions = Revisions()
    revisions.drop("a")
    assert revisions.number == 1


async def test_followers_wake_on_a_change_and_not_before():
    revisions = Revisions()
    seen = revisions.number
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        followers = [group.create_task(revisions.changed(seen), name=f"follower-{index}") for index in range(3)]
        await asyncio.sleep(0)
        assert not any(follower.done() for follower in followers)
        revisions.touch("a")
    await revisions.changed(seen)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans())), st.integers(0, 30))
def test_following_in_steps_ends_where_looking_once_ends(changes, pause):
    revisions = Revisions()
    alive: dict[str, int] = {}
    followed: dict[str, int] = {}
    seen = 0
    for number, (key, leaves) in enumerate(changes):
        if leaves:
            revisions.drop(key)
            alive.pop(key, None)
        else:
            revisions.touch(key)
            alive[key] = number
        if number == pause:
            followed, seen = _follow(revisions, alive, followed, seen)
    followed, seen = _follow(revisions, alive, followed, seen)
    assert followed == alive


def _follow(revisions, alive, followed, seen):
    for key in revisions.since(seen):
        followed[key] = alive[key]
    if revisions.dropped(seen):
        followed = {key: value for key, value in followed.items() if key in alive}
    return followed, revisions.number
