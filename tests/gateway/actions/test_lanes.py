from __future__ import annotations

from gateway.actions.lanes import EACH, MOST, Lanes, Waiting
from rules.instructions import Act
from rules.tasks import Post, Publish, Task


def act(name: str, task: Task) -> Act:
    return Act(name, "default/rule/d1", "c", 0, task)


def post(name: str, url: str = "http://a") -> Act:
    return act(name, Post(url, "POST", {}, "", 0))


def taken(lanes: Lanes, now: float = 0.0) -> list[Waiting]:
    found = []
    while (waiting := lanes.take(now)) is not None:
        found.append(waiting)
    return found


def names(waiting: list[Waiting]) -> list[str]:
    return [each.act.id for each in waiting]


def filled(*acts: Act, quota: int = 1 << 20) -> Lanes:
    lanes = Lanes(quota)
    for each in acts:
        assert lanes.add(each, 0) == []
    return lanes


def test_one_of_a_target_is_done_at_a_time_and_in_order() -> None:
    lanes = filled(post("1"), post("2"), post("3", "http://b"))
    first = taken(lanes)
    assert names(first) == ["1", "3"]
    lanes.done(first[0], 0)
    assert names(taken(lanes)) == ["2"]
    assert len(lanes) == 2


def test_a_target_that_is_away_holds_nobody_else_back_and_its_actions_keep_their_order() -> None:
    lanes = filled(post("1"), post("2"), post("3", "http://b"), post("4", "http://b"))
    one, three = taken(lanes)
    assert lanes.back(one, 100.0) is True
    assert lanes.away == ["web http://a"]
    lanes.done(three, 100.0)
    (four,) = taken(lanes, 100.0)
    assert four.act.id == "4"
    due = lanes.due
    assert due is not None
    assert 100.0 < due <= 100.5
    assert names(taken(lanes, due - 0.001)) == []
    (again,) = taken(lanes, due)
    assert (again.act.id, again.tries) == ("1", 1)
    assert lanes.back(again, due) is False, "it is known to be away"
    lanes.add(post("5"), 0)
    assert taken(lanes, due) == []
    (again,) = taken(lanes, due + 2.0)
    lanes.done(again, due + 2.0)
    assert lanes.away == []
    (two,) = taken(lanes, due + 2.0)
    lanes.done(two, due + 2.0)
    assert names(taken(lanes, due + 2.0)) == ["5"]


def test_a_target_that_says_how_long_is_left_alone_so_long() -> None:
    lanes = filled(post("1"))
    (one,) = taken(lanes)
    lanes.back(one, 0.0, least=30.0)
    assert taken(lanes, 29.9) == []
    assert names(taken(lanes, 31.0)) == ["1"]


def test_messages_go_many_at_once_and_those_that_come_back_keep_their_order() -> None:
    lanes = filled(*(act(str(n), Publish("x", "")) for n in range(10)))
    flying = taken(lanes)
    assert len(flying) == 10
    for each in (flying[7], flying[2], flying[5]):
        lanes.back(each, 0.0)
    for each in flying:
        if each.act.id not in "257":
            lanes.done(each, 0.0)
    assert names(taken(lanes, 60.0)) == ["2", "5", "7"]


def test_beyond_the_quota_the_oldest_go_wherever_they_want_to() -> None:
    lanes = Lanes(3 * EACH + 10)
    for name, url in (("1", "http://a"), ("2", "http://b"), ("3", "http://a")):
        assert lanes.add(post(name, url), 0) == []
    assert [gone.id for gone in lanes.add(post("4", "http://b"), 0)] == ["1"]
    assert [gone.id for gone in lanes.add(post("5", "http://c"), EACH)] == ["2", "3"]
    assert names(taken(lanes)) == ["4", "5"]
    assert lanes.bytes == 0


def test_an_action_that_waits_already_is_not_there_twice() -> None:
    lanes = filled(post("1"))
    lanes.add(post("1"), 0)
    assert len(lanes) == 1


def test_what_is_given_up_half_way_is_first_again() -> None:
    lanes = filled(post("1"), post("2"))
    (one,) = taken(lanes)
    lanes.land(one)
    (again,) = taken(lanes)
    assert (again.act.id, again.tries) == ("1", 0)


def test_so_many_are_under_way_at_once_whatever_their_targets() -> None:
    lanes = filled(*(post(str(n), f"http://h{n}") for n in range(MOST + 5)))
    flying = taken(lanes)
    assert len(flying) == MOST
    lanes.done(flying[0], 0.0)
    assert len(taken(lanes)) == 1


def test_a_lane_without_work_is_forgotten() -> None:
    lanes = filled(post("1"))
    (one,) = taken(lanes)
    lanes.done(one, 0.0)
    assert (len(lanes), lanes._lanes, lanes.due) == (0, {}, None)


def test_targets_whose_actions_had_to_go_leave_nothing_behind() -> None:
    lanes = Lanes(EACH)
    lanes.add(post("a"), 0)
    first = lanes.take(0.0)
    assert first is not None
    lanes.back(first, 0.0)
    assert lanes.away == ["web http://a"]
    for at in range(100):
        assert len(lanes.add(post(str(at), f"http://b/{at}"), 0)) == 1
    assert lanes.away == []
    (last,) = taken(lanes, 9.0)
    assert last.act.id == "99"
