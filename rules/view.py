"""Detectors and their instances as people see them."""

from __future__ import annotations

from copy import copy

from msgspec import Struct

from rules.explain import Counts
from rules.instance import Record
from rules.machine import Machine
from rules.manifest.form import Scalar


class InstanceView(Struct, frozen=True):
    """One instance. `timers` are deadlines by name; times are microseconds UTC."""

    key: str
    state: str
    since: int
    device: str
    values: dict[str, Scalar]
    timers: dict[str, int]


class View(Struct, frozen=True):
    """One detector: how many instances are in each state, and some of them."""

    name: str
    description: str
    initial: str
    states: dict[str, int]
    instances: tuple[InstanceView, ...]
    counts: Counts

    @property
    def evaluations(self) -> int:
        return self.counts.evaluations

    @property
    def decisions(self) -> int:
        return self.counts.decisions

    @property
    def faults(self) -> int:
        return self.counts.faults


def view(machine: Machine, limit: int) -> View:
    """A detector with at most `limit` of its instances, by key."""
    states = dict.fromkeys(machine.states, 0)
    for record in machine.records.values():
        states[record.state] += 1
    spec, story = machine.detector.spec, machine.story
    shown = tuple(_instance(machine.records[key]) for key in sorted(machine.records)[:limit])
    return View(machine.id, spec.description, spec.initial, states, shown, copy(story.counts))


def _instance(record: Record) -> InstanceView:
    return InstanceView(record.key, record.state, record.since, record.device, dict(record.values), dict(record.timers))
