from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twins.instructions import Actuate, Answer, Conflict, Delta, Fact, Refuse, Revision
from twins.stimuli import Admitted, Asked, Confirmed, Edit, Enumerated, Joined, Left, Reply, Seen, Updated, Wish
from twins.twin import Twins
from twins.values import Declared, Property, Version

NOW = 1_795_243_950_000_000
D = "default/d1"


def joined(**properties: Declared) -> Twins:
    twins = Twins()
    twins.handle(Joined(D, "c", NOW, properties))
    return twins


def update(twins: Twins, seq: int = 0, repeats: bool = False, seen: int = NOW, **edits: Edit | None) -> list[object]:
    stimulus = Updated(D, "c", seen, edits, seen, seq, repeats, "device", Reply("e1"))
    return list(twins.handle(stimulus))


def names(instructions: list[object]) -> list[str]:
    return [type(i).__name__ for i in instructions]


def revision(instructions: list[object]) -> Revision:
    return next(i for i in instructions if isinstance(i, Revision))


def living(twins: Twins, name: str) -> Property:
    twin = twins.get(D)
    assert twin is not None
    return twin.properties[name]


def test_a_reported_value_is_a_revision_with_its_number() -> None:
    twins = joined()
    update(twins, temp=Edit(reported="20"))
    out = update(twins, temp=Edit(reported="21.5"))
    assert names(out) == ["Revision"]
    change = revision(out).changes["temp"]
    assert change.current.reported is not None
    assert (change.current.reported.value, change.number, change.reported_changed) == ("21.5", 21.5, True)


def test_an_update_of_an_unknown_device_is_refused_with_404() -> None:
    out = Twins().handle(Updated("default/nobody", "c", NOW, {"t": Edit(reported="1")}, NOW, reply=Reply("e")))
    assert [(i.code, i.reason) for i in out if isinstance(i, Refuse)] == [
        (404, "update rejected due to the device is not existed")
    ]


def test_an_unknown_device_enrols_itself_where_that_is_allowed() -> None:
    twins = Twins(enrols=True)
    out = twins.handle(Updated("default/new", "c", NOW, {"t": Edit(reported="1")}, NOW, reply=Reply("e")))
    assert "Membership" in names(list(out))
    assert twins.get("default/new") is not None


def test_one_wrong_value_refuses_the_whole_update() -> None:
    twins = joined(level=Declared(kind="int"))
    out = update(twins, mode=Edit(reported="auto"), level=Edit(reported="abc"))
    assert [i.reason for i in out if isinstance(i, Refuse)] == ["the value is not int or integer"]
    twin = twins.get(D)
    assert twin is not None
    assert twin.properties == {}


def test_the_models_bounds_hold() -> None:
    twins = joined(speed=Declared(kind="int", minimum=0, maximum=100))
    out = update(twins, speed=Edit(desired="120"))
    assert "above the maximum 100" in next(i.reason for i in out if isinstance(i, Refuse))


def test_nothing_can_be_desired_of_a_read_only_property() -> None:
    out = update(joined(temp=Declared(kind="float", writable=False)), temp=Edit(desired="5"))
    assert next(i.code for i in out if isinstance(i, Refuse)) == 403


def test_a_desired_value_shows_as_a_delta_until_it_is_reported() -> None:
    twins = joined()
    asked = update(twins, speed=Edit(desired="80"))
    assert names(asked)[-2:] == ["Delta", "Actuate"]
    assert next(i.values for i in asked if isinstance(i, Actuate)) == {"speed": "80"}
    assert living(twins, "speed").drifts
    assert not any(isinstance(i, Delta) for i in update(twins, temp=Edit(reported="1")))
    assert not any(isinstance(i, Delta) for i in update(twins, speed=Edit(reported="80")))
    assert not living(twins, "speed").drifts


def test_an_empty_update_asks_for_the_delta_again() -> None:
    twins = joined()
    update(twins, speed=Edit(desired="80"))
    assert any(isinstance(i, Delta) for i in update(twins))


def test_an_unchanged_value_keeps_its_version_and_a_changed_one_counts_on() -> None:
    twins = joined()
    for value in ("1", "1", "2"):
        update(twins, t=Edit(reported=value))
    reported = living(twins, "t").reported
    assert reported is not None
    assert reported.version.edge == 2


def test_a_repeated_message_is_answered_again_and_changes_nothing() -> None:
    twins = joined()
    first = update(twins, seq=7, repeats=True, t=Edit(reported="1"))
    again = update(twins, seq=7, repeats=True, t=Edit(reported="1"))
    assert revision(first).digest
    assert names(again) == ["Answer"]
    assert next(i for i in again if isinstance(i, Answer)).reply.event == "e1"


