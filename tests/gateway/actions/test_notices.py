"""Messages to people, by the channels that manifests name."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

from gateway.actions.channel import decode
from gateway.actions.notices import Notices
from gateway.actions.web import Web
from rules.instructions import Act
from rules.tasks import Notify
from tests.gateway.actions.hooks import Hooks
from tests.gateway.actions.mail import Mail
from tests.mosquitto import free_port
from twins.errors import Rejected, Unavailable

ACT = Act("abc", "default/rule/d1", "mqtt:1:7", 0, Notify("default/night", "error", "default/rule: Hot", "81 °C"))


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    web = Web()
    yield Notices(web)
    await web.close()


def channel(**spec: Any) -> Any:
    manifest = {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Channel",
        "metadata": {"name": "night"},
        "spec": spec,
    }
    return decode(manifest, "Channel default/night")


async def test_a_web_server_is_told_in_json_with_a_signature(notices: Notices, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    signature = {"keyFile": str(tmp_path / "key")}
    with Hooks() as hooks:
        hook = {"url": hooks.url, "headers": {"X-Plant": "7"}, "signature": signature}
        notices.apply("default/night", channel(webhook=hook))
        assert (await notices.perform(ACT)).said == "answered 204"
        (call,) = hooks.calls
    assert json.loads(call.body) == {
        "id": "abc",
        "title": "default/rule: Hot",
        "message": "81 °C",
        "severity": "error",
        "rule": "default/rule/d1",
        "cause": "mqtt:1:7",
        "at": 0,
    }
    signed = hmac.new(b"secret", call.body, hashlib.sha256).hexdigest()
    assert (call.id, call.headers["x-plant"], call.headers["x-signature-256"]) == ("abc", "7", f"sha256={signed}")


async def test_a_topic_of_ntfy_gets_title_priority_and_token(notices: Notices, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tk_1\n")
    with Hooks() as hooks:
        notices.apply("default/night", channel(ntfy={"url": hooks.url, "tokenFile": str(tmp_path / "token")}))
        await notices.perform(ACT)
        (call,) = hooks.calls
    assert call.body.decode() == "81 °C"
    told = [call.headers[name] for name in ("title", "priority", "authorization")]
    assert told == ["default/rule: Hot", "5", "Bearer tk_1"]


async def test_a_mail_says_what_where_and_why_and_its_id_is_the_actions(notices: Notices) -> None:
    with Mail() as mail:
        email = {"server": mail.address, "from": "gemelo@example.com", "to": ["a@example.com"], "tls": "none"}
        notices.apply("default/night", channel(email=email))
        assert (await notices.perform(ACT)).said == "mail to a@example.com"
        (taken,) = mail.taken
    read = message_from_string(taken)
    assert (read["Subject"], read["Message-ID"]) == ("[error] default/rule: Hot", "<abc@example.com>")
    body = read.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().split() == ["81", "°C", "rule", "default/rule/d1,", "cause", "mqtt:1:7"]


@pytest.mark.parametrize(("code", "error"), [("451 later", Unavailable), ("550 nobody", Rejected)])
async def test_what_a_mail_server_answers_says_whether_it_is_tried_again(
    notices: Notices, code: str, error: type[Exception]
) -> None:
    with Mail(code) as mail:
        email = {"server": mail.address, "from": "gemelo@example.com", "to": ["a@example.com"], "tls": "none"}
        notices.apply("default/night", channel(email=email))
        with pytest.raises(error):
            await notices.perform(ACT)


@pytest.mark.parametrize("tls", ["none", "implicit", "starttls"])
async def test_a_mail_server_that_is_not_there_or_cannot_encrypt_is_away(notices: Notices, tls: str) -> None:
    with Mail() as mail:
        server = mail.address if tls == "starttls" else f"127.0.0.1:{free_port()}"
        email = {"server": server, "from": "gemelo@example.com", "to": ["a@example.com"], "tls": tls}
        notices.apply("default/night", channel(email=email))
        with pytest.raises(Unavailable, match="the mail server"):
            await notices.perform(ACT)
        assert mail.taken == []


async def test_a_channel_that_nobody_declared_is_named(notices: Notices) -> None:
    notices.apply("default/nights", channel(webhook={"url": "http://x"}))
    with pytest.raises(Rejected, match=r"no Channel default/night; did you mean default/nights\?"):
        await notices.perform(ACT)
    notices.apply("default/nights", None)
    with pytest.raises(Rejected, match="none is known here"):
        await notices.perform(ACT)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, "one of webhook, ntfy, email is needed, given: none"),
        ({"webhook": {"url": "http://x"}, "ntfy": {"url": "http://x"}}, "given: webhook, ntfy"),
        ({"email": {"server": "x", "from": "a@b", "to": ["a@b"]}}, "spec.email.server: 'x' is not host:port"),
        ({"email": {"server": "x:1", "from": "a", "to": ["a@b"]}}, "spec.email.from: 'a' is not an address"),
        ({"email": {"server": "x:1", "from": "a@b", "to": ["a@b, c@d"]}}, "is not an address"),
        ({"webhok": {}}, "did you mean webhook?"),
    ],
)
def test_a_bad_channel_is_refused_with_its_path(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        channel(**spec)
    assert reason in str(refused.value)
