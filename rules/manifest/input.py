"""What a rule sees."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, structs

from rules.manifest.form import InputType, Label, Node
from twins.bound import LONGEST_TEXT

Word = Annotated[str, Meta(min_length=1, max_length=253)]
Place = Annotated[str, Meta(min_length=1, max_length=253)]

SOURCES = ("property", "query", "detector", "webhook", "topic")
"""Fields of which exactly one is given; a query may have a property beside it."""


class Input(Node, frozen=True):
    """Facts that the rule sees under one name.

    Exactly one of `property`, `query`, `detector`, `webhook` and `topic` is given, but a query that has windows of
    each series needs the `property` too. A detector's state is a text, whatever `type` says.
    """

    property: Word | None = None
    """Name of a property, of a series that a pipeline makes, or `$state` for the device's state."""
    device: Word = "*"
    """Which devices: `namespace/name`, or `name` in the rule's namespace; `*` and `?` stand for any characters."""
    type: InputType = "number"
    """How values read; those that do not are left out."""
    of: Literal["reported", "desired"] = "reported"
    """Which side of the property."""
    query: Label | None = None
    """A continuous query whose results these are, beside the device or the `property` that it looks at."""
    result: Word | None = None
    """Which of its results: `mean`, `p95`; of an alignment none."""
    detector: Word | None = None
    """A detector whose state this is, in the instance of the same key: `name`, or `namespace/name`."""
    webhook: Label | None = None
    """What others post to as `/api/v1/inputs/NAME`: a JSON object."""
    topic: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    """Topics of messages, as `plant/{device}/state`; `+`, `#` and `{name}` as in a `Mapping`."""
    value: Place | None = None
    """Where in the JSON of a webhook or message the value is: `a.b[0]`, without `*`. Absent: a message is the value."""
    longest: Annotated[int, Meta(ge=1, le=LONGEST_TEXT)] = LONGEST_TEXT
    """Characters that a text may have; a longer one is left out."""

    def __post_init__(self) -> None:
        if self.detector is not None:
            structs.force_setattr(self, "type", "string")

    def given(self) -> tuple[str, ...]:
        """Which of `SOURCES` are given."""
        return tuple(name for name in SOURCES if getattr(self, name) is not None)

    def series(self) -> str:
        """The name of the facts of a property or a query, as the series of points is called."""
        return ".".join(filter(None, (self.property, self.query, self.result)))

    def title(self) -> str:
        """What it is, in explanations: the series, or the kind and the name of what else it is."""
        if self.series():
            return self.series() if self.of == "reported" else f"{self.of}:{self.series()}"
        (kind,) = self.given()
        return ":".join(filter(None, (kind, getattr(self, kind), self.value)))
