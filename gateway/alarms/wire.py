"""What MQTT hears of alarms, and how it commands them. Pure; times on the wire are milliseconds.

    gemelo/alarms/state/{namespace}/{alarm}/{key}      how it stands, retained; empty once it is gone
    gemelo/alarms/command/{namespace}/{alarm}/{key}    {"command": "acknowledge", "who": "anna", "note": "I look at it"}
    gemelo/alarms/result/{namespace}/{alarm}/{key}     what became of a command

A key has its slashes as levels of the topic; `+`, `#`, `%` and what is not printable are written as in URLs.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct, field, structs

from rules.alarms.standing import Standing
from twins.duration import Duration
from twins.errors import Rejected

STATE, COMMAND, RESULT = ("gemelo/alarms/state/", "gemelo/alarms/command/", "gemelo/alarms/result/")
LIMIT = 4096
"""Bytes of a command."""
_PLAIN = "/ !\"$&'()*,:;<=>?@[\\]^`{|}"
_TIMES = ("since", "raised", "until")


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """A command as it is written; `id` comes back in the result."""

    command: str
    who: str = ""
    note: str = ""
    length: Duration | None = field(default=None, name="for")
    id: str = ""


def place(alarm: str, key: str) -> str:
    """What follows the root of a topic."""
    return f"{alarm}/{quote(key, safe=_PLAIN)}"


def state(each: Standing) -> tuple[str, bytes]:
    """Topic and payload that tell how an alarm stands; nothing as payload for one that is gone."""
    topic = STATE + place(each.alarm, each.key)
    if not each.state:
        return topic, b""
    body: dict[str, Any] = structs.asdict(each)
    return topic, msgspec.json.encode(body | {name: body[name] // 1000 for name in _TIMES})


def command(topic: str, payload: bytes) -> tuple[str, str, Wish]:
    """Alarm, key and what is commanded. Raises `Rejected`."""
    words = topic.removeprefix(COMMAND).split("/", 2)
    if len(words) != 3 or not all(words):
        raise Rejected(f"the topic names no alarm and key: {COMMAND}NAMESPACE/ALARM/KEY")
    if len(payload) > LIMIT:
        raise Rejected(f"a command of {len(payload)} bytes: {LIMIT} are allowed")
    try:
        wish = msgspec.json.decode(payload, type=Wish)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f'no command such as {{"command": "acknowledge"}}: {error}') from None
    return f"{words[0]}/{words[1]}", unquote(words[2]), wish


def result(alarm: str, key: str, wish: Wish, outcome: str, fault: Rejected | None = None) -> tuple[str, bytes]:
    """Topic and payload of what became of a command: its cause, or why it was refused."""
    said: dict[str, Any] = {"id": wish.id, "command": wish.command[:40]}
    said |= {"cause": outcome} if fault is None else {"code": fault.code, "reason": fault.reason}
    return RESULT + place(alarm, key), msgspec.json.encode(said)
