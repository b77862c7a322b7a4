"""Which rows are still to go: sources less what the ledger says is up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from store.uploads.manifest import Kind

ALWAYS = (-(1 << 62), 1 << 62)
"""The span of all times."""
DAY = 86_400_000_000
"""Microseconds."""
Span = tuple[int, int]
"""Microseconds, both ends within."""


class Source(Struct, frozen=True):
    """A file that rows come from: a segment, a rest of one, or a picture; its least and greatest time."""

    name: str
    kind: Kind
    path: Path
    first: int
    last: int
    rows: int
    bytes: int
    digest: str = ""


class Part(Struct, frozen=True):
    """What the ledger knows of one span of one source. `token` is part of its objects' names from the first try on."""

    source: str
    since: int
    until: int
    token: str
    done: bool


class Job(Struct, frozen=True):
    """Rows that go next."""

    source: Source
    span: Span
    token: str
    begun: bool


def jobs(sources: Iterable[Source], parts: Mapping[str, Sequence[Part]], span: Span, plan: str) -> list[Job]:
    """What of the sources is to go within `span`, what was begun first; then by time."""
    found = []
    for source in sources:
        known = parts.get(source.name, ())
        begun = [part for part in known if not part.done]
        found += [Job(source, (part.since, part.until), part.token, begun=True) for part in begun]
        wanted = max(span[0], source.first), min(span[1], source.last)
        for free in less(wanted, [(part.since, part.until) for part in known]):
            whole = free == (source.first, source.last)
            found.append(Job(source, free, token(source, ALWAYS if whole else free, plan), begun=False))
    return sorted(found, key=lambda job: (not job.begun, job.span, job.source.name))


def less(span: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    left = [span] if span[0] <= span[1] else []
    for first, last in taken:
        cut = []
        for since, until in left:
            if last < since or until < first:
                cut.append((since, until))
                continue
            cut += [(since, first - 1)] if since < first else []
            cut += [(last + 1, until)] if last < until else []
        left = cut
    return left


def together(spans: Iterable[Span]) -> list[Span]:
    """The same times in spans that do not touch, in order."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found


def shared(one: Span, other: Span) -> Span | None:
    """What two spans have in common."""
    since, until = max(one[0], other[0]), min(one[1], other[1])
    return (since, until) if since <= until else None


def token(source: Source, span: Span, plan: str) -> str:
    """16 hex digits that tell these rows in this form from all others: of the file's digest, the span and the plan."""
    return sha256(f"{source.digest}|{span[0]}|{span[1]}|{plan}".encode()).hexdigest()[:16]