def test_the_same_words_from_a_simple_device_are_two_updates() -> None:
    twins = joined()
    for _ in range(2):
        assert names(update(twins, seq=7, repeats=False, t=Edit(reported="1")))[-1] == "Revision"


def test_a_deleted_property_leaves_a_tombstone_whose_versions_go_on() -> None:
    twins = joined()
    update(twins, t=Edit(reported="1"))
    gone = update(twins, t=None)
    assert revision(gone).gone.keys() == {"t"}
    update(twins, t=Edit(reported="2"))
    reported = living(twins, "t").reported
    assert reported is not None
    assert reported.version.edge == 3


def test_a_property_that_is_not_optional_is_not_deleted() -> None:
    twins = joined()
    update(twins, t=Edit(reported="1", optional=False))
    assert next(i.code for i in update(twins, t=None) if isinstance(i, Refuse)) == 409


def test_twins_come_back_from_what_was_kept() -> None:
    twins = joined(t=Declared(kind="float", unit="°C"))
    first = update(twins, seq=9, repeats=True, t=Edit(reported="1.5"))
    body = twins.encoded(D)
    assert body is not None
    again = Twins()
    known = [revision(first).digest]
    assert again.restore({"default/d1": body, "default/d2": b"?"}, known) == ["default/d2"]
    assert again.get(D) == twins.get(D)
    assert names(update(again, seq=9, repeats=True, t=Edit(reported="1.5"))) == ["Answer"]


def test_a_manifest_from_the_cloud_asks_its_desired_value_of_the_device() -> None:
    twins = joined()
    out = twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}, origin="cloud"))
    assert next(i.values for i in out if isinstance(i, Actuate)) == {"speed": "30"}
    assert not living(twins, "speed").unsynced


def test_a_desired_value_set_here_survives_the_same_manifest_from_the_cloud() -> None:
    twins = joined()
    manifest = Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}, origin="cloud")
    twins.handle(manifest)
    update(twins, speed=Edit(desired="50"))
    assert living(twins, "speed").unsynced
    twins.handle(Confirmed(D, "c", NOW, {"speed": (0, 1)}))
    assert not living(twins, "speed").unsynced
    twins.handle(manifest)
    desired = living(twins, "speed").desired
    assert desired is not None
    assert desired.value == "50"


def test_a_change_on_both_sides_is_told_as_a_conflict() -> None:
    twins = joined()
    twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}, origin="cloud"))
    update(twins, speed=Edit(desired="50"))
    out = twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="70")}, origin="cloud"))
    assert [(i.edge, i.cloud) for i in out if isinstance(i, Conflict)] == [("50", "70")]


def test_a_state_that_nobody_knows_is_refused_and_disconnected_means_offline() -> None:
    twins = joined()
    assert names(list(twins.handle(Seen(D, "c", NOW, "running", Reply("s"))))) == ["Refuse"]
    twins.handle(Seen(D, "c", NOW, "disconnected", Reply("s")))
    twin = twins.get(D)
    assert twin is not None
    assert twin.state == "offline"


def test_a_device_that_left_is_gone() -> None:
    twins = joined()
    assert names(list(twins.handle(Left(D, "c", NOW)))) == ["Forget", "Membership"]
    assert twins.encoded(D) is None


def test_a_device_leaves_for_its_origin_alone_when_that_is_said() -> None:
    twins = Twins()
    twins.handle(Joined(D, "c", NOW, {}, origin="cloud"))
    assert list(twins.handle(Left(D, "c", NOW, "elsewhere"))) == []
    assert names(list(twins.handle(Left(D, "c", NOW, "cloud")))) == ["Forget", "Membership"]


def test_a_source_time_of_last_year_is_not_believed() -> None:
    twins = joined()
    out = twins.handle(Updated(D, "c", NOW, {"t": Edit(reported="1")}, at=1, reply=Reply("e")))
    assert revision(list(out)).changes["t"].at == NOW


edits = st.one_of(
    st.none(),
    st.builds(Edit, reported=st.sampled_from([None, "1", "2"]), desired=st.sampled_from([None, "1", "2"])),
)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), edits, max_size=2), max_size=30))
def test_versions_never_go_back_whatever_comes(history: list[dict[str, Edit | None]]) -> None:
    twins = joined()
    last: dict[tuple[str, str], int] = {}
    for number, change in enumerate(history):
        twins.handle(Updated(D, "c", NOW + number, change, NOW + number))
        twin = twins.get(D)
        assert twin is not None
        for name, p in twin.properties.items():
            for side, value in (("r", p.reported), ("d", p.desired)):
                edge = 0 if value is None else value.version.edge
                assert edge >= last.get((name, side), 0)
                last[name, side] = edge


