"""Messages to people by channels: a web server, a topic of ntfy, a mail."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from typing import TYPE_CHECKING

import msgspec

from gateway.actions.channel import Channel, Email, Hook, Ntfy
from gateway.actions.task import Finished
from gateway.actions.web import Web, secret
from rules.instructions import Act
from rules.tasks import Notify
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity
from twins.schema import nearest

if TYPE_CHECKING:
    from email.message import EmailMessage

ATTEMPT = 10.0
"""Seconds that the mail server may take for each answer."""
PRIORITY: dict[Severity, str] = {"info": "2", "warning": "3", "alert": "4", "error": "5"}
"""Of ntfy: 1 to 5."""


class Notices:
    """The channels by name, as their manifests say (`apply`)."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._channels: dict[str, Channel] = {}

    def apply(self, name: str, channel: Channel | None) -> None:
        """Watcher of the kind `Channel`."""
        if channel is None:
            self._channels.pop(name, None)
        else:
            self._channels[name] = channel

    async def perform(self, act: Act) -> Finished:
        """Do a `Notify`."""
        task = act.task
        assert isinstance(task, Notify)  # what it is registered for
        channel = self._channels.get(task.channel)
        if channel is None:
            raise Rejected(f"there is no Channel {task.channel}; {nearest(task.channel, self._channels)}")
        spec = channel.spec
        if spec.webhook is not None:
            return Finished(await self._hook(spec.webhook, act, task))
        if spec.ntfy is not None:
            return Finished(await self._ntfy(spec.ntfy, act, task))
        assert spec.email is not None  # one of the three is given
        mail = _mail(spec.email, act, task)
        password = b"" if spec.email.password_file is None else await secret(spec.email.password_file)
        await asyncio.to_thread(_post, spec.email, mail, password.decode("utf-8", "replace"))
        return Finished(f"mail to {', '.join(spec.email.to)}")

    async def _hook(self, hook: Hook, act: Act, task: Notify) -> str:
        said = {"id": act.id, "title": task.title, "message": task.message, "severity": task.severity}
        body = msgspec.json.encode(said | {"rule": act.rule, "cause": act.cause, "at": act.at})
        headers = {"Content-Type": "application/json"} | hook.headers
        if (signature := hook.signature) is not None:
            digest = hmac.new(await secret(signature.key_file), body, "sha256").hexdigest()
            headers[signature.header] = f"sha256={digest}"
        return await self._web.call(hook.url, "POST", headers, body, act.id, hook.ca_file or "")

    async def _ntfy(self, ntfy: Ntfy, act: Act, task: Notify) -> str:
        title = task.title.encode("ascii", "replace").decode()
        headers = {"Title": title, "Priority": PRIORITY[task.severity], "Content-Type": "text/plain; charset=utf-8"}
        if ntfy.token_file is not None:
            headers["Authorization"] = f"Bearer {(await secret(ntfy.token_file)).decode('ascii', 'replace')}"
        return await self._web.call(ntfy.url, "POST", headers, task.message.encode(), act.id)


def _mail(email: Email, act: Act, task: Notify) -> EmailMessage:
    """Its id is the action's, by which a mailbox knows a repeat."""
    from email.message import EmailMessage  # few gateways write mails
    from email.utils import formatdate

    mail = EmailMessage()
    mail["From"], mail["To"] = email.sender, ", ".join(email.to)
    mail["Subject"] = f"[{task.severity}] {task.title}"
    mail["Date"] = formatdate(act.at / 1e6)
    mail["Message-ID"] = f"<{act.id}@{email.sender.partition('@')[2]}>"
    mail.set_content(f"{task.message}\n\nrule {act.rule}, cause {act.cause}\n", cte="quoted-printable")
    return mail


def _post(email: Email, mail: EmailMessage, password: str) -> None:
    """In a thread. Raises `Unavailable`, and `Rejected` where the server will never take it."""
    import smtplib

    host, _, port = email.server.rpartition(":")
    trust = ssl.create_default_context()
    try:
        if email.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, int(port), timeout=ATTEMPT, context=trust)
        else:
            server = smtplib.SMTP(host, int(port), timeout=ATTEMPT)
        with server:
            if email.tls == "starttls":
                server.starttls(context=trust)
            if email.user:
                server.login(email.user, password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        reason = f"the mail server refuses {', '.join(error.recipients)}"
        if any(code < 500 for code, _ in error.recipients.values()):
            raise Unavailable(reason) from None
        raise Rejected(reason) from None
    except smtplib.SMTPResponseException as error:
        reason = f"the mail server answers {error.smtp_code} {error.smtp_error!r:.100}"
        if 500 <= error.smtp_code < 600 and not isinstance(error, smtplib.SMTPAuthenticationError):
            raise Rejected(reason) from None
        raise Unavailable(reason) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server: {error}") from None
