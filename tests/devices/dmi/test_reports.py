from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.dmi import reports
from devices.dmi.wire import dmi_pb2 as pb
from tests.devices.dmi.mapper import twin
from twins.errors import Rejected
from twins.stimuli import Refused, Updated
from twins.twin import Twins

NAMES = st.text(max_size=8)


def request(*twins: pb.Twin, name: str = "d1", namespace: str = "") -> pb.ReportDeviceStatusRequest:
    return pb.ReportDeviceStatusRequest(
        deviceName=name, deviceNamespace=namespace, reportedDevice=pb.DeviceStatus(twins=twins)
    )


def test_a_report_whose_values_have_times_of_their_own_is_known_when_it_comes_again() -> None:
    one, two = (
        reports.updates(request(twin("a", "1", timestamp="5")), cause, 9, strict=False)[0] for cause in ("c1", "c2")
    )
    assert isinstance(one, Updated)
    assert isinstance(two, Updated)
    assert (one.named, one.repeats, one.seq) == (True, True, two.seq)
    (bare,) = reports.updates(request(twin("a", "1")), "c", 9, strict=False)
    assert isinstance(bare, Updated)
    assert not bare.repeats


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "1e3", "9" * 40])
def test_a_time_that_is_none_is_no_time(stamp: str) -> None:
    (update,) = reports.updates(request(twin("a", "1", timestamp=stamp)), "c", 9, strict=False)
    assert isinstance(update, Updated)
    edit = update.edits["a"]
    assert edit is not None
    assert edit.at is None


def test_one_property_twice_is_refused() -> None:
    with pytest.raises(Rejected, match="there twice"):
        reports.updates(request(twin("a", "1"), twin("a", "2")), "c", 9, strict=False)


@pytest.mark.parametrize("strict", [False, True])
def test_more_than_a_twin_may_have_is_refused_before_any_is_looked_at(strict: bool) -> None:
    with pytest.raises(Rejected, match="5000 twins, more than the 4096"):
        reports.updates(request(*[pb.Twin(propertyName="a")] * 5000), "c", 9, strict=strict)


def test_strict_refuses_on_mqtt_what_edgecore_refuses_there() -> None:
    made = reports.updates(request(twin("a b", "1"), twin("a", "x y"), twin("a", "1")), "c", 9, strict=True)
    assert [type(each) for each in made] == [Refused, Refused, Updated]


@pytest.mark.parametrize(
    ("namespace", "name"), [("", ""), ("a/b", "d"), ("", "a+"), ("#", "d"), ("", "a\0"), ("", "x" * 300)]
)
def test_a_name_that_would_not_fit_into_a_topic_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(Rejected, match="no name of a device"):
        reports.updates(request(twin("a", "1"), name=name, namespace=namespace), "c", 9, strict=False)


@given(
    strict=st.booleans(),
    twins=st.lists(st.builds(twin, NAMES, NAMES, NAMES, type=NAMES, timestamp=NAMES), min_size=1, max_size=4),
)
def test_whatever_a_mapper_reports_is_taken_or_refused(strict: bool, twins: list[pb.Twin]) -> None:
    state = Twins(strict=strict, enrols=True)
    try:
        stimuli = reports.updates(request(*twins), "c", 1_795_255_200_000_000, strict=strict)
    except Rejected:
        return
    for stimulus in stimuli:
        state.handle(stimulus)
