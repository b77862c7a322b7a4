"""Pipelines: what is done with one decoded picture. Synchronous; they know no frame, clock or queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from inference import emotion, persons, yunet
from inference.boxes import part
from twins.exchange import Detection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.boxes import Floats
    from inference.network import Outputs

MOST_FACES = 32
"""Each face costs a run of the classifier; the smaller scores of a crowd are left out."""


class Sight(NamedTuple):
    """What was seen, and the seconds inside the networks."""

    detections: tuple[Detection, ...]
    seconds: float


class Model(Protocol):
    """Runs one tensor: outputs by name, and the seconds it took."""

    def run(self, tensor: NDArray[Any]) -> tuple[Outputs, float]: ...


class Persons:
    """Persons, best first."""

    def __init__(self, detector: Model, labels: tuple[str, ...]) -> None:
        self._detector = detector
        self._label = labels[0]

    def look(self, picture: Image.Image) -> Sight:
        outputs, seconds = self._detector.run(persons.prepare(picture))
        boxes, scores = persons.read(outputs)
        found = (
            Detection(self._label, float(score), part(box, 1.0, 1.0)) for box, score in zip(boxes, scores, strict=True)
        )
        return Sight(tuple(found), seconds)


class FaceEmotion:
    """Faces, best first, then one emotion for each: `within` is its face's index. Without a face there is nothing.

    An emotion's label is its best one; `scores` holds all, in the order of `labels`.
    """

    def __init__(self, detector: Model, classifier: Model, labels: tuple[str, ...]) -> None:
        self._detector = detector
        self._classifier = classifier
        self._labels = labels

    def look(self, picture: Image.Image) -> Sight:
        tensor, scale = yunet.prepare(picture)
        outputs, total = self._detector.run(tensor)
        found = yunet.read(outputs, scale)
        size = np.asarray(picture.size, np.float32)
        faces, moods = [], []
        for index, box in enumerate(found.boxes[:MOST_FACES]):
            points = tuple((float(x), float(y)) for x, y in found.points[index] / size)
            faces.append(Detection("face", float(found.scores[index]), part(box, *picture.size), points=points))
            mood, seconds = self._mood(picture, box, index)
            moods.append(mood)
            total += seconds
        return Sight((*faces, *moods), total)

    def _mood(self, picture: Image.Image, box: Floats, face: int) -> tuple[Detection, float]:
        outputs, seconds = self._classifier.run(emotion.prepare(emotion.crop(picture, box)))
        scores = emotion.read(outputs)
        best = max(range(len(scores)), key=scores.__getitem__)
        return Detection(self._labels[best], scores[best], scores=scores, within=face), seconds
