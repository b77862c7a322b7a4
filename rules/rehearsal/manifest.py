"""The tests of a rule, as they stand in a file beside it: `overheat.test.yaml` for `overheat.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from rules.manifest.form import Node, Scalar
from twins import schema
from twins.duration import Duration

SUFFIX = ".test"
"""What stands before the ending of a file with tests."""


class Expect(Node, frozen=True):
    """How things stand at this step. What is not named is not looked at.

    Instances are named by their key; the namespace `default` may be left out.
    """

    states: dict[str, str | None] = field(default_factory=dict)
    """The state of instances; null: there is no such instance."""
    actions: tuple[dict[str, dict[str, Any]], ...] | None = None
    """All that was done since actions were last expected, in order; of each only the fields that are named count."""
    chosen: tuple[str, ...] | None = None
    """The names of all events and transitions that were chosen since the step before, in order."""
    timers: dict[str, dict[str, Duration]] = field(default_factory=dict)
    """All timers of instances with the time they still have; a transition's `for` is called `for:` and its name."""
    values: dict[str, dict[str, Scalar | None]] = field(default_factory=dict)
    """Inputs and variables of instances; null: it has no value."""
    rule: str = ""
    """Look at this detector alone, where several have instances of one key."""


class Step(Node, frozen=True):
    """One moment. First time passes, then the gateway restarts if it does, then inputs come, then it is looked at."""

    at: Duration | None = None
    """Since the beginning of the case; without it, at the time of the step before."""
    restart: bool | Duration = False
    """The gateway dies and comes back from its disk: at once, or after a time in which nothing runs."""
    give: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    """What devices report, in order: device, property, value."""
    expect: Expect = Expect()
    """How things stand then."""


class Case(Node, frozen=True):
    """One story, from a clean start."""

    case: Annotated[str, Meta(min_length=1, max_length=200)]
    """What is so, in words."""
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=1000)]
    """What happens, in order of time."""
    start: str = "2026-01-01T00:00:00"
    """When it begins; without an offset, in `zone`."""


class RuleTest(Node, frozen=True):
    """The tests of one rule or of some that work together."""

    cases: Annotated[tuple[Case, ...], Meta(min_length=1, max_length=1000)]
    """What is tried, each from a clean start."""
    kind: Literal["RuleTest"]
    """The kind of file."""
    rules: tuple[str, ...] = ()
    """Files with the detectors, beside this one; without it, the one of the same name."""
    zone: str = "UTC"
    """The time zone of the site, an IANA name."""


def decode(data: object, where: str) -> RuleTest:
    """Raises `Rejected` with the path of the wrong field."""
    return schema.decode(data, RuleTest, where)
