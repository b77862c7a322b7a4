"""Alarms on MQTT's wire: topics, retained states, commands."""

from __future__ import annotations

import json

import pytest

from gateway.alarms import wire
from rules.alarms.standing import Standing
from twins.errors import Rejected

HOT = Standing("default/hot", "default/t-1", "Active", "alert", 5_000_000, "it is hot", raised=4_999_999)


def test_a_state_is_told_with_times_in_milliseconds():
    topic, payload = wire.state(HOT)
    assert topic == "gemelo/alarms/state/default/hot/default/t-1"
    body = json.loads(payload)
    assert (body["state"], body["since"], body["raised"], body["until"]) == ("Active", 5000, 4999, 0)


def test_what_is_gone_is_told_by_an_empty_message():
    assert wire.state(Standing("default/hot", "a", "", "alert", 0)) == ("gemelo/alarms/state/default/hot/a", b"")


@pytest.mark.parametrize("key", ["default/t-1", "room 7", "a+b#c%d", "line\nfeed", "Tür/1"])
def test_a_topic_names_any_key_and_is_read_back(key):
    topic = wire.COMMAND + wire.place("default/hot", key)
    assert not any(sign in topic for sign in "+#\n")
    alarm, found, wish = wire.command(topic, b'{"command": "snooze", "for": 60, "id": "7"}')
    assert (alarm, found, wish.command, wish.length, wish.id) == ("default/hot", key, "snooze", 60, "7")


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("default/hot", b"{}", "the topic names no alarm and key"),
        ("default//x", b"{}", "the topic names no alarm and key"),
        ("default/hot/x", b"acknowledge", "no command such as"),
        ("default/hot/x", b'{"command": "reset", "till": 5}', "unknown field `till`"),
        ("default/hot/x", b"[" * 3000, "no command such as"),
        ("default/hot/x", b" " * 5000, "5000 bytes: 4096 are allowed"),
        ("default/hot/x", b'{"command": "\xff"}', "no command such as"),
    ],
)
def test_a_bad_command_is_refused_with_the_reason(topic, payload, told):
    with pytest.raises(Rejected, match=told):
        wire.command(wire.COMMAND + topic, payload)


def test_a_result_tells_the_cause_or_why_it_was_refused():
    wish = wire.Wish("reset", id="7")
    topic, done = wire.result("default/hot", "a", wish, "alarm:1:1")
    assert topic == "gemelo/alarms/result/default/hot/a"
    assert json.loads(done) == {"id": "7", "command": "reset", "cause": "alarm:1:1"}
    refused = json.loads(wire.result("default/hot", "a", wish, "", Rejected("not now", 409))[1])
    assert (refused["code"], refused["reason"]) == (409, "not now")
