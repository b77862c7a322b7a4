"""The page in a real Chromium. Every test fails on an error in the browser's console."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from web.config import WebConfig
from web.views import (
    BoxView,
    CameraView,
    DeviceView,
    EventView,
    Health,
    HintView,
    InstanceView,
    PartView,
    PropertyView,
    QueryView,
    RuleView,
)

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=alert(1)>"
DIAGRAM = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 60">
<defs><marker id="a" refX="8" refY="4" markerWidth="8" markerHeight="8"><path d="M0 0L8 4L0 8z"/></marker></defs>
<g data-state="normal"><rect x="2" y="14" width="90" height="32" rx="16"/>
<text x="47" y="34" text-anchor="middle">normal</text></g>
<g data-state="hot"><rect x="202" y="14" width="90" height="32" rx="16"/>
<text x="247" y="34" text-anchor="middle">hot</text></g>
<path d="M92 30H200" marker-end="url(#a)"/><text x="146" y="24" text-anchor="middle">over 30 °C</text></svg>"""


async def test_a_changed_value_appears_on_the_page(serve, room, browse, tmp_path):
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/thermo-1"]')
        await card.get_by_text("21.4").wait_for()
        room.report("default/thermo-1", "temperature", "33.3")
        await card.get_by_text("33.3").wait_for()
        assert await page.title() == "edge-1 · Gemelo"
        assert await page.locator("#devices-count").inner_text() == "2 of 3 online"
        await page.screenshot(path=tmp_path / "console.png", full_page=True)
    assert (tmp_path / "console.png").stat().st_size > 20_000


async def test_what_is_asked_on_the_page_reaches_the_device_and_shows_until_it_agrees(serve, room, browse):
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/pump-1"]')
        await card.get_by_role("switch").click()
        await card.get_by_text("asked true").wait_for()
        assert room.asked == [("default/pump-1", "power", "true", "console")]
        room.report("default/pump-1", "power", "true")
        await card.get_by_text("asked true").wait_for(state="hidden")
        await card.get_by_role("button", name="Set level").click()
        await page.keyboard.press("Control+A")
        await page.keyboard.type("75")
        await page.keyboard.press("Enter")
        await card.get_by_text("asked 75").wait_for()
    assert room.asked[1] == ("default/pump-1", "level", "75", "console")


async def test_a_refused_wish_says_why_beside_the_control(serve, room, browse):
    room.put(DeviceView("default/odd", state="online", properties=(PropertyView("mode", writable=True),)))
    async with serve() as (web, _), browse(web.link(), expect=("409",)) as page:
        card = page.locator('[data-id="default/odd"]')
        await card.get_by_role("button", name="Set mode").click()
        room.change("default/odd", "mode", writable=False)
        await card.get_by_role("textbox").fill("x")
        await page.keyboard.press("Enter")
        await card.get_by_text("read-only").wait_for()


async def test_markup_in_names_values_and_messages_shows_as_text(serve, room, browse):
    room.put(DeviceView(f"default/{EVIL}", EVIL, EVIL, properties=(PropertyView(EVIL, reported=EVIL, unit=EVIL),)))
    instances = (InstanceView(EVIL, EVIL, decision=EVIL),)
    room.decide(RuleView(EVIL, EVIL, svg=EVIL, mermaid=EVIL, instances=instances))
    room.happen(EventView("e2", room.clock.now(), EVIL, EVIL, "alert", EVIL, cause=EVIL, why=EVIL))
    room.hints = (HintView(EVIL, EVIL),)
    room.queries = (QueryView(EVIL, f"select '{EVIL}' as \"{EVIL}\""),)
    room.well = Health(live=True, ready=True, parts=(PartView(EVIL, "down", EVIL),))
    room.sync(state="cut", reason=EVIL)
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator(".card", has_text=EVIL)
        await card.locator(".value", has_text=EVIL).wait_for()
        await page.locator("#queries button").click()
        await page.locator("#rows td", has_text=EVIL).wait_for()
        await card.get_by_role("button").first.click()
        await page.locator("dialog[open]").get_by_text(EVIL).first.wait_for()
        assert await page.locator("img[src='x']").count() == 0


