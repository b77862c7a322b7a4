from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from twins.exchange import Verdict
from twins.instructions import Actuate, Conflict, Delta, Instruction, Refuse, Verdicts
from twins.stimuli import Confirmed, Edit, Joined, Requested, Updated
from twins.twin import Twins
from twins.values import PROPERTIES, Declared

PUMP = "default/pump"
DECLARED = {
    "speed": Declared("int", minimum=0, maximum=100),
    "mode": Declared(),
    "flow": Declared("float", writable=False),
}


class Pump:
    """A pump of which things are requested."""

    def __init__(self, declared: dict[str, Declared] | None = None) -> None:
        self.twins = Twins()
        self.now = 0
        self.said: list[Instruction] = []
        self.twins.handle(Joined(PUMP, "c", 1, DECLARED if declared is None else declared))

    def request(self, version: int, whole: bool = False, /, **desired: str | None) -> dict[str, Verdict]:
        self.now += 1
        self.said = self.twins.handle(Requested(PUMP, "c", self.now, desired, version, whole))
        return next(i for i in self.said if isinstance(i, Verdicts)).verdicts

    def outcomes(self, version: int, whole: bool = False, /, **desired: str | None) -> dict[str, str]:
        return {name: verdict.outcome for name, verdict in self.request(version, whole, **desired).items()}

    def turn(self, **desired: str) -> None:
        """Somebody at the edge desires something."""
        self.now += 1
        edits: dict[str, Edit | None] = {name: Edit(desired=value) for name, value in desired.items()}
        self.twins.handle(Updated(PUMP, "c", self.now, edits, self.now, origin="edge"))

    def confirm(self) -> None:
        """The cloud has all that the twin has."""
        twin = self.twins.get(PUMP)
        assert twin is not None
        versions = {
            n: (p.reported.version.edge if p.reported else 0, p.desired.version.edge if p.desired else 0)
            for n, p in twin.properties.items()
        }
        self.twins.handle(Confirmed(PUMP, "c", self.now, versions))

    @property
    def desired(self) -> dict[str, str]:
        twin = self.twins.get(PUMP)
        assert twin is not None
        return {n: p.desired.value for n, p in twin.properties.items() if p.desired and p.desired.value}


def test_what_is_requested_is_desired_and_goes_to_the_device() -> None:
    pump = Pump()
    assert pump.request(1, speed="10") == {"speed": Verdict("accepted", "10")}
    assert pump.desired == {"speed": "10"}
    assert [i.values for i in pump.said if isinstance(i, Actuate)] == [{"speed": "10"}]
    assert len([i for i in pump.said if isinstance(i, Delta)]) == 1


def test_the_same_request_again_changes_nothing_and_is_answered() -> None:
    pump = Pump()
    pump.request(1, speed="10")
    assert pump.request(1, speed="10") == {"speed": Verdict("known")}
    assert not [i for i in pump.said if isinstance(i, Actuate | Delta)]


def test_an_older_request_that_comes_late_is_stale() -> None:
    pump = Pump()
    pump.request(5, speed="50")
    assert pump.request(4, speed="40", mode="eco") == {
        "speed": Verdict("stale", "50", "version 5 was taken already"),
        "mode": Verdict("accepted", "eco"),
    }
    assert pump.desired == {"speed": "50", "mode": "eco"}


def test_a_version_that_brought_another_value_is_refused() -> None:
    pump = Pump()
    pump.request(5, speed="50")
    verdict = pump.request(5, speed="51")["speed"]
    assert (verdict.outcome, verdict.code, pump.desired) == ("refused", 409, {"speed": "50"})
    assert "needs a larger one" in verdict.reason


def test_a_whole_request_clears_what_it_leaves_out_and_holds_against_older_ones() -> None:
    pump = Pump()
    pump.request(1, speed="10", mode="eco")
    assert pump.outcomes(3, True, speed="20") == {"speed": "accepted", "mode": "accepted"}
    assert pump.desired == {"speed": "20"}
    assert pump.outcomes(2, mode="boost") == {"mode": "stale"}
    assert pump.outcomes(3, True, speed="20") == {"speed": "known"}


def test_what_the_edge_desires_alone_survives_a_whole_request() -> None:
    pump = Pump()
    pump.turn(mode="eco")
    pump.request(1, True, speed="10")
    assert pump.desired == {"speed": "10", "mode": "eco"}


