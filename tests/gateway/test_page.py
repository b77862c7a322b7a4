"""The whole way between a device and the page: a real gateway, its mosquitto, a device on MQTT, a real Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.gateway.process import Gateway, Sensor
from tests.gateway.pump import DEVICE, MODEL

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}: apt-get install chromium"),
]

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    with Gateway(tmp_path_factory.mktemp("page")) as gateway:
        gateway.start()
        gateway.apply(f"{MODEL}---{DEVICE}".replace("NAME", "pump-1"))
        yield gateway


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator:
    """A page in Chromium; any error of its console fails the test."""
    playwright = pytest.importorskip("playwright.async_api")
    errors: list[str] = []
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(10_000)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            await page.goto(url)
            yield page
        finally:
            await browser.close()
    assert errors == []


async def test_a_value_changed_at_the_device_appears_on_the_page(gateway):
    async with Sensor(gateway.broker(), "pump-1") as pump, browsing(gateway.url) as page:
        card = page.locator('[data-id="default/pump-1"]')
        await card.get_by_text("pump-1").first.wait_for()
        for flow in ("12.25", "33.75"):
            assert "code" not in await pump.tell(flow=flow)
            await card.get_by_text(flow).wait_for()
        assert await page.title() == "edge-1 · Gemelo"


async def test_a_value_asked_on_the_page_reaches_the_device_and_shows_until_both_agree(gateway):
    async with Sensor(gateway.broker(), "pump-1") as pump, browsing(gateway.url) as page:
        assert "code" not in await pump.tell(speed="10")
        card = page.locator('[data-id="default/pump-1"]')
        await card.get_by_role("button", name="Set speed").click()
        await page.keyboard.press("Control+A")
        await page.keyboard.type("75")
        await page.keyboard.press("Enter")
        asked = await pump.hear("delta")
        assert asked["delta"] == {"speed": "75"}
        await card.get_by_text("asked 75").wait_for()
        assert gateway.device("pump-1")["properties"]["speed"]["drifts"]
        assert "code" not in await pump.tell(speed="75")
        await card.get_by_text("asked 75").wait_for(state="hidden")
        await card.get_by_text("75", exact=True).wait_for()
        assert not gateway.device("pump-1")["properties"]["speed"]["drifts"]


async def test_a_device_nobody_declared_joins_the_page_with_its_first_message(gateway):
    async with browsing(gateway.url) as page:
        async with Sensor(gateway.broker(), "stranger") as sensor:
            assert "code" not in await sensor.tell(noise="7.5")
        card = page.locator('[data-id="default/stranger"]')
        await card.get_by_text("7.5").wait_for()


async def test_the_page_names_the_port_of_the_broker_that_devices_are_to_use(gateway):
    async with Sensor(gateway.broker(), "pump-1"), browsing(gateway.url) as page:
        async with asyncio.timeout(10):
            await page.get_by_text(f"-p {gateway.broker()} ").first.wait_for(state="attached")


RULES = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: overheat}
spec:
  inputs: {temperature: {device: boiler-1, property: temperature}}
  variables: {limit: 60}
  initial: Normal
  states:
    Normal:
      onInput:
        transitions:
          - to: Hot
            name: too-hot
            when: temperature > limit
            do: [{set: {device: fan-1, property: speed, value: "80.0"}}]
    Hot:
      onInput:
        transitions: [{to: Normal, name: cooled, when: temperature < limit - 5.0}]
---
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: draught}
spec:
  inputs: {speed: {device: fan-1, property: speed}}
  initial: Still
  states:
    Still:
      onInput:
        transitions: [{to: Running, name: runs, when: speed >= 50.0, do: [{alert: {message: "the fan runs"}}]}]
    Running: {}
"""


async def test_why_shows_the_values_of_then_and_the_chain_over_two_rules(gateway):
    gateway.apply(RULES)
    async with Sensor(gateway.broker(), "boiler-1") as boiler, Sensor(gateway.broker(), "fan-1") as fan:
        await fan.tell(speed="0")
        await boiler.tell(temperature="81.5")
        await fan.tell(speed="80")
        await boiler.tell(temperature="70")
        async with browsing(gateway.url) as page:
            rule = page.locator(".rule", has_text="overheat")
            await rule.locator('[data-state="Hot"][data-lit]').wait_for()
            await rule.locator("summary", has_text="Why").click()
            assert await rule.locator(".why > ul .held").all_inner_texts() == ["✓ temperature > limit: 81.5 > 60"]
            await rule.get_by_role("button", name="The whole chain").click()
            first, second = rule.locator(".chain > li"), rule.locator(".chain > li > ol > li")
            await second.get_by_text("fan-1/speed = 80").wait_for()
            await first.get_by_text("✓ temperature > limit: 81.5 > 60").wait_for()
            await first.get_by_text("→ asked fan-1: speed = 80 (reported)").wait_for()
            await second.get_by_text("→ runs: Still → Running").wait_for()
            await page.screenshot(path="/tmp/r/page.png", full_page=True)
            await boiler.tell(temperature="20")
            await rule.locator('[data-state="Normal"][data-lit]').wait_for()
            await rule.locator("summary", has_text="Last decisions").click()
            told = rule.locator(".recent > ul > li")
            assert [await told.nth(n).locator(".decision").inner_text() for n in range(2)] == [
                "cooled: Hot → Normal",
                "too-hot: Normal → Hot · asked fan-1: speed = 80",
            ]
            event = page.locator(".event", has_text="the fan runs")
            await event.locator("summary", has_text="Why").click()
            await event.get_by_role("button", name="The whole chain").click()
            await event.locator(".chain [data-asked]").get_by_text("fan-1/speed = 80").wait_for()
            await page.screenshot(path="/tmp/r/page2.png", full_page=True)
    for address, kind in (("overheat/diagram.svg", "image/svg+xml"), ("default/overheat/diagram.mmd", "text/plain")):
        async with ClientSession() as session, session.get(f"{gateway.url}/api/v1/detectors/{address}") as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            assert "live" in await answer.text()


async def test_a_diagram_by_itself_wears_its_own_colours_and_says_what_it_is(gateway):
    gateway.apply(RULES)
    async with browsing(f"{gateway.url}/api/v1/detectors/overheat/diagram.svg") as page:
        box = page.locator('[data-state="Normal"] rect')
        light = await box.evaluate("(box) => getComputedStyle(box).fill")
        await page.emulate_media(color_scheme="dark")
        assert await box.evaluate("(box) => getComputedStyle(box).fill") != light
        assert "temperature > limit" in await page.locator("desc").text_content()
