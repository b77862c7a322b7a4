"""The cards of the page: columns without holes, the telling properties first, trends by kind, costs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from web.views import CameraView, CostView, DeviceView, PropertyView

pytestmark = pytest.mark.browser

BOXES = "(cards) => cards.map((card) => card.getBoundingClientRect().toJSON())"


def phone(*, valued: int, bare: int = 0) -> DeviceView:
    properties = [PropertyView(f"known-{n}", reported="x", writable=n == 0) for n in range(valued)]
    properties += [PropertyView(f"bare-{n}") for n in range(bare)]
    return DeviceView("default/phone-1", "phone", "online", properties=tuple(properties))


@pytest.mark.parametrize("width", [390, 1280, 1440, 1920])
async def test_cards_stand_in_columns_without_holes_and_in_order(serve, room, browse, width):
    room.put(phone(valued=6))
    for index in range(9):
        room.put(DeviceView(f"default/meter-{index}", properties=(PropertyView("kWh", reported="1"),)))
    async with serve() as (web, _), browse(web.link(), width=width, height=4000) as page:
        await page.locator(".card").nth(5).wait_for()
        if width < 720:
            await page.get_by_role("button", name="Show all 13").click()
        await page.locator(".card .value").nth(12).wait_for()
        boxes = await page.locator(".card").evaluate_all(BOXES)
        assert len(boxes) == 13
        columns = {box["left"]: [each for each in boxes if each["left"] == box["left"]] for box in boxes}
        assert len(columns) == {390: 1, 1280: 2, 1440: 2, 1920: 3}[width]
        for column in columns.values():
            for above, below in pairwise(column):
                assert below["top"] - above["bottom"] == pytest.approx(12, abs=0.6)
        ends = [column[-1]["bottom"] for column in columns.values()]
        assert max(ends) - min(ends) < 220, "columns end at about the same height"
        for column in await page.locator(".column").all():
            ids = await column.locator(".card").evaluate_all("(cards) => cards.map((card) => card.dataset.id)")
            assert ids == sorted(ids)


async def test_a_card_shows_six_telling_properties_and_the_rest_on_demand(serve, room, browse):
    room.put(phone(valued=9, bare=3))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/phone-1"]')
        fold = card.get_by_role("button", name="6 more properties of phone-1")
        await fold.wait_for()
        assert await card.locator("dt").all_inner_texts() == [f"known-{n}" for n in range(6)]
        await fold.focus()
        await page.keyboard.press("Enter")
        fewer = card.get_by_role("button", name="Fewer properties of phone-1", expanded=True)
        await fewer.wait_for()
        assert await card.locator("dt").count() == 12
        await fewer.click()
        await card.locator("dt").nth(6).wait_for(state="detached")


async def test_what_differs_is_among_the_six_and_rows_keep_their_order(serve, room, browse):
    room.put(phone(valued=9))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/phone-1"]')
        await card.get_by_role("button", name="3 more").wait_for()
        room.change("default/phone-1", "known-8", desired="y", drifts=True)
        await card.get_by_text("asked y").wait_for()
        shown = await card.locator("dt").all_inner_texts()
        assert shown == ["known-0", "known-1", "known-2", "known-3", "known-4", "known-8"]


async def test_where_a_person_writes_the_row_stays(serve, room, browse):
    room.put(phone(valued=6))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/phone-1"]')
        await card.get_by_role("button", name="Set known-0").click()
        await card.get_by_role("textbox").fill("half writ")
        more = tuple(PropertyView(f"new-{n}", reported="x", desired="z", drifts=True) for n in range(6))
        room.put(DeviceView("default/phone-1", "phone", "online", properties=(*phone(valued=6).properties, *more)))
        await card.get_by_text("asked z").first.wait_for()
        assert await card.get_by_role("textbox").input_value() == "half writ"


async def test_a_property_that_never_had_a_value_is_not_shown_unless_it_can_be_asked(serve, room, browse):
    properties = (PropertyView("level", reported="4"), PropertyView("dead"), PropertyView("setpoint", writable=True))
    room.put(DeviceView("default/tank-1", "tank", "online", properties=properties))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/tank-1"]')
        await card.get_by_role("button", name="1 more").wait_for()
        assert await card.locator("dt").all_inner_texts() == ["level", "setpoint"]


async def test_booleans_and_whole_numbers_are_drawn_in_steps_and_go_on_live(serve, room, browse):
    trends = {
        "open": ("boolean", "true", (0.0, 1.0)),
        "count": ("int", "3", (1.0, 3.0)),
        "heat": ("float", "2", (1, 2)),
    }
    properties = tuple(PropertyView(name, kind, value, 1, trend=t) for name, (kind, value, t) in trends.items())
    room.put(DeviceView("default/mix-1", "mix", "online", properties=properties))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/mix-1"]')
        lines = card.locator("path.line")
        await lines.nth(2).wait_for(state="attached")
        opened, count, heat = [await line.get_attribute("d") for line in await lines.all()]
        assert opened == "M0 22.0H50.0V2.0H100.0"
        assert count == "M0 22.0H50.0V2.0H100.0"
        assert "L" in heat
        assert "H" not in heat
        room.report("default/mix-1", "open", "false")
        await card.get_by_text("false", exact=True).wait_for()
        assert (await lines.first.get_attribute("d")).endswith("V22.0H100.0"), "the page continues a line of a boolean"


async def test_costs_of_pictures_are_a_bar_with_figures(serve, room, browse):
    view = phone(valued=1)
    network = PropertyView("network.p50_ms", "float", "3.0")
    cost = CostView(queue_ms=1.0, decode_ms=0.01, infer_ms=6.0)
    room.put(DeviceView(view.id, view.model, "online", properties=(*view.properties, network), cost=cost))
    room.show(CameraView("default/cam-1", "online", infer_ms=12.5, queue_ms=2.5))
    async with serve() as (web, _), browse(web.link()) as page:
        card = page.locator('[data-id="default/phone-1"]')
        await card.get_by_text("model 6.0 ms").wait_for()
        assert await card.locator(".figures > span").all_inner_texts() == [
            "network 3.0 ms",
            "queue 1.0 ms",
            "model 6.0 ms",
        ]
        widths = await card.locator(".bar > span").evaluate_all("(parts) => parts.map((part) => part.offsetWidth)")
        assert widths[2] == pytest.approx(6 * widths[1], rel=0.15)
        await page.locator(".camera").get_by_text("queue 2.5 ms").wait_for()


async def test_devices_rules_cameras_and_the_cloud_are_on_the_first_screen_of_a_wide_window(serve, room, browse):
    for index in range(30):
        room.put(DeviceView(f"default/meter-{index}", properties=(PropertyView("kWh", reported="1"),)))
    room.show(CameraView("default/cam-1", "online", width=640, height=360))
    async with serve() as (web, _), browse(web.link(), width=1440) as page:
        await page.locator(".card").nth(20).wait_for()
        for name in ("devices", "rules", "cameras", "cloud", "events"):
            assert (await page.locator(f"#{name}").bounding_box())["y"] < 700, name
