"""The whole way between a device and the page: a real gateway, its mosquitto, a device on MQTT, a real Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

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
