"""The worked set of the smart camera in a whole gateway: a street video, a real model."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from gateway.album import JPEG
from tests.assets import ASSETS
from tests.gateway.process import ROOT, Gateway, until

SET = ROOT / "docs" / "examples" / "smart-camera"
VIDEO = ASSETS / "bikes.mp4"
NEEDED = (VIDEO, ASSETS / "pedestrian_ssdlite.pb")


def manifests() -> str:
    """Those of the set, with the video for a camera, a night that is always, and a dwell of a second for twenty."""
    changes = {
        "rtsp://user:password@192.0.2.10/stream1": f"{VIDEO}\n  loop: true\n  width: 640",
        'from: "22:00", to: "06:00"': 'from: "00:00", to: "24:00"',
        "after: 20s": "after: 1s",
        "after: 10s": "after: 1s",
    }
    text = "\n---\n".join((SET / name).read_text("utf-8") for name in ("camera.yaml", "lurking.yaml"))
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.mark.skipif(not all(path.exists() for path in NEEDED), reason=f"needs {NEEDED}: set GEMELO_ASSETS")
def test_a_person_who_lingers_is_told_with_a_picture_and_a_clip_that_can_be_looked_at(tmp_path: Path) -> None:
    with Gateway(tmp_path, inference=f"models = {json.dumps(str(ASSETS))}").start() as gateway:
        gateway.apply(manifests())

        def told(kind: str) -> list[dict[str, object]]:
            return [each for each in gateway.ask("GET", "/api/v1/events")[1] if each["kind"] == kind]

        (alert, *_) = until(lambda: told("alert"), 90, lambda: gateway.output)
        assert alert["message"] == "somebody lingers at default/yard"
        assert alert["severity"] == "alert"
        (kept, *_) = until(lambda: told("action"), 30, lambda: gateway.output)
        first, last = re.findall(r"\w{24}-\d+", str(kept["message"]))
        for name in (alert["picture"], first, last):
            assert picture(gateway, str(name)).startswith(JPEG), name
        assert first != last, "a clip is several pictures"
        assert gateway.is_calm()


def picture(gateway: Gateway, name: str) -> bytes:
    with urllib.request.urlopen(f"{gateway.url}/api/v1/pictures/{name}", timeout=10) as answer:
        return bytes(answer.read())
