"""Every cell of the table of an alarm: what each state makes of each command, and of its condition."""

from __future__ import annotations

import pytest

from rules.alarms.order import COMMANDS, STATES
from rules.instructions import Command
from twins.errors import Rejected

TABLE = {
    #                  acknowledge      snooze             disable     enable     reset
    "Disabled": [None, None, None, "Normal", None],
    "Normal": [None, "SnoozeDisabled", "Disabled", None, None],
    "Active": ["Acknowledged", "SnoozeDisabled", "Disabled", None, "Normal"],
    "Acknowledged": [None, "SnoozeDisabled", "Disabled", None, "Normal"],
    "SnoozeDisabled": [None, "SnoozeDisabled", "Disabled", "Normal", None],
    "Latched": [None, "SnoozeDisabled", "Disabled", None, "Normal"],
}
CELLS = [(state, command, TABLE[state][at]) for state in STATES for at, command in enumerate(COMMANDS)]
CONDITIONS = {
    #                above              below
    "Disabled": ["Disabled", "Disabled"],
    "Normal": ["Active", "Normal"],
    "Active": ["Active", "Latched"],
    "Acknowledged": ["Acknowledged", "Latched"],
    "SnoozeDisabled": ["SnoozeDisabled", "SnoozeDisabled"],
    "Latched": ["Active", "Latched"],
}
SIREN = [{"set": {"device": "siren", "property": "sound", "value": "alarm_severity"}}]


@pytest.mark.parametrize(("state", "command", "to"), CELLS)
def test_each_state_makes_of_each_command_what_the_table_says(plant, state, command, to):
    found = plant(latch=True).bring(state)
    if to is None:
        with pytest.raises(Rejected, match=f"default/hot: can't {command}: ") as refused:
            found.command(command)
        assert refused.value.code == 409
        assert found.state == state
    else:
        found.command(command)
        assert found.state == to
        assert found.last_told().state == to


@pytest.mark.parametrize(("state", "command", "to"), CELLS)
def test_the_table_holds_after_a_restart(plant, state, command, to):
    found = plant(latch=True).bring(state)
    found.restart()
    if to is not None:
        found.command(command)
    assert found.state == (to or state)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("side", "value"), [(0, 90), (1, 20)])
def test_each_state_makes_of_its_condition_what_the_table_says(plant, state, side, value):
    found = plant(latch=True).bring(state)
    found.report(value)
    assert found.state == CONDITIONS[state][side]


def test_an_alarm_that_does_not_latch_is_normal_when_its_condition_is_over(plant):
    found = plant()
    assert found.report(90) == ["raised"]
    assert found.report(20) == ["cleared"]
    assert found.state == "Normal"
    found.report(90)
    found.command("acknowledge")
    assert found.report(20) == ["cleared"]
    assert found.state == "Normal"


def test_what_was_not_acknowledged_may_stay_until_it_is(plant):
    found = plant(latch="unacknowledged").bring("Latched")
    assert found.command("acknowledge") == ["acknowledged"]
    assert found.state == "Normal"
    found.report(90)
    found.command("acknowledge")
    found.report(20)
    assert found.state == "Normal"


def test_without_acknowledgement_to_acknowledge_is_refused_and_says_what_else_there_is(plant):
    found = plant(acknowledge=False).bring("Active")
    with pytest.raises(Rejected, match="acknowledge: false; snooze, disable or reset it"):
        found.command("acknowledge")


def test_it_may_begin_disabled(plant):
    found = plant(startDisabled=True)
    assert found.report(90) == []
    assert found.state == "Disabled"
    found.command("enable")
    assert found.wait(1) == ["raised"]


@pytest.mark.parametrize("command", ["snooze", "disable", "reset"])
@pytest.mark.parametrize("state", ["Active", "Acknowledged"])
def test_whatever_ends_an_alarm_clears_it_and_does_what_is_to_be_done_then(plant, state, command):
    quiet = [{"set": {"device": "siren", "property": "sound", "value": '"off"'}}]
    found = plant(onClear=quiet).bring(state)
    done = found.commanded(command)
    assert [each.values for each in done if isinstance(each, Command)] == [{"sound": "off"}]
    assert "cleared" in [event.detail["what"] for event in found.told()[-2:]]


def test_a_snooze_ends_by_itself_and_a_condition_that_holds_still_raises_it_again(plant):
    found = plant(snooze="5m").bring("Active")
    assert found.command("snooze") == ["snoozed", "cleared"]
    assert found.standing().until == found.site.now + 300_000_000
    assert found.wait(299) == []
    assert found.wait(2) == ["enabled", "raised"]
    assert found.state == "Active"


