"""The check of mappings: whether the broker lets the devices of each write what it hears."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import TypeVar

from devices.sparkplug.topic import filters
from devices.telemetry.grants import Grants
from devices.telemetry.homeassistant import Discovery
from devices.telemetry.manifest import Mapping
from gateway.checks.files import documents
from gateway.checks.finding import Finding, Subject, ok, warning
from twins.errors import Rejected
from twins.schema import decode
from twins.topic import Topic, overlap

T = TypeVar("T")


def mappings(subject: Subject) -> Iterable[Finding]:
    """Mappings among the manifests that give no device a right, at a broker of our own that keeps rights."""
    section = subject.config.broker
    if section.url or section.anonymous:
        return
    found = list(_of(subject, Mapping))
    grants = Grants(found, _reserved(subject))
    given = _given(section.rights_file)
    for mapping in found:
        fault, filter_ = grants.faults.get(mapping.id), Topic(mapping.spec.topic).filter
        if fault is None:
            yield ok("mapping", f"{mapping.id}: each of its devices may write its own topics")
        elif any(overlap(filter_, each) for each in given):
            yield ok("mapping", f"{mapping.id}: {section.rights_file} says who may write there")
        else:
            rights = section.rights_file or subject.file.parent / "rights"
            line = f"user NAME\\ntopic write {filter_}\\n"
            named = "" if section.rights_file else "; name the file in [broker] rights_file"
            message = f"{mapping.id}: {fault}: nobody is let write {filter_}{named}"
            yield warning("mapping", message, f"printf {quote(line)} >> {quote(str(rights))}")


def _of(subject: Subject, shape: type[T]) -> Iterator[T]:
    for path in subject.config.manifests.paths:
        for file, document in documents(path) if path.exists() else ():
            if isinstance(document, dict) and document.get("kind") == shape.__name__:
                try:
                    yield decode(document, shape, str(file))
                except Rejected:
                    continue  # told by who applies it


def _reserved(subject: Subject) -> frozenset[str]:
    """Topics that tell of devices."""
    found = {each for discovery in _of(subject, Discovery) for each in discovery.filters}
    return frozenset(found | filters(("+",)))


def _given(rights: Path | None) -> list[str]:
    """Filters that some user may write by a file of rights."""
    try:
        lines = [] if rights is None else rights.read_text("utf-8").splitlines()
    except OSError:
        return []  # told by the check of files
    words = [line.split(maxsplit=2) for line in lines]
    return [w[2] for w in words if len(w) == 3 and w[0] in {"topic", "pattern"} and w[1] in {"write", "readwrite"}]
