"""How each kind looks in a table: where its views come from, and one row of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

View = dict[str, Any]
VALUES = 4
"""Values that a narrow row shows."""


class Listing(Struct, frozen=True):
    """`source` names the views, in the API and, if `live`, in the live stream alike; without one a row is made of the
    manifest.
    """

    columns: tuple[str, ...]
    row: Callable[[View], tuple[Any, ...]]
    wide_columns: tuple[str, ...]
    wide: Callable[[View], tuple[Any, ...]]
    source: str = ""
    live: bool = True


def listing(kind: str) -> Listing:
    """The listing of a kind; of one that has none of its own, name and labels."""
    return _LISTINGS.get(kind, _PLAIN)


def name_of(view: View) -> str:
    """`namespace/name` of a view or of a manifest."""
    if "metadata" in view:
        return f"{view['metadata'].get('namespace', 'default')}/{view['metadata']['name']}"
    return str(view.get("id") or view["name"])


def ago(at: int) -> str:
    """A time in microseconds as `12 s ago`."""
    if not at:
        return "never"
    seconds = max(0, int((datetime.now(UTC).timestamp() * 1e6 - at) / 1e6))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _device(d: View) -> tuple[Any, ...]:
    values = _values(d)
    shown = values[:VALUES] + (["…"] if len(values) > VALUES else [])
    return d["id"], d["model"], _state(d), ago(d["seen"]), "  ".join(shown)


def _device_wide(d: View) -> tuple[Any, ...]:
    drifts = sum(p["drifts"] for p in d["properties"])
    why = "; ".join([d["reason"]] * bool(d["reason"]) + [c["reason"] for c in d["conditions"]])
    return d["id"], d["model"], d["state"], ago(d["seen"]), d["description"], why, drifts, "  ".join(_values(d))


def _state(d: View) -> str:
    """The state, with the first thing that is wrong."""
    wrong = [c["reason"] for c in d["conditions"]][:1]
    return ", ".join([d["state"]] * bool(d["state"]) + wrong)


def _values(d: View) -> list[str]:
    return [_value(p) for p in d["properties"] if p["reported"] is not None or p["desired"] is not None]


def _value(p: View) -> str:
    wanted = f" (want {p['desired']})" if p["drifts"] else ""
    unit = f" {p['unit']}" if p["unit"] else ""
    return f"{p['name']}={p['reported'] if p['reported'] is not None else '?'}{unit}{wanted}"


def _model(m: View) -> tuple[Any, ...]:
    spec = m.get("spec") or {}
    return name_of(m), spec.get("protocol", ""), len(spec.get("properties", ()))


def _model_wide(m: View) -> tuple[Any, ...]:
    said = [f"{p['name']}:{p.get('type', 'STRING')}" for p in (m.get("spec") or {}).get("properties", ())]
    return *_model(m), "  ".join(said)


def _camera(c: View) -> tuple[Any, ...]:
    return c["id"], c["state"], f"{c['fps']:.1f}", c["reason"]


def _camera_wide(c: View) -> tuple[Any, ...]:
    return *_camera(c), c["skipped"], f"{c['width']}x{c['height']}", f"{c['infer_ms']:.1f}"


def _rule(r: View) -> tuple[Any, ...]:
    states = "  ".join(f"{state}={count}" for state, count in r["states"].items())
    return r["name"], states, ", ".join(c["reason"] for c in r["conditions"]), r["description"]


def _rule_wide(r: View) -> tuple[Any, ...]:
    name, states, conditions, description = _rule(r)
    counts = r["counts"]
    faults = ", ".join(f"{counts[each]} {each}" for each in ("missing", "mistyped", "failed") if counts[each])
    reason = "; ".join(c["message"] for c in r["conditions"])
    return name, states, conditions, counts["evaluations"], counts["decisions"], faults, description, reason


def _query(q: View) -> tuple[Any, ...]:
    spec = q["spec"]
    what = spec.get("window") or {"align": spec["align"].get("method", "last") + " " + str(spec["align"]["every"])}
    looks = "  ".join(str(next(each[k] for k in ("property", "query") if k in each)) for each in spec["from"])
    told = " ".join(f"{kind} {_size(size)}" for kind, size in what.items())
    return name_of(q), looks, told, " ".join(spec.get("aggregates", ())), *_counts(q, "keys", "results", "late")


def _query_wide(q: View) -> tuple[Any, ...]:
    counts = _counts(q, "taken", "filtered", "unusable", "repeats", "corrections")
    return *_query(q), *counts, q["spec"].get("description", "")


def _counts(view: View, *names: str) -> tuple[Any, ...]:
    status = view.get("status") or {}
    return tuple(status.get(name, "") for name in names)


def _size(size: Any) -> str:
    if not isinstance(size, dict):
        return str(size)
    return " every ".join(str(size[name]) for name in ("size", "every") if name in size)


def _pipeline(p: View) -> tuple[Any, ...]:
    spec = p["spec"]
    looks = "  ".join(each["property"] for each in spec["from"])
    steps = ", ".join(next(iter(step)) for step in spec["steps"])
    return name_of(p), looks, steps, spec.get("to", ""), *_counts(p, "offered", "kept", "changed", "dropped", "held")


def _pipeline_wide(p: View) -> tuple[Any, ...]:
    return *_pipeline(p), p["spec"].get("description", "")


def _upload(u: View) -> tuple[Any, ...]:
    pending = f"{u['pending_rows']} rows" if u["pending_rows"] else ""
    return u["id"], u["policy"], u["state"], u["rows"], ago(u["last"]), pending, u["reason"]


def _upload_wide(u: View) -> tuple[Any, ...]:
    lag = f"{u['lag']:.0f} s" if u["pending_rows"] else ""
    return *_upload(u), lag, u["objects"], u["bytes"], u["missed"], u["blocked"], u["failures"]


def _node(m: View) -> tuple[Any, ...]:
    spec = m["spec"]
    return m["metadata"]["name"], spec.get("site", ""), spec.get("url", ""), spec["fingerprint"][:19]


def _node_wide(m: View) -> tuple[Any, ...]:
    rights = (m["spec"].get("rights") or {}).values()
    labels = m["metadata"].get("labels") or {}
    said = ",".join(f"{key}={value}" for key, value in labels.items())
    return *_node(m), said, ", ".join(word for words in rights for word in words)


def _learning(v: View) -> tuple[Any, ...]:
    return v["id"], v["state"], v["series"], ago(v["last"]), v["reason"]


def _learning_wide(v: View) -> tuple[Any, ...]:
    return *_learning(v), v["little"], f"{v['took']:.1f}", v["failures"]


def _tuning(v: View) -> tuple[Any, ...]:
    means = ("" if v[name] is None else f"{v[name]:.4g}" for name in ("before", "after"))
    return v["id"], v["mode"], v["state"], f"{v['used']}/{v['budget']}", *means, v["reason"]


def _group(m: View) -> tuple[Any, ...]:
    spec = m["spec"]
    labels = ",".join(f"{key}={value}" for key, value in (spec.get("labels") or {}).items())
    circle = spec.get("within")
    near = f"{circle['km']:g} km of {circle['latitude']:g}, {circle['longitude']:g}" if circle else ""
    return m["metadata"]["name"], ", ".join(spec.get("nodes") or ()), labels, near


def _alarm(m: View) -> tuple[Any, ...]:
    spec, c = m["spec"], m["spec"]["condition"]
    said = c.get("when") or f"{c['input']} {c.get('operator', '>')} {c['threshold']}"
    return name_of(m), said, spec.get("for", ""), spec.get("severity", "alert"), spec.get("description", "")


def _plain(m: View) -> tuple[Any, ...]:
    return name_of(m), m["kind"]


def _plain_wide(m: View) -> tuple[Any, ...]:
    labels = m["metadata"].get("labels") or {}
    return *_plain(m), ",".join(f"{key}={value}" for key, value in labels.items())


_DEVICES = ("name", "model", "state", "last seen")
_UPLOADS = ("name", "policy", "state", "rows", "last sent", "to go", "reason")
_LEARNING = ("name", "state", "series", "learned", "reason")
_LEARNING_MORE = ("too few", "took s", "failures")
_TUNINGS = ("name", "mode", "state", "trials", "before", "after", "reason")
_CAMERAS = ("name", "state", "fps", "reason")
_QUERIES = ("name", "from", "window", "aggregates", "keys", "results", "late")
_ALL_QUERIES = (*_QUERIES, "taken", "filtered", "unusable", "repeats", "corrections", "description")
_PIPELINES = ("name", "from", "steps", "to", "offered", "kept", "changed", "dropped", "held")
_ALARMS = ("name", "condition", "for", "severity", "description")
_RULES = ("name", "states", "conditions", "description")
_LISTINGS = {
    "Device": Listing(
        (*_DEVICES, "values"), _device,
        (*_DEVICES, "description", "reason", "drifts", "values"), _device_wide, "devices",
    ),
    "DeviceModel": Listing(
        ("name", "protocol", "properties"), _model, ("name", "protocol", "properties", "types"), _model_wide
    ),
    "Camera": Listing(_CAMERAS, _camera, (*_CAMERAS, "skipped", "size", "infer ms"), _camera_wide, "cameras"),
    "Query": Listing(_QUERIES, _query, _ALL_QUERIES, _query_wide),
    "Pipeline": Listing(_PIPELINES, _pipeline, (*_PIPELINES, "description"), _pipeline_wide),
    "Upload": Listing(
        _UPLOADS, _upload,
        (*_UPLOADS, "lag", "objects", "bytes", "missed", "blocked", "failures"), _upload_wide, "uploads", live=False,
    ),
    "Baseline": Listing(
        _LEARNING, _learning, (*_LEARNING, *_LEARNING_MORE), _learning_wide, "learning?kind=baseline", live=False,
    ),
    "Forecast": Listing(
        _LEARNING, _learning, (*_LEARNING, *_LEARNING_MORE), _learning_wide, "learning?kind=forecast", live=False,
    ),
    "Tuning": Listing(_TUNINGS, _tuning, _TUNINGS, _tuning, "tunings", live=False),
    "Node": Listing(
        ("name", "site", "url", "fingerprint"), _node,
        ("name", "site", "url", "fingerprint", "labels", "may read"), _node_wide,
    ),
    "Group": Listing(
        ("name", "nodes", "labels", "within"), _group, ("name", "nodes", "labels", "within"), _group
    ),
    "Alarm": Listing(_ALARMS, _alarm, _ALARMS, _alarm),
    "Detector": Listing(
        _RULES, _rule,
        (*_RULES[:3], "evaluations", "decisions", "without value", "description", "reason"), _rule_wide, "rules",
    ),
}  # fmt: skip
_PLAIN = Listing(("name", "kind"), _plain, ("name", "kind", "labels"), _plain_wide)
