"""Calls of web servers, against a real one, also over TLS."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devices.mqtt.authority import Authority
from gateway.actions.task import Away
from gateway.actions.web import Web
from rules.instructions import Act
from rules.tasks import Post
from runtime.clock import SystemClock
from tests.gateway.actions.hooks import Hooks
from tests.mosquitto import free_port
from twins.errors import Rejected, Unavailable


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web()
    yield web
    await web.close()


def act(url: str, **more: Any) -> Act:
    return Act("abc", "default/rule/d1", "c", 0, Post(url, "PUT", {"X-Plant": "7"}, '{"t":1}', 0, **more))


async def test_a_call_carries_its_id_its_headers_and_a_signature_of_its_body(web: Web, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    with Hooks() as hooks:
        done = await web.perform(act(hooks.url, key_file=str(key), signed="X-Hub-Signature-256"))
        assert done.said == "answered 204"
        (call,) = hooks.calls
    assert (call.method, call.path, call.body, call.id) == ("PUT", "/hook", b'{"t":1}', "abc")
    assert (call.headers["x-plant"], call.headers["content-type"]) == ("7", "application/json")
    expected = hmac.new(b"secret", b'{"t":1}', hashlib.sha256).hexdigest()
    assert call.headers["x-hub-signature-256"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("mood", "error", "reason"),
    [
        ("broken", Away, "it answers 503"),
        ("busy", Away, "it answers 429"),
        ("cut", Unavailable, "disconnected|reset"),
        ("refusing", Rejected, "it answers 410"),
        ("moved", Rejected, "302, a redirection, which is not followed"),
    ],
)
async def test_what_a_server_answers_says_whether_it_is_called_again(
    web: Web, mood: Any, error: type[Exception], reason: str
) -> None:
    with Hooks(mood) as hooks:
        with pytest.raises(error, match=f"(?i){reason}"):
            await web.perform(act(hooks.url))
        assert {call.id for call in hooks.calls} == {"abc"}


async def test_a_server_that_does_not_answer_in_time_is_away(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.actions.web.ATTEMPT", 0.2)
    with Hooks("slow") as hooks, pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        await web.perform(act(hooks.url))


async def test_a_server_that_is_not_there_is_away(web: Web) -> None:
    with pytest.raises(Unavailable, match="Cannot connect"):
        await web.perform(act(f"http://127.0.0.1:{free_port()}/x"))


@pytest.mark.parametrize("content", [None, "\n"])
async def test_without_its_key_a_body_is_not_sent(web: Web, tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    with Hooks() as hooks, pytest.raises(Unavailable, match=r"cannot be read|is empty"):
        await web.perform(act(hooks.url, key_file=str(key), signed="X"))
    assert hooks.calls == []


async def test_a_certificate_is_checked(web: Web, tmp_path: Path) -> None:
    authority = Authority(tmp_path, SystemClock())
    authority.serve(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.pem", tmp_path / "broker.key")
    with Hooks() as hooks:
        hooks.server.socket = context.wrap_socket(hooks.server.socket, server_side=True)
        url = hooks.url.replace("http:", "https:")
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            await web.perform(act(url))
        done = await web.perform(act(url, ca_file=str(tmp_path / "ca.pem")))
        assert done.said == "answered 204"
        with pytest.raises(Unavailable, match="cannot be used"):
            await web.perform(act(url, ca_file=str(tmp_path / "absent")))


async def test_the_path_of_a_url_which_may_be_a_secret_is_never_told(web: Web) -> None:
    with Hooks("garbled") as hooks, pytest.raises(Unavailable, match="no answer by the rules of HTTP") as garbled:
        await web.perform(act(f"{hooks.url}/T0KEN"))
    with pytest.raises(Rejected, match="cannot be called") as wrong:
        await web.perform(act("http://[::1/T0KEN"))
    assert "T0KEN" not in f"{garbled.value} {wrong.value}"