def test_a_tombstone_stays_one_while_its_manifest_asks_nothing_of_it() -> None:
    twins = joined(t=Declared(kind="float"))
    for value in ("1", "2"):
        update(twins, t=Edit(reported=value))
    update(twins, t=None)
    twins.handle(Joined(D, "c", NOW, {"t": Declared(kind="float", unit="°C")}))
    assert living(twins, "t").deleted
    update(twins, t=Edit(reported="3"))
    reported = living(twins, "t").reported
    assert reported is not None
    assert reported.version.edge == 4


def test_a_manifest_applied_here_does_not_undo_what_the_cloud_asked() -> None:
    twins = joined()
    here = Joined(D, "c", NOW, {"speed": Declared("int", desired="20")})
    twins.handle(here)
    twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}, origin="cloud"))
    twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}))
    desired = living(twins, "speed").desired
    assert desired is not None
    assert desired.value == "30"


def test_a_confirmation_meant_for_an_earlier_device_of_the_name_counts_for_nothing() -> None:
    twins = joined()
    update(twins, t=Edit(reported="1"))
    twins.handle(Confirmed(D, "c", NOW, {"t": (50, 0)}))
    assert living(twins, "t").unsynced
    twins.handle(Confirmed(D, "c", NOW, {"t": (1, 0)}, joined=NOW - 1))
    assert living(twins, "t").unsynced
    twins.handle(Confirmed(D, "c", NOW, {"t": (1, 0)}, joined=NOW))
    assert not living(twins, "t").unsynced


def test_a_deleted_property_is_not_brought_back_by_a_manifest_that_asks_nothing_new() -> None:
    twins = joined()
    twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30")}, origin="cloud"))
    update(twins, speed=None)
    out = twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="30", unit="rpm")}, origin="cloud"))
    assert names(list(out)) == ["Persist"]
    assert living(twins, "speed").deleted


def test_a_wish_that_the_cloud_took_back_while_the_property_was_deleted_is_new_when_it_comes_again() -> None:
    twins = joined()
    manifests = [Joined(D, "c", NOW, {"speed": Declared("int", desired=d)}, origin="cloud") for d in ("30", None)]
    twins.handle(manifests[0])
    update(twins, speed=None)
    twins.handle(manifests[1])
    twins.handle(manifests[0])
    desired = living(twins, "speed").desired
    assert desired is not None
    assert desired.value == "30"


def test_a_cloud_that_heard_of_a_value_asked_at_the_edge_hears_of_what_took_its_place() -> None:
    twins = joined()
    update(twins, speed=Edit(desired="50"))
    twins.handle(Confirmed(D, "c", NOW, {"speed": (0, 1)}))
    twins.handle(Joined(D, "c", NOW, {"speed": Declared("int", desired="70")}, origin="cloud"))
    assert living(twins, "speed").unsynced


def test_a_refused_message_on_an_older_topic_changes_nothing() -> None:
    twins = joined()
    update(twins, t=Edit(reported="1", kind="int"))
    before = twins.encoded(D)
    edit: dict[str, Edit | None] = {"t": Edit(reported="x")}
    out = twins.handle(Updated(D, "c", NOW, edit, NOW, reply=Reply("e", short=True)))
    assert names(list(out)) == ["Refuse"]
    assert twins.encoded(D) == before


def test_a_nameless_message_is_known_for_a_while_and_its_packet_id_comes_round_again() -> None:
    twins = joined()

    def say(seq: int, repeats: bool) -> list[object]:
        return list(twins.handle(Updated(D, "c", NOW, {"t": Edit(reported="1")}, NOW, seq, repeats)))

    say(1, repeats=False)
    assert say(1, repeats=True) == []
    for seq in range(2, 2 * 2048 + 3):
        say(seq, repeats=False)
    assert names(say(1, repeats=True))[-1] == "Revision"


def test_a_twin_has_no_more_properties_than_it_may() -> None:
    twins = joined()
    many: dict[str, Edit | None] = {f"p{n}": Edit(reported="1") for n in range(4097)}
    out = twins.handle(Updated(D, "c", NOW, many, NOW, reply=Reply("e")))
    assert [i.code for i in out if isinstance(i, Refuse)] == [400]


def test_a_device_of_which_nothing_holds_does_not_enrol_itself() -> None:
    twins = Twins(enrols=True)
    bad = Updated("default/d1", "c", NOW, {"t": Edit(reported="x", kind="int")}, NOW, reply=Reply("e"))
    (refusal,) = twins.handle(bad)
    assert isinstance(refusal, Refuse)
    assert refusal.code == 400
    assert twins.get("default/d1") is None


