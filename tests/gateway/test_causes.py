from __future__ import annotations

from gateway.causes import Causes


def test_ids_of_each_door_are_counted_for_themselves_and_carry_the_number_of_starts() -> None:
    causes = Causes()
    mqtt, phone = causes.of("mqtt"), causes.of("phone")
    causes.boot = 7  # known only when the journal is open
    assert [mqtt(), mqtt(), phone()] == ["mqtt:7:1", "mqtt:7:2", "phone:7:1"]
