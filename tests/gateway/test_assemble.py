from __future__ import annotations

import asyncio
from pathlib import Path

from runtime.clock import SystemClock
from store.journal import Journal
from tests.clock import in_virtual_time
from tests.gateway.service import Process
from tests.gateway.stage import Disk, Stage, body, rule
from twins.exchange import Batch, Recovered


@in_virtual_time
async def remember(disk: Disk) -> None:
    """A rule that waits an hour, one that stays as it is, and a device for which both have begun."""
    stage = Stage(disk)
    waits = {"name": "go", "to": "B", "when": "t > 5.0", "for": "1h"}
    async with stage.running():
        for name in ("changes", "stays"):
            manifest = rule(name, states={"A": {"onInput": {"transitions": [waits]}}, "B": {}})
            await stage.registry.apply(manifest, "test")
        await stage.report(t="9")


async def keep(folder: Path, found: Recovered) -> None:
    """Write what another gateway left."""
    journal = Journal(folder, SystemClock())
    await journal.open()
    journal.append(
        Batch(
            twins=dict(found.twins), rules=dict(found.rules), timers=dict(found.timers), manifests=dict(found.manifests)
        )
    )
    await journal.close()


async def look(folder: Path) -> Recovered:
    journal = Journal(folder, SystemClock())
    try:
        return await journal.open()
    finally:
        await journal.close()


def test_what_a_changed_rule_does_not_know_any_more_is_off_the_disk_after_a_start(tmp_path: Path) -> None:
    disk = Disk()
    remember(disk)
    found = disk.found()
    assert {timer.partition("#")[0] for timer in found.timers} == {
        "default/changes/default/d1",
        "default/stays/default/d1",
    }
    soon = SystemClock().now() + 3_600_000_000
    found.timers = {timer: (soon, cause) for timer, (_, cause) in found.timers.items()}
    found.manifests["Detector", "default/changes"] = body(rule("changes", initial="C", states={"C": {}}))
    with Process(tmp_path) as gateway:
        (tmp_path / "data").mkdir()
        asyncio.run(keep(tmp_path / "data", found))
        gateway.start().ready()
        states = {view["name"]: [i["state"] for i in view["instances"]] for view in gateway.get("/api/v1/rules")}
        assert states == {"default/changes": [], "default/stays": ["A"]}
        assert gateway.stop() == 0
    after = asyncio.run(look(tmp_path / "data"))
    assert [timer.partition("#")[0] for timer in after.timers] == ["default/stays/default/d1"]
    assert after.rules == {"default/stays/default/d1": found.rules["default/stays/default/d1"]}