def test_each_property_is_refused_for_its_own_reason_and_the_others_are_taken() -> None:
    pump = Pump()
    verdicts = pump.request(1, speed="200", flow="1.0", spede="1", mode="eco")
    assert {name: (v.outcome, v.code) for name, v in verdicts.items()} == {
        "speed": ("refused", 400),
        "flow": ("refused", 403),
        "spede": ("refused", 404),
        "mode": ("accepted", 0),
    }
    assert verdicts["speed"].reason == "the value of speed is above the maximum 100 of its model"
    assert verdicts["spede"].reason.endswith("did you mean speed?")
    assert pump.desired == {"mode": "eco"}


def test_a_refused_request_may_come_again_with_the_same_version() -> None:
    pump = Pump()
    pump.request(1, speed="200")
    assert pump.outcomes(1, speed="20") == {"speed": "accepted"}


def test_a_value_the_cloud_repeats_in_a_newer_request_leaves_the_edges_change() -> None:
    pump = Pump()
    pump.request(1, speed="10")
    pump.turn(speed="30")
    assert pump.request(2, speed="10") == {"speed": Verdict("kept", "30")}
    assert pump.desired == {"speed": "30"}


def test_a_change_on_both_sides_is_the_clouds_and_a_conflict() -> None:
    pump = Pump()
    pump.request(1, speed="10")
    pump.turn(speed="30")
    assert pump.outcomes(2, speed="40") == {"speed": "accepted"}
    assert [(i.edge, i.cloud) for i in pump.said if isinstance(i, Conflict)] == [("30", "40")]
    assert pump.desired == {"speed": "40"}


def test_what_the_cloud_has_confirmed_is_what_both_agreed_on() -> None:
    pump = Pump()
    pump.request(1, speed="10")
    pump.turn(speed="30")
    pump.confirm()
    assert pump.outcomes(2, speed="10") == {"speed": "accepted"}, "it knows of the edge's 30 and asks for 10 again"
    assert not [i for i in pump.said if isinstance(i, Conflict)]
    assert pump.desired == {"speed": "10"}


def test_a_device_that_is_not_there_is_refused() -> None:
    (refusal,) = Pump().twins.handle(Requested("default/nobody", "c", 1, {"a": "1"}, 1))
    assert isinstance(refusal, Refuse)
    assert (refusal.code, refusal.topic) == (404, "")


def test_names_and_properties_have_limits() -> None:
    pump = Pump({})
    assert pump.outcomes(1, **{"": "1", "x" * 129: "1", "a\n": "1"}) == dict.fromkeys(("", "x" * 129, "a\n"), "refused")
    pump.request(1, **{f"p{n}": "1" for n in range(PROPERTIES)})
    verdict = pump.request(2, more="1")["more"]
    assert verdict.reason == f"{PUMP} has {PROPERTIES} properties already, as many as a twin may have"


def test_a_request_of_as_many_names_as_may_be_takes_little_time_good_or_bad() -> None:
    names = [f"property-{n}" for n in range(PROPERTIES)]
    pump = Pump({name: Declared() for name in names})
    for prefix in ("", "no-"):
        began = time.process_time()
        outcomes = pump.outcomes(1, **{f"{prefix}{name}": "1" for name in names})
        assert set(outcomes.values()) == {"refused" if prefix else "accepted"}
        assert time.process_time() - began < 0.5


def test_what_was_taken_is_known_after_a_restart() -> None:
    pump = Pump()
    pump.request(5, True, speed="50")
    body = pump.twins.encoded(PUMP)
    assert body is not None
    pump.twins = Twins()
    pump.twins.restore({PUMP: body}, [])
    assert pump.outcomes(5, True, speed="50") == {"speed": "known"}
    assert pump.outcomes(4, mode="eco") == {"mode": "stale"}


REQUESTS = st.dictionaries(
    st.integers(1, 8),
    st.tuples(st.booleans(), st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "1", "2"]))),
    min_size=1,
)


@given(requests=REQUESTS, order=st.randoms(use_true_random=False))
def test_requests_in_any_order_and_again_end_in_the_same(
    requests: dict[int, tuple[bool, dict[str, str | None]]], order: object
) -> None:
    straight, mixed = Pump({}), Pump({})
    for version in sorted(requests):
        straight.request(version, requests[version][0], **requests[version][1])
    shuffled = [*requests, *requests]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    for version in shuffled:
        mixed.request(version, requests[version][0], **requests[version][1])
    assert mixed.desired == straight.desired
