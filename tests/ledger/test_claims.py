from __future__ import annotations

import json

from simulator.ledger.claims import Claims, Frames


def test_each_message_has_the_fate_that_its_sender_heard_last(told):
    kept = told.offer({"flow": "1"}, fate="accepted")
    refused = told.offer({"flow": "2"}, fate="rejected")
    handed = told.offer({"flow": "3"}, kind="telemetry", fate="handed")
    silent = told.offer({"flow": "4"})
    claims = Claims.read(told.path)
    assert {event: message.fate for event, message in claims.messages.items()} == {
        kept: "accepted",
        refused: "rejected",
        handed: "handed",
        silent: "unanswered",
    }
    assert claims.messages[handed].telemetry


def test_a_second_answer_and_an_obeyed_order_are_counted_and_change_no_fate(told):
    event = told.offer({"flow": "1"}, fate="accepted")
    told.write("answered-again", "default/pump-1", event)
    told.write("obeyed", "default/pump-1", "", property="speed", value="60")
    claims = Claims.read(told.path)
    assert (claims.answered_again, claims.obeyed, claims.count("accepted")) == (1, 1, 1)


def test_a_torn_last_line_is_left_out(told):
    told.offer({"flow": "1"}, fate="accepted")
    whole = told.path.read_bytes()
    told.offer({"flow": "2"})
    torn = told.path.read_bytes()
    for cut in range(len(whole), len(torn) - 2):
        told.path.write_bytes(torn[:cut])
        assert list(Claims.read(told.path).messages) == ["e-1"]


def test_a_line_torn_within_a_character_is_left_out(told):
    told.offer({"flow": "1"}, fate="accepted")
    with told.path.open("ab") as file:
        file.write('{"what": "offered", "device": "default/café'.encode()[:-1])
    assert len(Claims.read(told.path).messages) == 1


def test_a_record_that_was_never_written_holds_nothing(tmp_path):
    assert Claims.read(tmp_path / "none.jsonl").messages == {}
    assert Frames.read(tmp_path / "none.jsonl").status == {}


def test_an_answer_to_a_message_of_another_record_is_ignored(told):
    told.write("accepted", "default/pump-1", "of-another-run", tries=1)
    assert Claims.read(told.path).messages == {}


def test_the_last_accepted_value_is_the_newest_by_its_own_time_and_not_by_its_place(told):
    told.offer({"flow": "new"}, at=2000, fate="accepted")
    told.offer({"flow": "old"}, at=1000, fate="accepted")
    told.offer({"flow": "refused"}, at=3000, fate="rejected")
    told.offer({"flow": "perhaps"}, at=4000)
    assert Claims.read(told.path).last_accepted() == {("default/pump-1", "flow"): ["new", "perhaps"]}


def test_a_phones_frame_stays_sent_until_it_is_told_a_status(tmp_path):
    path = tmp_path / "phone.jsonl"
    lines = [
        {"event": "connected", "device": "phone-1"},
        {"event": "sent", "device": "phone-1", "seq": 7},
        {"event": "sent", "device": "phone-1", "seq": 8},
        {"event": "result", "device": "phone-1", "seq": 7, "status": "OK"},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"event": "sent", "se')
    frames = Frames.read(path)
    assert (frames.device, frames.status) == ("phone-1", {7: "OK", 8: "sent"})