def test_a_snooze_has_the_length_that_is_asked_for_and_a_second_one_begins_anew(plant):
    found = plant(snooze="5m").bring("Active")
    found.command("snooze", length="1h")
    found.wait(3590)
    assert found.state == "SnoozeDisabled"
    found.command("snooze", length="30s")
    found.wait(29)
    assert found.state == "SnoozeDisabled"
    found.wait(2)
    assert found.state == "Active"


def test_a_snooze_goes_on_over_a_restart_with_what_is_left_of_it(plant):
    found = plant(snooze="5m").bring("Active")
    found.command("snooze")
    found.wait(200)
    found.restart()
    assert found.wait(99) == []
    assert found.wait(2) == ["enabled", "raised"]


def test_a_latch_survives_a_snooze(plant):
    found = plant(latch=True, snooze="5m").bring("Active")
    found.command("snooze")
    found.report(20)
    found.wait(301)
    assert found.state == "Latched"
    found.command("snooze")
    found.command("enable")
    assert found.state == "Latched"
    found.command("reset")
    assert found.state == "Normal"
    found.command("snooze")
    found.command("enable")
    assert found.state == "Normal"


def test_a_reset_does_not_silence_a_condition_that_holds(plant):
    found = plant().bring("Active")
    assert found.command("reset") == ["reset", "cleared"]
    assert found.wait(1) == ["raised"]


def test_the_condition_must_hold_and_be_over_for_as_long_as_is_said(plant):
    found = plant(**{"for": "30s", "clearFor": "1m"})
    found.report(90)
    assert found.wait(29) == []
    assert found.wait(1) == ["raised"]
    found.report(20)
    found.wait(40)
    found.report(90)
    assert found.wait(100) == []
    found.report(20)
    assert found.wait(60) == ["cleared"]


def test_within_its_hysteresis_it_stays_as_it_is(plant):
    found = plant(condition={"input": "t", "threshold": 80, "clearBelow": 75})
    assert [found.report(value) for value in (81, 79, 75, 74.9, 79, 80, 80.1)] == [
        ["raised"], [], [], ["cleared"], [], [], ["raised"],
    ]  # fmt: skip


def test_a_value_that_cannot_be_read_changes_nothing(plant):
    found = plant().bring("Active")
    assert found.report("broken") == []
    assert found.state == "Active"


def test_one_alarm_stands_for_each_key_and_further_triggers_are_counted(plant):
    found = plant(condition={"input": "t", "threshold": 80, "clearBelow": 50})
    for value in (90, 95, 70, 85, 60, 81):
        found.report(value)
    found.report(99, device="t-2")
    assert [event.detail["what"] for event in found.told()] == ["raised", "raised"]
    assert (found.standing().count, found.standing("default/t-2").count) == (3, 1)


def test_a_key_may_join_devices(plant):
    found = plant(key='room-${part(device, "-", 1)}', inputs={"t": {"property": "t"}})
    found.report(90, device="a-7")
    assert found.command("acknowledge", key="room-7") == ["acknowledged"]
    assert found.report(20, device="b-7") == ["cleared"]


def test_a_key_may_be_one_for_all(plant):
    found = plant(key="plant")
    found.report(90)
    assert found.command("acknowledge", key="plant") == ["acknowledged"]


def test_flapping_is_bounded_and_ends_when_it_has_been_quiet_long_enough(plant):
    found = plant(flapping={"raises": 3, "within": "10m"})
    for _ in range(50):
        found.report(90)
        found.report(20)
        found.wait(1)
    whats = [event.detail["what"] for event in found.told()]
    assert whats == ["raised", "cleared", "raised", "cleared", "raised"]
    assert found.state == "Active"
    assert found.wait(600) == ["cleared"]
    assert found.report(90) == ["raised"]


def test_without_a_bound_it_flaps_as_often_as_its_condition(plant):
    found = plant(flapping=None)
    for _ in range(50):
        found.report(90)
        found.report(20)
    assert len(found.told()) == 100


def test_nobody_acknowledges_so_it_matters_more_and_is_told_again(plant):
    steps = [{"after": "5m", "severity": "error", "do": SIREN}, {"after": "10m"}]
    found = plant(escalate=steps, repeat="4m", severity="warning").bring("Active")
    assert found.wait(240) == ["reminded"]
    assert found.wait(60) == ["escalated"]
    assert [event.severity for event in found.told()] == ["warning", "warning", "error"]
    assert found.standing().severity == "error"
    assert [each.values for each in found.site.done if isinstance(each, Command)] == [{"sound": "error"}]
    assert found.wait(300) == ["reminded", "escalated"]
    assert found.standing().level == 2
    found.command("acknowledge")
    assert found.wait(3600) == []


