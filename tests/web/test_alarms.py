"""Alarms over HTTP and on the page: what there is to see, and what a person commands."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from web.views import AlarmView

ALL = ("acknowledge", "snooze", "disable", "reset")


def hot(now: int, state: str = "Active", *commands: str, **more: object) -> AlarmView:
    base = AlarmView(
        "default/hot", "default/t-1", state, "alert", now, "default/t-1 has 90 °C", raised=now - 65_000_000, count=3
    )
    return replace(base, commands=commands, **more)


async def test_alarms_are_listed_and_commanded(serve, room):
    room.alarm(hot(5, "Active", *ALL), hot(6, "Latched", "reset", key="a b/c%d"))
    async with serve() as (_, client):
        async with client.get("/api/v1/alarms") as answer:
            assert [each["state"] for each in await answer.json()] == ["Active", "Latched"]
        async with client.get("/api/v1/alarms?state=Latched&count=5") as answer:
            assert [each["key"] for each in await answer.json()] == ["a b/c%d"]
        async with client.get("/api/v1/alarms?count=0") as answer:
            assert answer.status == 400
        body = {"who": "anna", "note": "seen", "for": "5m"}
        async with client.post("/api/v1/alarms/default/hot/default/t-1/snooze", json=body) as answer:
            assert (answer.status, await answer.json()) == (200, {"cause": "alarm:1:1"})
        async with client.post("/api/v1/alarms/default/hot/a%20b%2Fc%25d/reset") as answer:
            assert answer.status == 200
        async with client.post("/api/v1/alarms/default/hot/default/t-1/enable") as answer:
            assert answer.status == 409
        async with client.post("/api/v1/alarms/default/hot/default/t-1/snooze", json={"till": 5}) as answer:
            assert answer.status == 400
    assert room.commanded == [
        ("default/hot", "default/t-1", "snooze", "anna", "seen", "5m"),
        ("default/hot", "a b/c%d", "reset", "api", "", "None"),
    ]


@pytest.mark.browser
async def test_the_page_shows_alarms_first_with_the_commands_that_make_sense(serve, room, browse):
    now = room.clock.now()
    async with serve() as (web, _), browse(web.link(), expect=("409",)) as page:
        await page.locator('[data-id="default/thermo-1"]').wait_for()
        assert not await page.locator("#alarms").is_visible()
        room.alarm(hot(now, "Active", *ALL), hot(now, "SnoozeDisabled", "enable", key="default/t-2", until=now + 10**9))
        row = page.locator(".alarm", has_text="t-1 has 90 °C").first
        await row.get_by_text("hot · t-1").wait_for()
        assert await row.get_by_role("button").all_inner_texts() == ["Acknowledge", "Snooze", "Reset", "Disable"]
        await page.get_by_text("1 alarm to acknowledge").wait_for()
        await row.get_by_text("raised 1 min ago").wait_for()
        assert await page.locator(".alarm", has_text="Snoozed").get_by_role("button").all_inner_texts() == ["Enable"]
        async with page.expect_response("**/api/v1/alarms/default/hot/default%2Ft-1/acknowledge"):
            await row.get_by_role("button", name="Acknowledge").click()
        assert room.commanded == [("default/hot", "default/t-1", "acknowledge", "page", "", "None")]
        room.alarms = [replace(room.alarms[0], commands=())]
        await row.get_by_role("button", name="Snooze").click()
        await row.get_by_text("acknowledged already").wait_for()
        room.alarm(hot(now, "Acknowledged", "snooze", "reset", who="anna", note="I look"))
        await row.get_by_text("3 times · by anna: I look").wait_for()
        room.alarm()
        await page.locator("#alarms").wait_for(state="hidden")
