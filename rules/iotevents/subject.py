"""What a rule is about: its name, its inputs, its key; the same for detector models and alarm models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.iotevents import inputs as said
from rules.iotevents.inputs import Options
from rules.iotevents.kinds import Kinds
from rules.iotevents.naming import label
from rules.iotevents.report import Report
from rules.iotevents.symbols import Symbols
from rules.iotevents.syntax import Call, Reference, Text
from rules.iotevents.uses import Use, nodes, read, references
from twins.errors import Rejected


def metadata(name: str, options: Options) -> dict[str, str]:
    """The manifest's metadata for a model of this name."""
    found = {"name": label(name)}
    return found if options.namespace == "default" else found | {"namespace": options.namespace}


def symbols(uses: Sequence[Use], key: str | None, name: str, options: Options, report: Report) -> Symbols:
    """The names of all that the expressions use. Raises `Rejected` for options that fit no input."""
    path = _path(key) if key else ()
    ours = options.key or ("device" if path else label(name))
    if path:
        _tell_key(str(key), ours, options, report)
    else:
        report.taken("key", name, "one instance for all")
    found = Symbols(options, Kinds(), path, ours)
    used = [each for use in uses for each in _all(use)]
    used += [each for each in _bare(uses, options) if each not in used]
    said.check(options, [each for each in used if each.kind == "input"])
    found.declare(used)
    assigned = [(use.variable, use.node) for use in uses if use.variable is not None]
    found.kinds.learn([(use.node, use.wanted) for use in uses], assigned)
    found.add(used)
    for each in (node for use in uses for node in nodes(use.node)):
        match each:
            case Call("isNull" | "isUndefined", (Reference("variable") as variable,)):
                found.track(variable)
    return found


def inputs(symbols: Symbols, report: Report) -> dict[str, dict[str, str]]:
    """The manifest's inputs; what was assumed of them is told."""
    found = symbols.sources()
    several: dict[str, list[str]] = {}
    for name, each in found.items():
        reference = symbols.inputs[name]
        several.setdefault(reference.path[0], []).append(name)
        where = f"the property {each['property']} of {each.get('device', 'any device')}, a {each.get('type', 'number')}"
        if said.source(symbols.options, reference) is None:
            attribute = ".".join(reference.path)
            how = f"{name} is {where}: assumed, --input {attribute}=DEVICE/PROPERTY says it"
            report.differs(str(reference), reference.path[0], how)
        else:
            report.taken(str(reference), reference.path[0], f"{name} is {where}")
    for name, ours in several.items():
        if len(ours) > 1:
            how = f"{', '.join(ours)} are evaluated one by one, as properties come; IoT Events had them in one message"
            report.differs(f"$input.{name}", name, how)
    return found


def _tell_key(key: str, ours: str, options: Options, report: Report) -> None:
    if options.key:
        report.taken("key", key, f"what is equal in {ours} has one instance")
    else:
        how = f"each device has its own instance, whatever {key} it sends: assumed, --key says what belongs together"
        report.differs("key", key, how)


def _path(key: str) -> tuple[str, ...]:
    found = read(f"$input.payload.{key}", "key")
    if not isinstance(found, Reference):
        raise Rejected(f"key: {key!r} is no path in a message")
    return found.path[1:]


def _all(use: Use) -> Iterator[Reference]:
    yield from references(use.node)
    if use.variable is not None:
        yield use.variable


def _bare(uses: Sequence[Use], options: Options) -> Iterator[Reference]:
    """Inputs that `currentInput` alone asks for, whose property was said."""
    for use in uses:
        for node in nodes(use.node):
            match node:
                case Call("currentInput", (Text() as text,)) if text.plain in options.sources:
                    given = options.sources[text.plain]
                    named = any(each.path[0] == text.plain for other in uses for each in references(other.node))
                    if given.property is not None and not named:
                        yield Reference("input", (text.plain, given.property))
