"""One table of addresses: what the server routes by and what `openapi.json` says."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from web.nodes.question import GroupReport
from web.problems import Handler

Door = Literal["open", "api"]
JSON = "application/json"
YAML = "application/yaml"


class Route(Struct, frozen=True):
    """`door` is `open` for what needs no token. `body` and `answer` are types for the description, `None` for none.

    What is `patient` may take as long as a query in SQL may.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Any = None
    body: Any = None
    takes: tuple[str, ...] = (JSON,)
    gives: str = JSON
    query: tuple[str, ...] = ()
    door: Door = "api"
    described: bool = True
    patient: bool = False


class DesiredBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of a property; values are text, as on KubeEdge's wire."""

    value: str


class DesiredValues(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of several properties, all or none; values are text."""

    values: dict[str, str]


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The key of a one-time link, or the token."""

    key: str


class Accepted(Struct, frozen=True):
    """The change is on disk; `cause` finds it again in events, points and logs."""

    cause: str


class Applied(Struct, frozen=True):
    """A line for each object."""

    applied: list[str]


class Readiness(Struct, frozen=True):
    """Whether input is taken, and each reason why something is not well."""

    ready: bool
    reasons: list[str]


class Liveness(Struct, frozen=True):
    """Whether the process turns."""

    live: bool
    reasons: list[str]


class RowsView(Struct, frozen=True):
    """An answer in rows. `notice` says why it was cut, when it is `truncated`; `plan` from what it was read.

    `group` tells of each node, where several were asked."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    notice: str
    plan: str
    elapsed_us: int
    group: GroupReport | None = None
