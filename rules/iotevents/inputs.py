"""What a person says of a model beside its JSON: where its inputs come from, what one instance is, who is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from rules.iotevents.syntax import Reference
from rules.manifest.form import InputType
from twins.errors import Rejected
from twins.schema import nearest

_TYPES: dict[str, InputType] = {"number": "number", "string": "string", "boolean": "boolean"}


class Source(Struct, frozen=True):
    """Where the values of an input come from. A part that is `None` goes by rule."""

    device: str = "*"
    property: str | None = None
    type: InputType | None = None


class Options(Struct, frozen=True):
    """`sources` by an input's name, or by its name and the path into its message, `Motor.data.pressure`."""

    sources: dict[str, Source] = {}
    key: str = ""
    """Our key, in place of the payload's; empty: `device`, or a constant where the model has none."""
    namespace: str = "default"
    webhook: str = ""
    """URL that is to hand on what went to other services of the cloud; empty: it is not taken."""
    channel: str = ""
    """Channel by which people are told; empty: by an alert."""


def sources(said: Sequence[str]) -> dict[str, Source]:
    """Read `NAME=DEVICE/PROPERTY[:TYPE]`. Raises `Rejected`."""
    found: dict[str, Source] = {}
    for each in said:
        name, mark, place = each.partition("=")
        place, _, word = place.rpartition(":") if place.rpartition(":")[2] in _TYPES else (place, "", "")
        device, slash, name_of_property = place.rpartition("/")
        if not (name and mark and slash and device and name_of_property):
            raise Rejected(
                f"{each!r} is not NAME=DEVICE/PROPERTY, as TempInput=boiler-*/temperature; PROPERTY may be *: as "
                "in the model; :number, :string or :boolean may follow"
            )
        if name in found:
            raise Rejected(f"{name} is given twice")
        found[name] = Source(device, None if name_of_property == "*" else name_of_property, _TYPES.get(word))
    return found


def source(options: Options, reference: Reference) -> Source | None:
    """What was said of the attribute of an input, or of the input; `None` when nothing was."""
    found = options.sources.get(".".join(reference.path))
    return options.sources.get(reference.path[0]) if found is None else found


def check(options: Options, references: Iterable[Reference]) -> None:
    """Raise `Rejected` for a source of an input that no model has, and for one property of several attributes."""
    attributes: dict[str, set[str]] = {}
    for each in references:
        attributes.setdefault(each.path[0], set()).add(".".join(each.path))
    known = {*attributes, *(path for paths in attributes.values() for path in paths)}
    for name, given in options.sources.items():
        if name not in known:
            raise Rejected(f"{name}: no expression uses such an input; {nearest(name, known)}")
        if given.property is not None and len(several := attributes.get(name, set()) - options.sources.keys()) > 1:
            raise Rejected(f"{name} has several attributes, {', '.join(sorted(several))}: say it of each, or end in /*")
