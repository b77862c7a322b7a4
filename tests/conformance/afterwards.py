"""What must be so after a case, and what else may happen in one."""

from __future__ import annotations

from typing import Literal

from tests.conformance.stage import HEARTBEAT, Stage
from tests.conformance.words import Check
from twins.stimuli import Seen
from twins.values import Property, Version


def the(stage: Stage, device: str, name: str) -> Property:
    found = stage.twins.get(device)
    assert found is not None
    return found.properties[name]


def version_of(side_: Literal["reported", "desired"], name: str, edge: int, cloud: int = 0) -> Check:
    def check(stage: Stage, device: str) -> None:
        value = getattr(the(stage, device, name), side_)
        assert value is not None
        assert value.version == Version(edge, cloud)

    return check


def version_by_mode(name: str, strict: int, default: int) -> Check:
    def check(stage: Stage, device: str) -> None:
        version_of("reported", name, strict if stage.strict else default)(stage, device)

    return check


def point_times(*ago: int | None) -> Check:
    """The points of the device's `temp`: so many seconds before the case began, `None` when it arrived."""

    def check(stage: Stage, device: str) -> None:
        began, now = stage.began, stage.clock.now()
        times = [p.at for p in stage.points if p.series == f"{device}/temp"]
        assert len(times) == len(ago)
        for at, seconds in zip(times, ago, strict=True):
            if seconds is None:
                assert began <= at <= now
            else:
                assert at == (began // 1000 - seconds * 1000) * 1000

    return check


def intrusion_told(stage: Stage, device: str) -> None:
    told = [event for event in stage.events if event.object == device and event.kind == "security"]
    assert len(told) == (0 if stage.strict else 1)


def no_device(name: str) -> Check:
    return lambda stage, device: _absent(stage, device.replace(device.partition("/")[2], name))


def _absent(stage: Stage, device: str) -> None:
    assert stage.twins.get(device) is None


def hours_pass(stage: Stage, device: str) -> None:
    stage.clock.pass_over(3 * 3600)


def heartbeat_passes(stage: Stage, device: str) -> None:
    stage.clock.pass_over(HEARTBEAT + 1)


def watchdog_speaks(stage: Stage, device: str) -> None:
    """What liveness offers in default mode; EdgeCore has no such thing."""
    if not stage.strict:
        stage.ask(Seen(device, "watchdog:1:1", stage.clock.now(), "unknown", reason="silent for 3 h"))


def starts_anew(stage: Stage, device: str) -> None:
    stage.restart()


def disk_fails_for_a_while(stage: Stage, device: str) -> None:
    """While the database takes nothing the update is decided, and nobody hears of it."""
    topic = f"$hw/events/device/{device}/twin/update"
    stage.heard()
    with stage.disk_away():
        stage.say(topic, {"event_id": "e", "twin": {"temp": {"actual": {"value": "22"}}}})
        stage.decided(device, "temp", "22")
        assert stage.undisturbed() == []
