from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rich.pretty import pretty_repr

from devices.camera import Camera
from devices.camera.redaction import redact
from twins.errors import Rejected

GATE = """
apiVersion: gemelo.dev/v1alpha1
kind: Camera
metadata: {name: gate, namespace: yard, labels: {site: north}}
spec:
  source: rtsp://anna:s3cret@10.0.0.9:554/live?stream=1
  fps: 2
  labels: [person, traffic light]
  minimum: 0.5
  rotate: 90
  transport: udp
  width: 640
"""


def test_a_manifest_in_yaml_is_a_camera():
    camera = Camera.from_manifest(yaml.safe_load(GATE))
    assert camera.id == "yard/gate"
    assert camera.metadata.labels == {"site": "north"}
    assert (camera.spec.fps, camera.spec.rotate, camera.spec.transport, camera.spec.width) == (2.0, 90, "udp", 640)
    assert camera.spec.path is None
    assert sorted(camera.properties) == ["fps", "person.count", "traffic_light.count"]


def test_a_source_is_all_a_camera_needs():
    camera = Camera.from_manifest({"metadata": {"name": "gate"}, "spec": {"source": "/srv/street.mp4"}})
    assert camera.id == "default/gate"
    assert (camera.spec.fps, camera.spec.model, camera.spec.loop) == (5.0, "persons", False)
    assert camera.spec.path == Path("/srv/street.mp4")


def test_a_file_address_is_a_path():
    spec = Camera.from_manifest({"metadata": {"name": "a"}, "spec": {"source": "file:///srv/my%20street.mp4"}}).spec
    assert spec.path == Path("/srv/my street.mp4")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fps": 0}, "$.spec.fps"),
        ({"fps": 61}, "$.spec.fps"),
        ({"labels": []}, "$.spec.labels"),
        ({"minimum": 1.5}, "$.spec.minimum"),
        ({"rotate": 45}, "$.spec.rotate"),
        ({"transport": "sctp"}, "$.spec.transport"),
        ({"framerate": 5}, "framerate"),
        ({"source": "ftp://anna:s3cret@10.0.0.9/live"}, "$.spec.source"),
        ({"source": "concat://a|b"}, "$.spec.source"),
        ({"source": 7}, "$.spec.source"),
    ],
)
def test_a_bad_field_is_refused_by_its_path(change, field):
    with pytest.raises(Rejected) as refused:
        Camera.from_manifest({"metadata": {"name": "gate"}, "spec": {"source": "a.mp4"} | change})
    assert field in refused.value.reason
    assert "s3cret" not in refused.value.reason


@pytest.mark.parametrize("name", ["Gate", "gate_1", "-gate", "", "g" * 64])
def test_a_name_follows_kubernetes_label_rule(name):
    with pytest.raises(Rejected, match=r"\$\.metadata\.name"):
        Camera.from_manifest({"metadata": {"name": name}, "spec": {"source": "a.mp4"}})


def test_credentials_are_never_shown():
    camera = Camera.from_manifest(yaml.safe_load(GATE))
    for shown in (repr(camera), str(camera), pretty_repr(camera), f"{camera.spec}", camera.spec.shown):
        assert "s3cret" not in shown
        assert "anna" not in shown
        assert "10.0.0.9" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://a:b@h/x", "rtsp://***@h/x"),
        ("rtsp://a:p@ss@h/x", "rtsp://***@h/x"),
        ("rtsp://a:p/ss@h/x", "rtsp://***@h/x"),
        ("open 'http://h/cam?user=a&password=b&ch=1' failed", "open 'http://h/cam?user=***&password=***&ch=1' failed"),
        ("http://h/cam?ACCESS_TOKEN=abc", "http://h/cam?ACCESS_TOKEN=***"),
        ("rtsp://a:b@h/x and rtsp://c:d@i/y", "rtsp://***@h/x and rtsp://***@i/y"),
        ("/srv/street@night.mp4", "/srv/street@night.mp4"),
        ("rtsp://h/x", "rtsp://h/x"),
    ],
)
def test_redaction_hides_users_passwords_and_secret_values(text, shown):
    assert redact(text) == shown
