"""The worked set of predictive maintenance in a whole gateway: from vibration to a work order at a real web server."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.gateway.actions.hooks import Hooks
from tests.gateway.process import ROOT, Gateway, Sensor, until

SET = ROOT / "docs" / "examples" / "predictive-maintenance"
SECOND = 1_000_000


def manifests(hooks: Hooks) -> str:
    """Those of the set, with a server of the test's own, and a moment for a minute."""
    changes = {
        "https://cmms.example.com/api/orders": f"{hooks.url}/orders",
        "https://ntfy.example.com/maintenance": f"{hooks.url}/people",
        "for: 1m": "for: 50ms",
    }
    text = "\n---\n".join((SET / name).read_text("utf-8") for name in ("features.yaml", "wear.yaml", "order.yaml"))
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text


async def shake(sensor: Sensor, begin: int, level: float) -> None:
    """Twelve seconds of vibration, the last of which ends a window of ten; `begin` in seconds since 1970."""
    for second in range(begin, begin + 12):
        twin = {name: {"actual": {"value": f"{value}"}} for name, value in (("rms", level), ("peak", level * 3))}
        await sensor.send({"event_id": f"e-{second}", "timestamp": second * 1000, "twin": twin})
        while (await sensor.hear())["event_id"] != f"e-{second}":
            pass


async def test_a_machine_that_shakes_as_it_never_did_is_told_and_its_work_is_ordered_once(tmp_path: Path) -> None:
    with Hooks() as hooks, Gateway(tmp_path).start() as gateway:
        now = int(time.time()) // 10 * 10 - 600
        past = [
            ("default/vibration-1", "rms.ten-seconds.mean", (now - n * 10) * SECOND, 1.2 + n % 5 / 10)
            for n in range(1, 201)
        ]
        status, said = gateway.ask("POST", "/api/v1/points", {"points": past})
        assert status == 200, said
        gateway.apply(manifests(hooks))
        until(lambda: learned(gateway), 30, lambda: gateway.output)
        async with Sensor(gateway.broker(), "vibration-1") as machine:
            await shake(machine, now, 1.3)
            await shake(machine, now + 20, 3.1)
            until(lambda: posted(hooks, "people"), what=lambda: str(risks(gateway)))
            await shake(machine, now + 40, 6.8)
            await shake(machine, now + 60, 6.9)
            (order,) = until(lambda: posted(hooks, "orders"), what=lambda: str(risks(gateway)))
            await shake(machine, now + 80, 7.0)
        assert json.loads(order) == {"asset": "vibration-1", "priority": "high", "risk": 90}
        assert posted(hooks, "people") == ["vibration-1 has a risk of 60"]
        assert len(posted(hooks, "orders")) == 1
        assert list(dict.fromkeys(risks(gateway))) == [0, 60, 90]
        assert gateway.is_calm()


def learned(gateway: Gateway) -> bool:
    return any(view["state"] == "learned" for view in gateway.ask("GET", "/api/v1/learning")[1])


def risks(gateway: Gateway) -> list[float]:
    """What the risk was, in order."""
    query = "SELECT value FROM points WHERE device = 'wear.vibration-1' AND property = 'risk' ORDER BY time, seq"
    return [value for (value,) in gateway.rows(query)]


def posted(hooks: Hooks, what: str) -> list[str]:
    """What the server was sent at an address, and said yes to."""
    return [call.body.decode() for call in hooks.answered if call.path.endswith(what)]
