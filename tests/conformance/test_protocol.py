"""Every case of the table, through a real mosquitto, in both modes and with requests at QoS 0 and 1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.conformance.cases import CASES, IDS
from tests.conformance.likeness import Text, differs
from tests.conformance.stage import NODE, Heard, Stage
from tests.conformance.words import Ago, Case, Do, FromCloud, Said, Say, Step
from twins.stimuli import Left

MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "model", "namespace": "default", "uid": "u-model", "resourceVersion": "1"},
    "spec": {},
}
_WORD = re.compile(r"\$(ID|D|NAME|S)(2?)\b|\$(NODE|VOID)\b")
_numbers = count(1)


class Stages:
    """One gateway for each mode and node, started when it is first needed."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stages: dict[tuple[str, str], Stage] = {}

    def get(self, mode: str, node: str) -> Stage:
        stage = self._stages.get((mode, node))
        if stage is None:
            stage = Stage(self._folders.mktemp(f"{mode}-{node}"), strict=mode == "strict", node=node)
            self._stages[mode, node] = stage.__enter__()
            assert stage.cloud("default/devicemodel/model", MODEL, group="resource", operation="insert")
        return stage

    def close(self) -> None:
        for stage in self._stages.values():
            stage.__exit__()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    stages = Stages(tmp_path_factory)
    try:
        yield stages
    finally:
        stages.close()


class Scene:
    """A case on a stage, with names of its own."""

    def __init__(self, case: Case, stage: Stage, qos: int) -> None:
        self.case = case
        self.stage = stage
        self._qos = qos
        number = next(_numbers)
        self.devices = [f"{case.namespace}/d{number}{suffix}" for suffix in ("", "-2")]

    def set_up(self) -> None:
        case, stage = self.case, self.stage
        if isinstance(case.device, tuple):
            properties = [{"name": name} for name in case.device]
            spec = {"deviceModelRef": {"name": "model"}, "nodeName": self.stage.node, "properties": properties}
            stage.cloud(self._object, self._manifest | {"spec": spec}, group="resource", operation="insert")
        elif case.device == "member":
            self.take(FromCloud("membership", {"added_devices": [{"id": "$ID", "name": "$NAME"}]}))
        self.play(case.given)
        stage.heard()
        stage.sent()
        stage.begin()

    def tear_down(self) -> None:
        if isinstance(self.case.device, tuple):
            self.stage.cloud(self._object, self._manifest, group="resource", operation="delete")
        gone = f"default/device/{self.devices[1].partition('/')[2]}"
        metadata = {"name": gone.rpartition("/")[2], "namespace": "default", "uid": ""}
        self.stage.cloud(gone, {"kind": "Device", "metadata": metadata}, group="resource", operation="delete")
        self.stage.ask(*(Left(device, "test:1:1", 1) for device in self.devices))
        self.stage.heard()
        self.stage.sent()

    def play(self, steps: tuple[Step, ...]) -> list[Heard]:
        """Take the steps, one after the other; all that was published meanwhile."""
        heard: list[Heard] = []
        for step in steps:
            if not isinstance(step, Say):
                heard += self.stage.heard()  # what was asked before comes before
            self.take(step)
        return heard + self.stage.heard()

    def take(self, step: Step) -> None:
        match step:
            case Say(topic, body):
                self.stage.say(self.filled(topic), self.filled(body), self._qos)
            case FromCloud(resource, content, group, operation, source):
                self.stage.cloud(
                    self.filled(resource), self.filled(content), group=group, operation=operation, source=source
                )
            case Do(what):
                what(self.stage, self.devices[0])

    def filled(self, value: Any) -> Any:
        """The value with the names of this scene in place of those of the table."""
        match value:
            case str():
                return _WORD.sub(self._word, value)
            case Ago(seconds):
                return self.stage.began // 1000 - seconds * 1000
            case Text(body):
                return Text(self.filled(body))
            case dict():
                return {self.filled(key): self.filled(one) for key, one in value.items()}
            case list() | tuple():
                return [self.filled(one) for one in value]
        return value

    def _word(self, match: re.Match[str]) -> str:
        word, second, place = match.groups()
        if place is not None:
            return f"$hw/events/node/{self.stage.node}" if place == "NODE" else "$hw/events/device//twin/update/result"
        device = self.devices[1 if second else 0]
        name = device.partition("/")[2]
        return {
            "ID": device,
            "NAME": name,
            "D": f"$hw/events/device/{device}",
            "S": f"$hw/events/device/{name}",
        }[word]

    @property
    def _object(self) -> str:
        namespace, _, name = self.devices[0].partition("/")
        return f"{namespace}/device/{name}"

    @property
    def _manifest(self) -> dict[str, Any]:
        namespace, _, name = self.devices[0].partition("/")
        metadata = {"name": name, "namespace": namespace, "uid": f"u-{name}", "resourceVersion": "1"}
        return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": metadata, "spec": {}}


def case_id(case: Case) -> str:
    return f"{case.id}-{case.variant}".rstrip("-")


@pytest.mark.parametrize("qos", [0, 1], ids=["qos0", "qos1"])
@pytest.mark.parametrize("mode", ["default", "strict"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_case_is_answered_as_the_table_says(case: Case, mode: str, qos: int, stages: Stages) -> None:
    stage = stages.get(mode, case.node)
    scene = Scene(case, stage, qos)
    try:
        scene.set_up()
        heard = scene.play(case.when)
        sent = stage.sent()
        special = case.strict if mode == "strict" else case.default
        compare([(m.topic, m.body) for m in heard], scene.filled(case.then if special is None else special))
        assert {(m.qos, m.retained) for m in heard} <= {(1, False)}
        upward = case.up_strict if mode == "strict" and case.up_strict is not None else case.up
        if upward is not None:
            wanted = scene.filled(upward)
            compare([(m.resource, m.content) for m in sent if not unasked(m.resource, wanted)], wanted)
        if case.check is not None:
            case.check(stage, scene.devices[0])
    finally:
        scene.tear_down()


def unasked(resource: str, wanted: list[Said]) -> bool:
    """A device's first message also tells the cloud that it is online: of liveness EdgeCore has nothing to compare."""
    return resource.endswith("/state/update") and resource not in [each for each, _ in wanted]


def compare(found: list[Said], expected: list[Said]) -> None:
    shown = "\n".join(f"  {topic} {body}" for topic, body in found)
    assert [topic for topic, _ in found] == [topic for topic, _ in expected], shown
    for (topic, body), (_, wanted) in zip(found, expected, strict=True):
        fault = differs(wanted, body)
        assert not fault, f"{topic}: {fault}\n{shown}"


def test_no_case_is_missing_and_none_is_there_twice() -> None:
    assert {case.id for case in CASES} == IDS
    assert [name for name, times in Counter(map(case_id, CASES)).items() if times > 1] == []


def test_where_the_modes_differ_the_table_says_so_for_both() -> None:
    assert [case_id(c) for c in CASES if (c.strict is None) != (c.default is None)] == []
    assert [case_id(c) for c in CASES if c.strict is not None and c.then] == []
    assert [case_id(c) for c in CASES if c.strict is not None and c.strict == c.default] == []


def test_the_device_of_a_case_stands_on_the_node_it_asks() -> None:
    assert {case.node for case in CASES} == {NODE, "node"}
