"""What is done with series and pictures: a point, a clip, an upload, a model's look."""

from __future__ import annotations

from rules.actions.desired import full_name
from rules.expression import Expression, Template, Undecided
from rules.instructions import Write
from rules.manifest import action as manifest
from rules.tasks import Clip, Infer, Upload
from rules.turn import Turn
from twins.duration import microseconds


class WritePoint:
    """Write a point of the rule's own."""

    def __init__(self, action: manifest.WriteAction, label: str) -> None:
        self.label = label
        self._property = action.property
        self.value = Expression(action.value)

    def perform(self, turn: Turn) -> None:
        try:
            value = self.value.value(turn.scope)
        except Undecided as fault:
            turn.fault(self.label, self.value.source, fault)
            return
        device = own_device(turn.rule, turn.record.key)
        turn.add(Write(turn.sign(), turn.id, turn.cause, device, self._property, value))

    def expressions(self) -> list[Expression]:
        return [self.value]


class KeepClip:
    """Keep the pictures of a camera around this moment."""

    def __init__(self, action: manifest.ClipAction, label: str, namespace: str) -> None:
        self.label = label
        self._namespace = namespace
        self._camera = Template(action.camera)
        self._before, self._after = microseconds(action.before), microseconds(action.after)

    def perform(self, turn: Turn) -> None:
        try:
            camera = full_name(self._camera.text(turn.scope), self._namespace)
        except Undecided as fault:
            turn.fault(self.label, self._camera.source, fault)
            return
        turn.act(Clip(camera, turn.now - self._before, turn.now + self._after))

    def expressions(self) -> list[Expression]:
        return self._camera.expressions


class StartUpload:
    """Send what was recorded around this moment."""

    def __init__(self, action: manifest.UploadAction, label: str, namespace: str) -> None:
        self.label = label
        self._name = full_name(action.name, namespace)
        self._before, self._after = microseconds(action.before), microseconds(action.after)

    def perform(self, turn: Turn) -> None:
        turn.act(Upload(self._name, turn.now - self._before, turn.now + self._after))

    def expressions(self) -> list[Expression]:
        return []


class RunModel:
    """Run a model on the newest picture of a camera."""

    def __init__(self, action: manifest.InferAction, label: str, namespace: str) -> None:
        self.label = label
        self._namespace = namespace
        self._camera = Template(action.camera)
        self._model = action.model

    def perform(self, turn: Turn) -> None:
        try:
            camera = full_name(self._camera.text(turn.scope), self._namespace)
        except Undecided as fault:
            turn.fault(self.label, self._camera.source, fault)
            return
        turn.act(Infer(camera, self._model))

    def expressions(self) -> list[Expression]:
        return self._camera.expressions


def own_device(rule: str, key: str) -> str:
    """Whose point it is: the rule `namespace/name`, with the instance's key after a dot; `default/` is left out.

    The slashes of a key become dots, for the rest of a series' name after its second slash is the property.
    """
    return f"{rule}.{key.removeprefix('default/').replace('/', '.')}"