async def test_of_a_diagram_only_shapes_and_text_pass(serve, room, browse):
    """The browser itself reports what it refuses to run while it reads the SVG: that is expected here."""
    evil = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="alert(1)"><script>alert(1)</script>
<a href="javascript:alert(1)"><text>linked</text></a><foreignObject><body onload="alert(1)"/></foreignObject>
<image href="http://192.0.2.1/"/><use href="#x"/><style>body { display: none }</style>
<text style="fill:red" onclick="alert(1)" data-state="hot">hot</text></svg>"""
    room.decide(RuleView("overheat", svg=evil, instances=(InstanceView("a", "hot"),)))
    async with serve() as (web, _), browse(web.link(), expect=("Content Security Policy",)) as page:
        await page.locator(".diagram text[data-lit]", has_text="hot").wait_for()
        drawn = await page.locator(".diagram svg").evaluate(
            "(svg) => [...svg.querySelectorAll('*')].map((one) => one.localName)"
        )
        assert drawn == ["text"]
        assert await page.locator(".diagram text").evaluate("(text) => text.getAttributeNames()") == [
            "data-state",
            "data-lit",
        ]


async def test_rules_light_the_state_they_are_in(serve, room, browse):
    now = room.clock.now()
    rule = RuleView("overheat", "Cools what is hot", DIAGRAM, instances=(InstanceView("thermo-1", "normal", now),))
    room.decide(rule)
    async with serve() as (web, _), browse(web.link()) as page:
        await page.locator('.diagram g[data-state="normal"][data-lit]').wait_for()
        hot = InstanceView("thermo-1", "hot", now, "31.2 °C is over 30 °C for 10 s")
        room.decide(RuleView("overheat", "Cools what is hot", DIAGRAM, instances=(hot,)))
        await page.locator('.diagram g[data-state="hot"][data-lit]').wait_for()
        assert await page.locator('.diagram g[data-state="normal"][data-lit]').count() == 0
        assert await page.get_by_role("img", name="State diagram of overheat, now in: hot").count() == 1


async def test_boxes_lie_over_the_picture_they_belong_to(serve, room, album, browse, picture):
    album.newest["default/cam-1"] = (1, picture)
    album.kept["e/1.jpg"] = album.newest["default/cam-1"][1]
    box = BoxView("person", 0.91, 0.25, 0.5, 0.5, 0.25, track=3)
    room.show(CameraView("default/cam-1", "ok", fps=12.5, skipped=4, infer_ms=18.2, width=320, height=180, picture=1))
    room.happen(EventView("e2", room.clock.now(), "Intruder", "default/cam-1", "alert", "A person", picture="e/1.jpg"))
    async with serve() as (web, _), browse(web.link()) as page:
        await page.locator(".frame img[src*='version=1']").wait_for()
        assert await page.locator(".box").count() == 0
        album.newest["default/cam-1"] = (2, picture)
        room.show(
            CameraView("default/cam-1", "ok", fps=12.5, infer_ms=18.2, width=320, height=180, boxes=(box,), picture=2)
        )
        await page.locator(".frame img[src*='version=2']").wait_for()
        frame = await page.locator(".frame").bounding_box()
        drawn = await page.locator(".box").bounding_box()
        assert abs((drawn["x"] - frame["x"]) / frame["width"] - 0.25) < 0.02
        assert abs(drawn["width"] / frame["width"] - 0.5) < 0.02
        await page.get_by_text("person #3 91 %").wait_for()
        await page.get_by_text("12.5 fps").wait_for()
        await page.get_by_role("button", name="Enlarge the picture").click()
        await page.locator("#picture[open] img").wait_for()


async def test_the_ledger_turns_amber_when_the_cloud_is_cut_and_back(serve, room, browse):
    async with serve() as (web, _), browse(web.link()) as page:
        ledger = page.locator("#ledger")
        await ledger.get_by_text("In step").wait_for()
        room.sync(state="cut", reason="connection refused", pending=41)
        await ledger.get_by_text("Cut off").wait_for()
        await ledger.get_by_text("41").wait_for()
        await ledger.get_by_text("connection refused").wait_for()
        room.sync(state="connected", pending=0, sent=53, confirmed=53)
        await ledger.get_by_text("In step").wait_for()
        assert await ledger.locator(".confirmed dd").inner_text() == "53"


async def test_an_event_appears_with_its_cause_and_alerts_are_spoken(serve, room, browse):
    async with serve() as (web, _), browse(web.link()) as page:
        await page.get_by_text("thermo-1 is hot").wait_for()
        alert = EventView(
            "e2",
            room.clock.now(),
            "Alarm",
            "default/door-1",
            "alert",
            "Door open",
            cause="mqtt:1:8",
            why="open for 60 s",
        )
        room.happen(alert)
        first = page.locator(".event").first
        await first.get_by_text("Door open").wait_for()
        await first.get_by_text("Why").click()
        await first.get_by_text("open for 60 s").wait_for()
        await first.get_by_text("mqtt:1:8").wait_for()
        assert await page.locator("#announce").inner_text() == "Door open"


async def test_sql_runs_from_the_keyboard_and_shows_rows_or_the_reason(serve, tables, room, browse):
    tables.add("2026-01-01", "thermo-1", "temperature", 21.5)
    room.queries = (QueryView("Hottest", "select device, value from points"),)
    async with serve() as (web, _), browse(web.link(), expect=("400",)) as page:
        await page.get_by_role("button", name="Hottest").click()
        await page.get_by_role("cell", name="21.5").wait_for()
        await page.get_by_text("1 row in 1.2 ms").wait_for()
        await page.get_by_label("SQL", exact=True).fill("selec")
        await page.keyboard.press("Control+Enter")
        await page.get_by_text("syntax error").wait_for()


async def test_a_twin_in_full_shows_both_sides_and_the_past(serve, room, browse):
    async with serve() as (web, _), browse(web.link()) as page:
        await page.get_by_role("button", name="thermo-1").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_text("edge 40 · cloud 0").wait_for()
        await dialog.locator(".past path.line").wait_for(state="attached")
        room.report("default/thermo-1", "temperature", "35.5")
        await dialog.get_by_text("35.5").wait_for()
        await page.keyboard.press("Escape")
        assert await page.get_by_role("dialog").count() == 0


async def test_the_page_says_that_the_gateway_is_away_and_comes_back_by_itself(serve, room, browse):
    async with AsyncExitStack() as stack:
        async with serve() as (web, _):
            page = await stack.enter_async_context(browse(web.link(), expect=("ERR_CONNECTION_REFUSED",)))
            await page.locator('[data-id="default/thermo-1"]').get_by_text("21.4").wait_for()
        await page.get_by_text("The gateway is away").wait_for()
        await page.get_by_text("You see what was known at").wait_for()
        room.leave("default/pump-1")
        room.report("default/thermo-1", "temperature", "9.9")
        async with serve(WebConfig(listen=web.address)):
            await page.locator('[data-id="default/thermo-1"]').get_by_text("9.9").wait_for()
            assert not await page.locator("#banner").is_visible()
            assert await page.locator('[data-id="default/pump-1"]').count() == 0


async def test_a_one_time_link_opens_the_page_and_leaves_no_key_in_the_address(serve, browse):
    config = WebConfig(listen="127.0.0.1:0", token="a-token-of-20-letters")
    async with serve(config) as (web, _), browse(web.link()) as page:
        await page.get_by_text("21.4").wait_for()
        assert page.url == f"http://{web.address}/"


async def test_without_a_link_the_page_asks_for_the_token(serve, browse):
    config = WebConfig(listen="127.0.0.1:0", token="a-token-of-20-letters")
    async with (
        serve(config) as (web, _),
        browse(f"http://{web.address}/", expect=("401", "HTTP Authentication failed")) as page,
    ):
        await page.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await page.get_by_text("not one of ours").wait_for()
        await page.get_by_label("Token").fill("a-token-of-20-letters")
        await page.keyboard.press("Enter")
        await page.get_by_text("21.4").wait_for()


async def test_devices_are_found_and_folded(serve, room, browse):
    for index in range(60):
        room.put(
            DeviceView(f"default/meter-{index}", "meter", "online", properties=(PropertyView("kWh", reported="1"),))
        )
    async with serve() as (web, _), browse(web.link()) as page:
        await page.get_by_role("button", name="Show all 63").click()
        await page.get_by_role("button", name="Show fewer").wait_for()
        assert await page.locator(".card").count() == 63
        await page.get_by_label("Find a device").fill("meter-5")
        await page.locator(".card").nth(11).wait_for(state="detached")
        assert await page.locator(".card").count() == 11
        await page.get_by_label("Find a device").fill("")
        await page.get_by_role("button", name="Away").click()
        await page.locator(".card").nth(1).wait_for(state="detached")
        assert await page.locator(".card").get_attribute("data-id") == "plant-2/door-1"


@pytest.mark.parametrize("width", [390, 768, 1280])
async def test_nothing_is_wider_than_the_window(serve, room, browse, width):
    long = "a-very-long-name-" * 12
    room.put(DeviceView(f"default/{long}", long, "online", properties=(PropertyView(long, reported=long, unit=long),)))
    room.happen(EventView("e2", room.clock.now(), long, long, "alert", long, cause=long))
    room.hints = (HintView(long, long * 3),)
    async with serve() as (web, _), browse(web.link(), width=width) as page:
        await page.locator(".card").nth(3).wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_every_control_has_a_name_and_every_section_a_heading(serve, room, browse):
    async with serve() as (web, _), browse(web.link()) as page:
        await page.locator(".card").nth(2).wait_for()
        unnamed = await page.evaluate(
            """() => [...document.querySelectorAll("button, input, textarea, select, img, [tabindex]")]
                .filter((one) => one.checkVisibility())
                .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
                .filter((one) => !one.hasAttribute("alt"))
                .map((one) => one.outerHTML)"""
        )
        assert unnamed == []
        for name in ("Devices", "Rules", "Ask the store", "Cameras", "Cloud", "Events"):
            assert await page.get_by_role("region", name=name, exact=True).count() == 1, name
        assert await page.get_by_role("banner").count() == 1
        assert await page.get_by_role("main").count() == 1


@pytest.mark.slow
async def test_a_thousand_devices_changing_leave_the_page_responsive(serve, room, browse):
    """Ten rounds of a thousand changes: the page shows the last of them, and no frame was blocked for long."""
    trend = tuple(float(index % 7) for index in range(40))
    for index in range(1000):
        number = PropertyView("value", "float", "0", room.clock.now(), trend=trend)
        room.put(DeviceView(f"default/many-{index}", "many", "online", properties=(number,)))
    async with serve() as (web, _), browse(web.link()) as page:
        await page.get_by_role("button", name="Show all 1003").click()
        await page.evaluate(
            """() => { let last = performance.now(); window.longest = 0;
                const tick = (now) => {
                    window.longest = Math.max(window.longest, now - last);
                    last = now;
                    requestAnimationFrame(tick);
                };
                requestAnimationFrame(tick); }"""
        )
        for number in range(1, 11):
            for index in range(1000):
                room.report(f"default/many-{index}", "value", str(number))
            await page.mouse.wheel(0, 400)
            await page.evaluate("new Promise(requestAnimationFrame)")
        await page.locator(".card:has-text('many-')", has_text="10").first.wait_for()
        last = page.locator('[data-id="default/many-999"]')
        await last.scroll_into_view_if_needed()
        await last.locator(".value", has_text="10").wait_for()
        longest = await page.evaluate("window.longest")
    print(f"longest time between two frames with 1,000 devices changing: {longest:.0f} ms")
    assert longest < 500