def test_escalation_and_reminders_go_on_over_a_restart(plant):
    found = plant(escalate=[{"after": "5m", "severity": "error"}], repeat="4m").bring("Active")
    found.wait(100)
    found.restart()
    assert found.wait(139) == []
    assert found.wait(2) == ["reminded"]
    assert found.wait(60) == ["escalated"]


def test_a_new_raise_begins_with_its_own_severity(plant):
    found = plant(escalate=[{"after": "5m", "severity": "error"}]).bring("Active")
    found.wait(301)
    found.report(20)
    found.report(90)
    assert (found.standing().severity, found.standing().level) == ("alert", 0)


def test_its_actions_run_when_it_is_raised_cleared_acknowledged_and_escalated(plant):
    def note(text):
        return [{"set": {"device": "log", "property": "x", "value": f'"{text}"'}}]

    found = plant(
        onRaise=note("raise"), onClear=note("clear"), onAcknowledge=note("ack"), onEscalate=note("up"),
        escalate=[{"after": "1m", "do": note("first")}],
    ).bring("Active")  # fmt: skip
    found.wait(60)
    found.command("acknowledge")
    found.report(20)
    said = [each.values["x"] for each in found.site.done if isinstance(each, Command)]
    assert said == ["raise", "first", "up", "ack", "clear"]


def test_who_commanded_and_why_is_kept_and_told_until_it_is_raised_again(plant):
    found = plant().bring("Active")
    found.command("acknowledge", who="anna | ops", note="I look | at it")
    event = found.told()[-1]
    assert event.message == "acknowledged by anna / ops (I look | at it): default/t-1 has 90"
    assert (event.detail["who"], event.detail["note"]) == ("anna / ops", "I look | at it")
    assert (found.standing().who, found.standing().note) == ("anna / ops", "I look | at it")
    found.restart()
    assert found.standing().who == "anna / ops"
    found.report(20)
    found.report(90)
    assert found.standing().who == ""


def test_an_event_holds_all_that_there_is_to_know_of_its_alarm(plant):
    found = plant(latch=True, repeat="1m", escalate=[{"after": "2m", "severity": "error"}])
    steps = (lambda: found.report(90), lambda: found.wait(60), lambda: found.wait(60))
    for step in (*steps, lambda: found.command("snooze"), lambda: found.wait(600), lambda: found.report(20)):
        step()
        assert found.last_told() == found.standing()
        assert found.told()[-1].object == "default/hot/default/t-1"
        assert found.told()[-1].detail["value.t"] in {"90", "20"}


def test_what_is_overdue_comes_before_a_command(plant):
    found = plant(clearFor="1m").bring("Active")
    found.report(20)
    found.site.now += 61_000_000  # the gateway was away: nobody has looked at the timer yet
    with pytest.raises(Rejected, match="not raised"):
        found.command("acknowledge")


def test_a_command_to_what_is_not_there_names_what_is(plant):
    found = plant().bring("Active")
    with pytest.raises(Rejected, match="did you mean default/t-1") as refused:
        found.command("acknowledge", key="default/t-2")
    assert refused.value.code == 404


def test_an_alarm_that_is_deleted_or_whose_device_leaves_is_cleared(plant):
    found = plant().bring("Active")
    rules = found.site.rules
    (left,) = rules.alarms.forget("default/t-1", "test:1:9", found.site.now)
    assert (left.event.detail["what"], left.event.detail["state"]) == ("cleared", "")
    gone = rules.alarms.remove("default/hot", "test:1:9", found.site.now)
    assert gone[0].event.message == "cleared, as the alarm was deleted: default/t-1 has 90"


def test_a_changed_manifest_leaves_what_stands_standing_in_the_state_that_it_has(plant, alarm):
    found = plant().bring("Acknowledged")
    assert found.apply(alarm(severity="error")) == []
    assert found.state == "Acknowledged"
    assert found.apply(alarm(acknowledge=False)) == ["changed"]
    assert (found.state, found.last_told().state) == ("Active", "Active")
    assert found.report(20) == ["cleared"]


def test_without_a_latch_what_was_latched_is_normal(plant, alarm):
    found = plant(latch=True).bring("Latched")
    assert found.apply(alarm()) == ["changed"]
    assert (found.state, found.last_told().state) == ("Normal", "Normal")


def test_by_another_key_all_begin_anew_and_what_stood_is_cleared(plant, alarm):
    found = plant().bring("Active")
    assert found.apply(alarm(key="plant")) == ["cleared"]
    assert found.report(90) == ["raised"]
    assert found.standing("plant").state == "Active"
