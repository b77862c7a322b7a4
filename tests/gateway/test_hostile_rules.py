"""Rules from hostile hands through the command line and the API: refused with the path of the field and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.process import Gateway, invoke

RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: r}
spec:
  inputs: {t: {property: t%s}}
  initial: A
  states: {A: {onInput: {events: [{when: "%s"}]}}}
"""
BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
ROWS = {
    "aliases": (BOMB + RULE % ("", "true"), "line 2: aliases are not taken"),
    "10 MB": (RULE % ("", "t > 1.0 || " * 950_000 + "true"), "the body is larger than 1048576 bytes"),
    "an unknown field": (RULE % (", tpye: number", "true"), "spec.inputs.t.tpye: no such key; did you mean type?"),
    "a long expression": (RULE % ("", "t > 1.0 || " * 200 + "true"), "events[0].when: expected str of length <= 1024"),
    "nested macros": (
        RULE % ("", "[1].all(a, [1].all(b, [1].all(c, true)))"),
        "spec.states.A.onInput.events[0].when: macros",
    ),
    "a regular expression": (RULE % ("", "'a'.matches('(a+)+$')"), "when: matches() is not allowed"),
    "many elements": (RULE % ("", "1 in [" + "1," * 300_000 + "1]"), "events[0].when: expected str of length <= 1024"),
    "an unknown name": (RULE % ("", "temp > 1.0"), "events[0].when: 'temp' is no input"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway.start()


@pytest.mark.parametrize("name", ROWS)
def test_gemelo_apply_says_where_and_why(gateway: Gateway, tmp_path: Path, name: str) -> None:
    text, reason = ROWS[name]
    file = tmp_path / "rule.yaml"
    file.write_text(text)
    done = invoke("apply", "-f", str(file), GEMELO_URL=gateway.url)
    assert done.returncode != 0
    assert ("1024000 are taken" if name == "10 MB" else reason) in done.stderr
    assert len(done.stderr) < 2000
    assert gateway.ask("GET", "/api/v1/rules") == (200, [])


@pytest.mark.parametrize("name", ROWS)
def test_the_api_says_where_and_why(gateway: Gateway, name: str) -> None:
    text, reason = ROWS[name]
    status, told = gateway.ask("POST", "/api/v1/manifests", text.encode(), "application/yaml")
    assert status == (413 if name == "10 MB" else 400)
    assert reason in told["detail"]
    assert gateway.ask("GET", "/readyz")[0] == 200
