"""Asks several nodes at once and makes one answer of theirs; whoever does not answer is told of, and missed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from gateway.nodes import Nodes
from runtime.clock import Clock
from store.sql.service import Sql
from twins.errors import Rejected, Unavailable
from twins.exchange import Encoded, Scalar
from twins.schema import nearest
from web.nodes.door import Asking
from web.nodes.members import Place, fits, members
from web.nodes.peer import NO_ROOM, Answered, Peers
from web.nodes.question import EVERYTHING, Choice, GroupReport, NodeReport

if TYPE_CHECKING:
    from store.sql.split import Part, Split

_CALL = re.compile(r"\bgroup\s*\(", re.IGNORECASE)
_OF_NODE, _OF_WAY = 0.65, 0.8
"""Parts of the deadline in which a node has to have its answer, and in which that has to be here."""
_ROOM = 64 * 1024 * 1024
_LEAST_ROOM = 64 * 1024
_AT_ONCE = 64
"""Nodes that are asked at once; the others wait their turn, within the deadline."""
_MOST_GROUPS = 1_000_000
_SHOWN = 10
_REASON = 300
"""Signs that are kept of what another node gave as its reason."""
_ROWS = frozenset(("rows", "first rows"))


class GroupCounts(Struct):
    """Queries over several nodes, nodes that were asked for them, and how many of these failed."""

    queries: int = 0
    asked: int = 0
    failed: int = 0


class _Told(Struct):
    """What one node said of each part, or why it did not."""

    answers: dict[str, Answered]
    reason: str = ""
    elapsed_us: int = 0


class Groups:
    """Implements `web.nodes.question.Groups`. A node sends `rows` rows at most where it can send no aggregates."""

    def __init__(self, nodes: Nodes, sql: Sql, peers: Peers, clock: Clock, rows: Callable[[], int]) -> None:
        self._nodes = nodes
        self._sql = sql
        self._peers = peers
        self._clock = clock
        self._rows = rows
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.counts = GroupCounts()

    async def encoded(
        self,
        text: str,
        parameters: Sequence[Scalar],
        choice: Choice,
        *,
        form: Literal["json", "csv", "arrow"],
        deadline: float,
        limit: int,
    ) -> tuple[Encoded, GroupReport | None]:
        """The answer, and what became of each node. Raises Rejected; Unavailable when too few answered."""
        started = self._clock.monotonic()
        made = None
        if choice.chooses or _CALL.search(text):
            made = await self._sql.prepared(lambda: _split(text, choice, parameters, self._clock.now()))
        if made is None:
            if EVERYTHING not in choice.rights:
                text = await self._sql.prepared(lambda: _restricted(text, choice))
            return await self._sql.encoded(text, parameters, form=form, deadline=deadline, limit=limit), None
        asked = self._whom(made.parts, choice)
        told = await self._told(asked, choice, deadline)
        report = self._report(made.parts, told)
        self._count(report)
        _check(report, choice)
        streams = {part.name: _streams(part, told) for part in made.parts}
        left = deadline - (self._clock.monotonic() - started)
        answer = await self._sql.merged(
            made.asked, streams, parameters, form=form, deadline=max(0.1, left), limit=limit
        )
        elapsed = int((self._clock.monotonic() - started) * 1e6)
        return Encoded(answer.columns, answer.body, answer.rows, answer.notice, _plan(report), elapsed), report

    def _count(self, report: GroupReport) -> None:
        self.counts.queries += 1
        self.counts.asked += len(report.nodes)
        self.counts.failed += report.failed

    def _whom(self, parts: Sequence[Part], choice: Choice) -> dict[str, tuple[Place, list[Part]]]:
        """Who is asked for which parts, by name."""
        asked: dict[str, tuple[Place, list[Part]]] = {}
        for part in parts:
            for one in self._meant(part.group or choice.group, choice):
                asked.setdefault(one.name, (one, []))[1].append(part)
        return asked

    def _meant(self, group: str, choice: Choice) -> list[Place]:
        places = self._nodes.places
        if group:
            groups = self._nodes.groups
            if group not in groups:
                raise Rejected(f"there is no Group {group[:80]}: {nearest(group, groups)}", 404)
            places = members(groups[group].spec, places)
        found = [one for one in places if fits(one, choice.where, choice.near)]
        if not found:
            raise Rejected("no node that is known here is meant: see gemelo get nodes, gemelo get groups", 404)
        return found

    async def _told(
        self, asked: Mapping[str, tuple[Place, list[Part]]], choice: Choice, deadline: float
    ) -> dict[str, _Told]:
        room = max(_LEAST_ROOM, _ROOM // sum(len(parts) for _, parts in asked.values()))
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(self._node(one, parts, choice, deadline, room), name=f"node-{name}")
                for name, (one, parts) in asked.items()
            }
        return {name: task.result() for name, task in tasks.items()}

    async def _node(self, one: Place, parts: Sequence[Part], choice: Choice, deadline: float, room: int) -> _Told:
        """All parts of one node, or none: never raises for what it does."""
        started = self._clock.monotonic()
        told = _Told({})
        try:
            async with asyncio.timeout(deadline * _OF_WAY), self._turns:
                for part in parts:
                    left = deadline * _OF_NODE - (self._clock.monotonic() - started)
                    most = self._rows() if part.way in _ROWS else _MOST_GROUPS
                    asking = Asking(part.sql, choice.rights, most, max(0.05, left))
                    told.answers[part.name] = await self._part(one, asking, room)
        except TimeoutError:
            told.reason = f"no answer within {deadline * _OF_WAY:g} s"
        except (Rejected, Unavailable) as error:
            told.reason = str(error)[:_REASON]
        told.elapsed_us = int((self._clock.monotonic() - started) * 1e6)
        return told

    async def _part(self, one: Place, asking: Asking, room: int) -> Answered:
        if one.node is not None:
            return await self._peers.ask(one.node, asking, room)
        rights = (asking.rights,)
        answer = await self._nodes.answer(asking.query, rights, deadline=asking.deadline, limit=asking.limit)
        if len(answer.body) > room:
            raise Unavailable(NO_ROOM)
        return Answered(answer.body, answer.rows, answer.notice, self._nodes.newest(rights), answer.plan)

    def _report(self, parts: Sequence[Part], told: Mapping[str, _Told]) -> GroupReport:
        reports = []
        for name, one in told.items():
            if one.reason:
                reports.append(NodeReport(name, False, one.reason, elapsed_us=one.elapsed_us))
                continue
            newest = max((answer.newest for answer in one.answers.values()), default=0) or None
            sent, size = (
                sum(each) for each in zip(*((a.rows, len(a.body)) for a in one.answers.values()), strict=True)
            )
            plan = "; ".join(answer.plan for answer in one.answers.values())
            reports.append(NodeReport(name, True, "", newest, sent, size, one.elapsed_us, plan))
        ways = tuple(f"{part.way} of {part.table}" for part in parts)
        answered = sum(one.answered for one in reports)
        return GroupReport(answered < len(reports), answered, len(reports) - answered, ways, tuple(reports))


def _split(text: str, choice: Choice, parameters: Sequence[Scalar], now: int) -> Split | None:
    """`None` for a query that is for this node alone."""
    from store.sql.guard import guard
    from store.sql.split import named, split

    plain = named(text)
    if plain.groups:
        return split(guard(plain.sql), plain.groups, parameters, now, choice.rights)
    return split(guard(text), None, parameters, now) if choice.chooses else None


def _restricted(text: str, choice: Choice) -> str:
    from store.sql.rights import restricted

    return restricted(text, (choice.rights,))


def _streams(part: Part, told: Mapping[str, _Told]) -> list[bytes]:
    """Raises Rejected where a node had more to send than it may: the answer would be wrong, and nobody would know."""
    found = []
    for name, one in told.items():
        answer = None if one.reason else one.answers.get(part.name)
        if answer is None:
            continue
        if answer.cut:
            reason = (
                f"{name} has more to send than it may ({part.way} of {part.table}: {answer.cut}); ask for less time, "
                "fewer series or coarser buckets, or let nodes aggregate (approx_quantile for quantiles)"
            )
            raise Rejected(reason, 413)
        found.append(answer.body)
    if not found:
        raise Unavailable(f"no node of the group answered for {part.table}")
    return found


def _check(report: GroupReport, choice: Choice) -> None:
    if not report.failed or (report.answered and choice.require == "any"):
        return
    failed = [f"{one.node}: {one.reason}" for one in report.nodes if not one.answered]
    said = "; ".join([*failed[:_SHOWN], *(["…"] if len(failed) > _SHOWN else [])])
    if not report.answered:
        raise Unavailable(f"none of {report.failed} nodes answered: {said}")
    raise Unavailable(f"{report.failed} of {len(report.nodes)} nodes did not answer: {said}")


def _plan(report: GroupReport) -> str:
    return f"{report.answered} of {len(report.nodes)} nodes; {', '.join(report.ways)}"
