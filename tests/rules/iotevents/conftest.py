"""Models as the service's API wrote them, made of a few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rules.iotevents import Conversion, Options, convert, read
from rules.manifest.detector import Detector, decode

KILN = Path(__file__).parents[3] / "docs" / "examples" / "iotevents" / "kiln.json"
State = dict[str, Any]


class Make:
    """Builds models and brings them."""

    @staticmethod
    def event(name: str, condition: str | None, *actions: dict[str, Any], to: str | None = None) -> dict[str, Any]:
        whole = {"eventName": name, "condition": condition, "actions": list(actions), "nextState": to}
        return {key: value for key, value in whole.items() if value is not None}

    @staticmethod
    def put(variable: str, value: str) -> dict[str, Any]:
        return {"setVariable": {"variableName": variable, "value": value}}

    @staticmethod
    def tell(text: str) -> dict[str, Any]:
        payload = {"contentExpression": text, "type": "STRING"}
        return {"sns": {"targetArn": "arn:aws:sns:eu-west-1:0:people", "payload": payload}}

    @staticmethod
    def state(
        name: str, *, enter: Sequence[State] = (), events: Sequence[State] = (), ways: Sequence[State] = (),
        leave: Sequence[State] = (),
    ) -> State:  # fmt: skip
        on_input = {"events": list(events), "transitionEvents": list(ways)}
        parts = {"onEnter": {"events": list(enter)}, "onExit": {"events": list(leave)}}
        return {"stateName": name, "onInput": on_input, **parts}

    @staticmethod
    def model(*states: State, **more: Any) -> dict[str, Any]:
        definition = {"initialStateName": states[0]["stateName"], "states": list(states)}
        return {"detectorModelName": "Watch", "key": "id", "detectorModelDefinition": definition} | more

    @staticmethod
    def bring(model: dict[str, Any], options: Options | None = None) -> Conversion:
        ((_, found),) = read(json.dumps(model).encode(), "model.json")
        return convert(found, options or Options())

    @classmethod
    def detector(cls, model: dict[str, Any], options: Options | None = None) -> Detector:
        """The detector of a model, which our lint has nothing against."""
        found = cls.bring(model, options)
        assert found.faults == ()
        return decode(found.manifest)

    @classmethod
    def cel(cls, condition: str) -> str:
        """What a condition becomes."""
        way = cls.event("go", condition, to="B")
        states = cls.bring(cls.model(cls.state("A", ways=[way]), cls.state("B"))).manifest["spec"]["states"]
        return str(states["A"]["onInput"]["transitions"][0].get("when", "true"))


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def kiln() -> dict[str, Any]:
    """The model of the documentation."""
    found: dict[str, Any] = json.loads(KILN.read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def told() -> Callable[[Conversion, str], dict[str, str]]:
    """What a report says with one verdict, by path."""
    return lambda found, verdict: {each.path: each.how for each in found.findings if each.verdict == verdict}
