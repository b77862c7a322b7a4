"""The rules as the page shows them: drawn, counted by state, each machine with its last decision."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from msgspec import structs

from gateway.console import reasons
from rules import diagram
from rules.explain import Evaluation
from rules.manifest.detector import Detector
from rules.rules import Rules
from rules.view import InstanceView as Machine
from twins.exchange import Condition
from web.views import DecisionView, InstanceView, RuleView

RECENT = 6
"""Decisions of a rule that the page shows."""


class Rulebook:
    """Views of `rules`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._drawings: dict[str, tuple[Detector, str, str]] = {}

    def views(self, names: Container[str] | None = None) -> Iterator[RuleView]:
        """The rules `names`, all of them for `None`."""
        for view in self._rules.views():
            if names is not None and view.name not in names:
                continue
            svg, mermaid = self._drawing(view.name)
            decisions = [e for e in self._rules.explain(view.name) if e.chosen]
            decided = {e.key: e for e in decisions}
            machines = tuple(_machine(machine, decided.get(machine.key)) for machine in view.instances)
            yield RuleView(
                view.name,
                view.description,
                svg,
                mermaid,
                machines,
                view.states,
                _recent(decisions),
                structs.asdict(view.counts),
                (Condition("Quarantined", view.trouble),) if view.trouble else (),
            )

    def forget(self, name: str) -> None:
        """The rule is gone."""
        self._drawings.pop(name, None)

    def _drawing(self, name: str) -> tuple[str, str]:
        """SVG and Mermaid, made once for each version of a rule: to light what is live in them is the page's work."""
        detector = self._rules.detectors[name]
        known = self._drawings.get(name)
        if known is None or known[0] is not detector:
            known = self._drawings[name] = detector, diagram.svg(detector, styled=False), diagram.mermaid(detector)
        return known[1:]


def _recent(decisions: Sequence[Evaluation]) -> tuple[DecisionView, ...]:
    """The newest first."""
    newest = reversed(decisions[-RECENT:])
    return tuple(DecisionView(e.key, e.at, e.cause, reasons.decision(e), reasons.why((e,))) for e in newest)


def _machine(machine: Machine, last: Evaluation | None) -> InstanceView:
    key, state, since = machine.key, machine.state, machine.since
    if last is None:
        return InstanceView(key, state, since)
    return InstanceView(key, state, since, reasons.decision(last), last.cause, reasons.why((last,)), last.at)
