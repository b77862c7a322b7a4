"""Detectors and their instances as people see them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from msgspec import Struct

from rules.explain import Counts
from rules.instance import Record
from rules.manifest.form import Scalar

if TYPE_CHECKING:
    from rules.machine import Machine


class InstanceView(Struct, frozen=True):
    """One instance. `timers` are deadlines by name; times are microseconds UTC."""

    key: str
    state: str
    since: int
    device: str
    values: dict[str, Scalar]
    timers: dict[str, int]


class View(Struct, frozen=True):
    """One detector: how many instances are in each state, and some of them; `trouble` says why it is in quarantine."""

    name: str
    description: str
    initial: str
    states: dict[str, int]
    instances: tuple[InstanceView, ...]
    counts: Counts
    trouble: str = ""

    @property
    def evaluations(self) -> int:
        return self.counts.evaluations

    @property
    def decisions(self) -> int:
        return self.counts.decisions

    @property
    def faults(self) -> int:
        return self.counts.faults


def view(machine: Machine, limit: int, ahead: int = 0) -> View:
    """A detector with at most `limit` of its instances, by key. The wall clock is `ahead` of the timers' time."""
    states = dict.fromkeys(machine.states, 0)
    for record in machine.records.values():
        states[record.state] += 1
    spec, story = machine.detector.spec, machine.story
    shown = tuple(instance(machine.records[key], ahead) for key in sorted(machine.records)[:limit])
    trouble = machine.quarantine.reason
    return View(machine.id, spec.description, spec.initial, states, shown, copy(story.counts), trouble)


def instance(record: Record, ahead: int) -> InstanceView:
    """One instance as it is now; its timers are `ahead` microseconds later by the wall clock than by the steady one."""
    timers = {name: due + ahead for name, due in record.timers.items()}
    return InstanceView(record.key, record.state, record.since, record.device, dict(record.values), timers)