def test_a_device_without_a_proper_name_does_not_enrol_itself() -> None:
    twins = Twins(enrols=True)
    for name in ("default/..", "../b", "default/UPPER", "default/a\nb", "default/" + "x" * 300):
        out = twins.handle(Updated(name, "c", NOW, {"t": Edit(reported="1")}, NOW, reply=Reply("e")))
        assert [i.code for i in out if isinstance(i, Refuse)] == [400]
        assert twins.get(name) is None


def test_the_state_of_a_device_is_a_series_that_no_property_can_have() -> None:
    twins = joined()
    out = twins.handle(Seen(D, "c", NOW, "online", Reply("s"), seq=7))
    assert [(i.name, i.seq) for i in out if isinstance(i, Fact)] == [("$state", 7)]
    assert "state" in revision(update(twins, state=Edit(reported="x"))).changes


def test_a_device_that_left_and_came_back_is_another_one_and_has_taken_nothing() -> None:
    twins = joined()
    update(twins, seq=7, repeats=True, t=Edit(reported="1"))
    twins.handle(Left(D, "c", NOW))
    twins.handle(Joined(D, "c", NOW + 1, {}))
    assert names(update(twins, seq=7, repeats=True, t=Edit(reported="1")))[-1] == "Revision"
    assert names(update(twins, seq=7, repeats=True, t=Edit(reported="1"))) == ["Answer"]


def test_an_unchanged_value_is_unknown_to_the_cloud_again_when_the_heartbeat_is_due() -> None:
    twins = Twins(heartbeat=60)
    twins.handle(Joined(D, "c", NOW, {}))
    update(twins, t=Edit(reported="1"))
    twins.handle(Confirmed(D, "c", NOW, {"t": (1, 0)}))
    for seconds, due in ((59, False), (60, True), (61, True)):
        update(twins, seen=NOW + seconds * 1_000_000, t=Edit(reported="1"))
        assert living(twins, "t").unsynced is due
        reported = living(twins, "t").reported
        assert reported is not None
        assert reported.version.edge == 1
    twins.handle(Confirmed(D, "c", NOW + 61_000_000, {"t": (1, 0)}))
    update(twins, seen=NOW + 70_000_000, t=Edit(reported="1"))
    assert not living(twins, "t").unsynced


def test_without_a_heartbeat_or_a_cloud_an_unchanged_value_stays_as_it_is() -> None:
    for twins in (Twins(), Twins(heartbeat=60)):
        twins.handle(Joined(D, "c", NOW, {}))
        update(twins, t=Edit(reported="1"))
        if not twins._heartbeat:
            twins.handle(Confirmed(D, "c", NOW, {"t": (1, 0)}))
        before = living(twins, "t").synced
        update(twins, seen=NOW + 3_600_000_000, t=Edit(reported="1"))
        assert living(twins, "t").synced == before


def test_who_uses_the_older_topics_hears_documents_and_deltas_there_after_a_restart_too() -> None:
    twins = joined()
    twins.handle(Asked(D, "c", NOW, Reply("a", short=True)))
    body = twins.encoded(D)
    assert body is not None
    again = Twins()
    again.restore({D: body}, [])
    out = update(again, sw=Edit(desired="on"))
    assert [i.short for i in out if isinstance(i, Delta | Revision)] == [True, True]
    assert [i.short for i in again.open_deltas() if isinstance(i, Delta)] == [True]


def test_members_that_the_cloud_does_not_list_leave_and_those_made_here_stay() -> None:
    twins = joined()
    for name in ("a", "b"):
        twins.handle(Admitted(f"default/{name}", "c", NOW))
    out = twins.handle(Enumerated("", "c", NOW, frozenset({"default/a"})))
    assert names(list(out)) == ["Forget", "Membership"]
    assert sorted(twin.device for twin in twins) == ["default/a", D]


def test_a_member_with_a_wish_that_does_not_fit_is_a_member_all_the_same() -> None:
    twins = Twins()
    wish = Wish("abc", Version(0, 1), "int")
    out = list(twins.handle(Admitted(D, "c", NOW, wishes={"k": wish})))
    assert names(out) == ["Persist", "Refuse", "Membership"]
    twin = twins.get(D)
    assert twin is not None
    assert twin.properties == {}


def test_a_person_takes_back_what_was_asked_of_a_number_and_a_device_cannot_ask_for_nothing() -> None:
    twins = joined(speed=Declared("int"))
    update(twins, speed=Edit(desired="30"))
    assert names(update(twins, speed=Edit(desired=""))) == ["Refuse"]
    out = twins.handle(Updated(D, "c", NOW, {"speed": Edit(desired="")}, NOW, origin="edge"))
    assert names(list(out)) == ["Revision"]
    assert not living(twins, "speed").drifts
