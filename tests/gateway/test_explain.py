"""`gemelo explain`, which needs no gateway."""

from __future__ import annotations

import pytest

from gateway.manifests.kinds import KINDS
from tests.gateway.process import invoke


def test_a_field_is_explained_with_its_type_and_the_fields_beneath() -> None:
    done = invoke("explain", "device.spec.properties.desired")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "KIND:     Device",
        "VERSION:  devices.kubeedge.io/v1beta1",
        "FIELD:    spec.properties.desired <object>",
        "",
        "DESCRIPTION:",
        "    What is asked of the device.",
        "    A desired value.",
        "",
        "FIELDS:",
        "    value <string>  required  The value as text, in quotes; it fits type, access and bounds of the model.",
        "    metadata <map[string]string>  Free; KubeEdge writes `type` and `timestamp`.",
    ]


def test_values_that_are_a_choice_and_defaults_are_shown() -> None:
    shown = invoke("explain", "models.spec.properties").stdout
    assert "    accessMode <ReadOnly|ReadWrite>  (default ReadWrite)  Of a ReadOnly property nothing can" in shown
    assert (
        "FIELD:    spec.states.onInput.transitions <[]object>"
        in invoke("explain", "rule.spec.states.onInput.transitions").stdout
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_explained_whole(kind: str) -> None:
    tree = invoke("explain", kind.lower(), "--recursive")
    assert (tree.returncode, tree.stderr) == (0, "")
    assert "    metadata <object>  required\n        name <string>  required" in tree.stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("devise", "gemelo: no kind devise: did you mean device?"),
        ("device.spec.proprties", "gemelo: Device.spec has no field proprties: did you mean properties?"),
        ("device.spec.nodeName.x", "gemelo: Device.spec.nodeName has no field x: none is known here"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(path: str, words: str) -> None:
    done = invoke("explain", path)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", words)
