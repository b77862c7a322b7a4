"""What rules decided and what happened, as the page tells it."""

from __future__ import annotations

import pytest

from web.views import EventView, InstanceView, RuleView

pytestmark = pytest.mark.browser

DIAGRAM = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 900">
<g data-state="Shut"><rect x="100" y="100" width="140" height="44" rx="8"/><text x="170" y="127">Shut</text></g>
<g data-state="Open"><rect x="350" y="100" width="140" height="44" rx="8"/><text x="420" y="127">Open</text></g>
<g data-from="Shut" data-to="Open"><path d="M240 122H350"/></g>
<g data-from="Open" data-to="Shut"><path d="M420 144C420 190 170 190 170 144"/></g></svg>"""


def doors(now: int, *states: str, **counts: int) -> RuleView:
    machines = tuple(
        InstanceView(
            f"default/door-{n}",
            state,
            now,
            decision=f"moved: ? → {state} · told: default/door-{n} moved",
            cause=f"mqtt:1:{n}",
            why="default/door-1: open came\n✓ open\n✗ !open\n→ moved",
            decided=now + n,
        )
        for n, state in enumerate(states)
    )
    return RuleView("default/doors", "Tells of doors", DIAGRAM, instances=machines, states=counts)


async def test_a_rule_shows_how_many_machines_are_where_and_which_way_was_taken(serve, room, browse):
    now = room.clock.now()
    room.decide(doors(now, "Shut", "Open", Shut=140, Open=1))
    async with serve() as (web, _), browse(web.link(), width=1440) as page:
        rule = page.locator(".rule", has_text="doors")
        await rule.locator('[data-state="Shut"] .badge', has_text="99+").wait_for()
        await rule.locator('[data-state="Open"] .badge', has_text="1").wait_for()
        assert await rule.get_by_role("img", name="now in: 140 Shut, 1 Open").count() == 1
        room.decide(doors(now, "Open", "Open", Shut=0, Open=141))
        await rule.locator('[data-from="Shut"][data-taken]').wait_for(state="attached")
        assert await rule.locator('[data-from="Open"][data-taken]').count() == 0
        await rule.locator('[data-state="Shut"] .badge').wait_for(state="hidden")


async def test_a_diagram_fills_its_place_whatever_border_it_was_drawn_with(serve, room, browse):
    room.decide(doors(room.clock.now(), "Shut", Shut=1))
    async with serve() as (web, _), browse(web.link(), width=1440) as page:
        drawing = page.locator(".rule", has_text="doors").locator("svg")
        await drawing.wait_for()
        assert await drawing.get_attribute("viewBox") == "88 78 414 113"


async def test_the_last_decision_is_told_with_its_reason_and_stands_still_while_it_is_read(serve, room, browse):
    now = room.clock.now()
    room.decide(doors(now, "Shut", "Open"))
    async with serve() as (web, _), browse(web.link(), width=1440) as page:
        rule = page.locator(".rule", has_text="doors")
        decided = rule.locator(".decided")
        await decided.get_by_text("moved: ? → Open · told: door-1 moved").wait_for()
        await rule.locator("summary", has_text="Why").click()
        assert await rule.locator(".why .held").all_inner_texts() == ["✓ open"]
        assert await rule.locator(".why .failed").all_inner_texts() == ["✗ !open"]
        await rule.get_by_text("cause mqtt:1:1").wait_for()
        room.decide(doors(now, "Shut", "Open", "Shut"))
        await rule.locator("summary", has_text="3 machines").click()
        await rule.locator(".machines li", has_text="door-2").wait_for()
        assert "door-1" in await decided.inner_text()


async def test_repeated_events_are_one_line_with_a_count(serve, room, browse):
    now = room.clock.now()

    def event(n: int, message: str) -> EventView:
        return EventView(f"r{n}", now + n, "alert", "default/door-3", "alert", message)

    for n in range(1, 4):
        room.happen(event(n, f"default/door-3 is open (reminder {n})"))
    async with serve() as (web, _), browse(web.link()) as page:
        await page.locator(".event").nth(1).wait_for()
        first = page.locator(".event").first
        assert await first.locator(".message").inner_text() == "door-3 is open (reminder 3)"
        assert await first.locator(".again").inner_text() == "3 times"
        room.happen(event(4, "default/door-3 was forced"))
        await page.locator(".event").nth(2).wait_for()
        room.happen(event(5, "default/door-3 is open (reminder 4)"))
        await first.get_by_text("4 times").wait_for()
        assert await page.locator(".event").count() == 3
        await first.get_by_text("Why").click()
        await first.get_by_text("before: ").wait_for()


async def test_an_alert_with_a_picture_shows_it_small_and_in_full_and_a_lost_picture_leaves_no_gap(
    serve, room, album, browse, picture
):
    now = room.clock.now()
    album.kept["camera-1-4"] = picture
    for n, key in enumerate(("camera-1-3", "camera-1-4")):
        room.happen(EventView(f"p{n}", now, "alert", "default/cam-1", "alert", "1 person(s)", picture=key))
    async with serve() as (web, _), browse(web.link(), expect=("404",)) as page:
        items = page.locator(".event", has_text="1 person(s)")
        await items.nth(1).wait_for()
        await items.nth(1).locator(".thumb").wait_for(state="detached")
        shown = items.nth(0).locator(".thumb img")
        await shown.scroll_into_view_if_needed()
        await page.wait_for_function("(image) => image.naturalWidth === 320", arg=await shown.element_handle())
        await items.nth(0).get_by_role("button", name="Enlarge the picture").click()
        full = page.locator("#picture[open] img")
        await page.wait_for_function("(image) => image.naturalWidth === 320", arg=await full.element_handle())


async def test_a_cut_cloud_counts_its_time_from_the_cut_and_shows_what_waited(serve, room, browse):
    now = room.clock.now()
    async with serve() as (web, _), browse(web.link()) as page:
        ledger = page.locator("#ledger")
        await ledger.get_by_text("In step").wait_for()
        assert not await ledger.locator(".waited").is_visible()
        room.sync(state="cut", reason="refused", since=now - 40_000_000, pending=7)
        await ledger.get_by_text("for 4").wait_for()
        room.sync(state="connecting", since=now)
        room.sync(state="cut", since=now, pending=9)
        await ledger.locator(".pending dd", has_text="9").wait_for()
        await ledger.get_by_text("Cut off").wait_for()
        assert "for 4" in await ledger.locator("p.line").inner_text()
        await ledger.locator(".waited").wait_for()


async def test_a_diagram_too_wide_for_its_place_shows_where_something_is_and_can_be_seen_whole(serve, room, browse):
    boxes = "".join(
        f'<g data-state="S{n}"><rect x="{300 * n}" y="0" width="140" height="44"/><text x="{300 * n}">S</text></g>'
        for n in range(9)
    )
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2600 60">{boxes}</svg>'
    now = room.clock.now()
    room.decide(RuleView("plant/line", "", drawn, instances=(InstanceView("k", "S8", now),), states={"S8": 1}))
    async with serve() as (web, _), browse(web.link(), width=1440) as page:
        rule = page.locator(".rule", has_text="line")
        whole = rule.get_by_role("link", name="The whole diagram")
        await whole.wait_for()
        assert await whole.get_attribute("href") == "/api/v1/detectors/plant/line/diagram.svg"
        figure = await rule.locator(".diagram").bounding_box()
        lit = await rule.locator("[data-lit] rect").bounding_box()
        assert figure["x"] <= lit["x"] <= lit["x"] + lit["width"] <= figure["x"] + figure["width"]
        assert lit["height"] >= 30, "too small to read"
        narrow = page.locator(".rule", has_text="overheat")
        assert await narrow.get_by_role("link", name="The whole diagram").count() == 0
