"""Whose topics are whose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry.grants import DISCOVERED, Grants, Topics
from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from twins.errors import Rejected
from twins.schema import decode
from twins.topic import Topic, overlap


def mapping(topic: str, device: str | None = None, *, name: str = "m", **more: Any) -> Mapping:
    namespace, labels = more.pop("namespace", "plant"), more.pop("labels", {})
    spec = {"topic": topic, **({} if device is None else {"device": device}), **more}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    whole = {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Mapping", "metadata": metadata, "spec": spec}
    return decode(whole, Mapping, "test")


@pytest.mark.parametrize(
    ("topic", "device", "user", "right"),
    [
        ("meters/{device}/state", None, "plant/pump-1", "meters/pump-1/state"),
        ("meters/{device}/state", None, "default/pump-1", ""),
        ("meters/{namespace}/{device}", None, "hall/pump-1", "meters/hall/pump-1"),
        ("meters/{device}/relay/{channel}", None, "plant/a", "meters/a/relay/+"),
        ("meters/+/{device}/#", None, "plant/a", "meters/+/a/#"),
        ("meters/{place}/{n}", "x/{place}.{n}", "x/a.b", "meters/a/b"),
        ("meters/{n}", "Meter-{n}", "plant/meter-7", "meters/7"),
        ("meters/{n}", "Meter-{n}", "plant/7", ""),
        ("old/pump/data", "pump-1", "plant/pump-1", "old/pump/data"),
        ("old/pump/data", "pump-1", "plant/pump-2", ""),
        ("meters/{device}/{device2}", "{device}", "plant/a", "meters/a/+"),
        ("meters/{device}", None, f"plant/{'a' * 64}", ""),  # such a word names a shorter device
        ("meters/{device}", None, "plant/a/b", ""),
        ("meters/{device}", None, "plant/+", ""),
    ],
)
def test_a_device_gets_the_topics_of_a_mapping_that_are_its_own(topic: str, device: str, user: str, right: str) -> None:
    grants = Grants([mapping(topic, device)])
    assert grants.of(user) == Topics((right,) if right else ())
    assert grants.faults == {}


def test_it_may_read_where_it_is_asked_something_if_that_names_it() -> None:
    def asked(topic: str) -> tuple[str, ...]:
        command = {"name": "lit", "command": {"topic": topic}}
        return Grants([mapping("lamps/{device}/{n}/state", properties=[command])]).of("plant/desk").reads

    assert asked("lamps/{device}/{n}/set") == ("lamps/desk/+/set",)
    assert asked("lamps/all/set") == ()


def test_a_message_that_names_its_device_gives_nobody_a_right() -> None:
    grants = Grants([mapping("telegraf/#", "{host}", format="line")])
    assert grants.of("plant/edge-7") == Topics()
    assert "named in the message" in grants.faults["plant/m"]


def test_topics_that_another_mapping_hears_for_another_device_are_nobodys() -> None:
    one, log = mapping("meters/{device}/state"), mapping("meters/#", "log", name="log")
    same = mapping("meters/{device}/#", name="same")
    grants = Grants([one, log, mapping("other/{device}", name="other")])
    assert grants.of("plant/a") == Topics(("other/a",))
    assert "mapping plant/log hears some of its topics for another device" in grants.faults["plant/m"]
    assert Grants([one, same]).of("plant/a") == Topics(("meters/a/state", "meters/a/#"))
    swapped = mapping("meters/{place}/{device}", name="swapped")
    assert set(Grants([one, swapped]).faults) == {"plant/m", "plant/swapped"}
    elsewhere = mapping("meters/{device}/state", name="m2", namespace="hall")
    assert set(Grants([one, elsewhere]).faults) == {"plant/m", "hall/m2"}


def test_topics_that_tell_of_devices_and_discovered_mappings_give_nobody_a_right() -> None:
    assert "Discovery" in Grants([mapping("ha/{device}/#")], ["ha/+/+/config"]).faults["plant/m"]
    discovered = Grants([mapping("z/Plug", "plug", labels={DISCOVERED: "homeassistant"})])
    assert (discovered.of("plant/plug"), discovered.faults) == (Topics(), {})


WORDS = st.sampled_from(["a", "b", "a.b", "a-b", "{device}", "{namespace}", "{x}", "+"])
TOPICS = st.lists(WORDS, min_size=1, max_size=4).map(lambda words: "/".join(["m", *words]))
DEVICES = st.sampled_from([None, "a", "{x}", "{device}", "{x}-{device}", "{namespace}/{x}", "b/{device}.b"])


@given(st.lists(st.tuples(TOPICS, DEVICES), min_size=1, max_size=4), st.sampled_from(["a", "b", "x", "a-b"]))
def test_whatever_is_granted_no_mapping_takes_it_for_another_device(
    told: list[tuple[str, str | None]], word: str
) -> None:
    all_ = []
    for n, (topic, device) in enumerate(told):
        try:
            all_.append(mapping(topic, device, name=f"m{n}", rest="keep"))
        except Rejected:
            continue
    mappings = Mappings()
    for each in all_:
        mappings.apply(each.id, each)
    for device in ("plant/a", "plant/b", "a/a", "a/b", "b/a", "plant/a-b", "plant/a.b", "b/a.b"):
        for granted in mappings.granted(device).writes:
            assert any(overlap(granted, Topic(each.spec.topic).filter) for each in all_)
            topic = granted.replace("+", word)
            assert {u.device for u in mappings.read(topic, b'{"t": 1}', "c", 1)} == {device}, granted
