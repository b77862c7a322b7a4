"""The two sides of the wire of `test_convergence.py`, and what a property must be.

The edge is the product's own: `Reader`, `Twins`, the cloud's `Catalog`, the reports of `cloud.sync`, and a disk that
takes what `Persist`, `Revision` and `Forget` say. The cloud is a model of a CloudCore, written from its protocol. The
expected desired values come from the merge table, written here anew, row by row.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from cloud import sync
from cloud.catalog import Catalog
from cloud.messages import Object
from twins.instructions import STATE, Fact, Forget, Instruction, Persist, Revision, Status
from twins.kubeedge import Reader
from twins.liveness import Life
from twins.stimuli import Stimulus
from twins.twin import Twins
from twins.values import Property, Twin

D = "default/d1"
DECLARED = ("text", "level")
"""The properties of the cloud's Device: text, and an integer from 0 to 100."""


def told(body: bytes | None) -> Twin | None:
    """The twin but for its signs of life, which a message is too that changes nothing else."""
    if body is None:
        return None
    twin = msgspec.msgpack.decode(body, type=Twin)
    twin.seen, twin.life = 0, Life()
    return twin


def outcome(out: list[Instruction]) -> list[type[Instruction]]:
    """What kinds of instructions a message has but for those of its sign of life."""
    signs = any(isinstance(i, Status) for i in out)
    rest = [i for i in out if not isinstance(i, Status) and not (isinstance(i, Fact) and i.name == STATE)]
    return [type(i) for i in rest if not (signs and isinstance(i, Persist))]


class Edge:
    """What runs in the gateway, and the disk it is taken up from."""

    def __init__(self) -> None:
        self.twin_bodies: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.digests: list[int] = []
        self.restart()

    def restart(self) -> None:
        self.twins, self.reader, self.catalog = Twins(), Reader("n1"), Catalog(self.manifests)
        assert not self.twins.restore(self.twin_bodies, self.digests)
        self.waiting: dict[int, sync.Report] = {}

    def take(self, *stimuli: Stimulus) -> list[Instruction]:
        """Decide and commit."""
        out = [i for stimulus in stimuli for i in self.twins.handle(stimulus)]
        for i in out:
            match i:
                case Persist(device=device) | Revision(device=device):
                    body = self.twins.encoded(device)
                    assert body is not None
                    self.twin_bodies[device] = body
                    self.digests += [i.digest] if isinstance(i, Revision) and i.digest else []
                case Forget(device=device):
                    self.twin_bodies.pop(device, None)
        return out

    def takes_object(self, message: Object, now: int) -> list[Instruction] | None:
        """What a message of the cloud does; `None` when it is old news."""
        step = self.catalog.step(message, f"cloud:1:{now}", now)
        if step is None:
            return None
        out = self.take(*step.stimuli)
        for key, body in step.manifests.items():
            if body is None:
                self.manifests.pop(key, None)
            else:
                self.manifests[key] = body
        self.catalog.keep(step)
        return out

    def report(self, now: int) -> sync.Report | None:
        twin = self.twins.get(D)
        return None if twin is None else sync.report(twin, self.catalog.declared(D), now, f"mqtt:1:{now}")

    def uid(self) -> str:
        """The Device it knows. Real reports do not name it: a CloudCore takes them for the new one's."""
        return str(json.loads(self.manifests["Device", D])["metadata"]["uid"])

    def properties(self) -> dict[str, Property]:
        twin = self.twins.get(D)
        return {} if twin is None else twin.properties


class Entry(Struct):
    """What the cloud knows of a property: per side its value and the edge's version of it; `gone` if it was deleted."""

    actual: tuple[str, int] = ("", 0)
    expected: tuple[str, int] = ("", 0)
    gone: bool = False


class Cloud:
    """A CloudCore: what it wants, and what it was told. `careful` looks at versions; the real one does not."""

    def __init__(self, *, careful: bool) -> None:
        self._careful = careful
        self._uid = 0
        self._version = 0
        self.wanted: dict[str, str | None] = {}
        self.entries: dict[str, Entry] = {}
        self.unanswered: list[Object] = []
        self.exists = False

    def makes(self) -> None:
        """A Device of the name, which is another one than the last."""
        self.exists, self._uid = True, self._uid + 1
        self.wanted, self.entries = dict.fromkeys(DECLARED), {}
        self.says("insert")

    def wants(self, name: str, value: str | None) -> None:
        self.wanted[name] = value
        self.says("update")

    def removes(self) -> None:
        self.says("delete")
        self.exists = False

    def says(self, operation: Any) -> None:
        self._version += 1
        self.unanswered.append(self._object("device", "d1", operation, self._spec()))

    def model(self) -> Object:
        level = {"name": "level", "type": "INT", "minimum": "0", "maximum": "100"}
        return self._object("devicemodel", "m", "insert", {"properties": [{"name": "text"}, level]})

    def hears(self, uid: str, report: sync.Report) -> None:
        """Take a report; one that was meant for an earlier Device of the name changes nothing."""
        if uid != self.uid or not self.exists:
            return
        for name, said in json.loads(report.content)["twin"].items():
            assert name in DECLARED
            entry = self.entries.setdefault(name, Entry())
            newest = -1
            for side in ("actual", "expected"):
                version = said.get(f"{side}_version", {}).get("edge", 0)
                if version and (version > getattr(entry, side)[1] or not self._careful):
                    setattr(entry, side, (said.get(side, {}).get("value", ""), version))
                    newest = version
            if newest >= 0:
                entry.gone = said["metadata"]["type"] == "deleted"

    @property
    def uid(self) -> str:
        return f"u{self._uid}"

    def _spec(self) -> dict[str, Any]:
        wanted = [
            {"name": n, "desired": {"value": v}} if v is not None else {"name": n} for n, v in self.wanted.items()
        ]
        return {"deviceModelRef": {"name": "m"}, "properties": wanted}

    def _object(self, kind: str, name: str, operation: Any, spec: object) -> Object:
        version = str(self._version)
        metadata = {"name": name, "namespace": "default", "uid": self.uid, "resourceVersion": version}
        body = json.dumps({"kind": kind, "metadata": metadata, "spec": spec}).encode()
        resource = f"default/{kind}/{name}"
        return Object("m", "devicecontroller", operation, resource, "default", kind, name, version, body)


class Expected(Struct):
    """What a property must be: both sides, what edge and cloud agreed on last, whether it lives and may be deleted."""

    reported: str | None = None
    desired: str | None = None
    base: str | None = None
    lives: bool = False
    optional: bool = True

    def merge(self, cloud: str | None) -> bool:
        """The table of `twins/merge.py`; true for a conflict."""
        base, edge = self.base, self.desired
        self.base = cloud
        match (cloud != base, edge != base):
            case (True, _) if edge != cloud:
                self.desired, self.lives, self.reported = cloud, True, self.reported if self.lives else None
                return edge != base
            case _:
                return False
