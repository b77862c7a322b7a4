"""Real models on real pictures: the counts are those that people counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.catalogue import load
from inference.network import Network
from inference.pipeline import MOST_FACES, FaceEmotion, Persons
from twins.exchange import Detection

EMOTIONS = load().entry("emotion-mini-xception").labels


@pytest.fixture
def faces(yunet: Network, emotion: Network) -> FaceEmotion:
    return FaceEmotion(yunet, emotion, EMOTIONS)


@pytest.fixture
def persons(ssdlite: Network) -> Persons:
    return Persons(ssdlite, ("person",))


def _split(detections: tuple[Detection, ...]) -> tuple[list[Detection], list[Detection]]:
    faces = [detection for detection in detections if detection.within is None]
    return faces, [detection for detection in detections if detection.within is not None]


def _open(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def test_the_astronaut_has_one_face_and_is_happy(faces: FaceEmotion, media: Path) -> None:
    (face, mood), seconds = faces.look(_open(media / "astronaut.png"))
    assert face.box is not None
    assert (face.box.x + face.box.w / 2, face.box.y + face.box.h / 2) == pytest.approx((0.437, 0.232), abs=0.02)
    assert (face.label, mood.label, mood.within) == ("face", "happy", 0)
    assert mood.score == max(mood.scores) > 0.9
    assert len(mood.scores) == 7
    assert sum(mood.scores) == pytest.approx(1.0, abs=0.02)
    assert seconds > 0


def test_a_faces_points_lie_where_a_face_has_them(faces: FaceEmotion, media: Path) -> None:
    face = faces.look(_open(media / "astronaut.png")).detections[0]
    (right_eye, left_eye, nose, right_mouth, left_mouth), box = face.points, face.box
    assert box is not None
    assert all(box.x < x < box.x + box.w and box.y < y < box.y + box.h for x, y in face.points)
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("multi_face.jpg", 5),
        ("sample1.jpg", 3),
        ("sample2.jpg", 3),
        ("sample3.jpg", 3),
        ("sample4.jpg", 4),
        ("sample5.jpg", 5),
        ("sample6.jpg", 4),
        ("dog.jpg", 0),
    ],
)
def test_each_face_of_a_group_is_found_once_with_one_emotion(
    faces: FaceEmotion, media: Path, name: str, count: int
) -> None:
    found, moods = _split(faces.look(_open(media / name)).detections)
    assert len(found) == count
    assert [mood.within for mood in moods] == list(range(count))
    assert all(mood.label in EMOTIONS for mood in moods)


@pytest.mark.parametrize("side", [64, 112, 224])
def test_a_crop_of_a_face_is_still_a_face(faces: FaceEmotion, media: Path, side: int) -> None:
    crop = _open(media / "astronaut.png").crop((168, 58, 280, 180)).resize((side, side))
    assert [detection.label for detection in faces.look(crop).detections] == ["face", "happy"]


def test_a_picture_without_a_face_has_no_detection(faces: FaceEmotion) -> None:
    assert faces.look(Image.new("RGB", (64, 64), (200, 160, 140))).detections == ()


def test_a_face_at_the_edge_keeps_its_box_inside_the_picture(faces: FaceEmotion, media: Path) -> None:
    found, moods = _split(faces.look(_open(media / "astronaut.png").crop((215, 60, 515, 360))).detections)
    assert len(found) == len(moods) == 1
    assert found[0].box is not None
    assert 0 <= found[0].box.x < 0.01
    assert 0.1 < min(found[0].box.w, found[0].box.h) < 0.5


def test_a_crowd_is_cut_to_the_most_certain_faces(faces: FaceEmotion, media: Path) -> None:
    face = _open(media / "astronaut.png").crop((150, 30, 300, 180)).resize((100, 100))
    crowd = Image.new("RGB", (800, 600))
    for index in range(48):
        crowd.paste(face, (index % 8 * 100, index // 8 * 100))
    found, moods = _split(faces.look(crowd).detections)
    assert len(found) == len(moods) == MOST_FACES


def test_the_pedestrians_of_the_plaza_are_found_and_move(persons: Persons, media: Path) -> None:
    av = pytest.importorskip("av")
    sights = []
    with av.open(str(media / "vtest.avi")) as video:
        for number, picture in enumerate(video.decode(video=0)):
            if number % 40 == 0:
                sights.append(persons.look(picture.to_image()).detections)
            if number == 400:
                break
    assert all(2 <= len(sight) <= 9 for sight in sights)
    assert len({sight[0].box for sight in sights}) == len(sights)
    boxes = [detection.box for sight in sights for detection in sight]
    assert all(box is not None and 0 <= box.x <= 1 - box.w + 1e-6 and 0.05 < box.h < 0.6 for box in boxes)


def test_the_street_video_has_a_person_in_some_frames_and_none_in_others(persons: Persons, media: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(media / "bikes.mp4")) as video:
        counts = [len(persons.look(frame.to_image()).detections) for frame in list(video.decode(video=0))[::5]]
    assert 0.15 < np.mean([count > 0 for count in counts]) < 0.7


def test_persons_come_best_first(persons: Persons, media: Path) -> None:
    scores = [detection.score for detection in persons.look(_open(media / "multi_face.jpg")).detections]
    assert len(scores) >= 4
    assert scores == sorted(scores, reverse=True)
