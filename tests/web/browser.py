"""A real Chromium for the tests of the page. Every test fails on an error in the browser's console."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

Browse = Callable[..., AbstractAsyncContextManager]


@pytest.fixture
def browse() -> Browse:
    """`async with browse(address, width=…, dark=…, expect=…) as page`; `expect` are console errors that may come."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: apt install chromium")
    playwright = pytest.importorskip("playwright.async_api")

    @asynccontextmanager
    async def browsing(
        url: str, *, width: int = 1280, height: int = 900, dark: bool = False, expect: tuple[str, ...] = (), **options
    ) -> AsyncIterator:
        errors: list[str] = []
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            page = await browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
            )
            page.set_default_timeout(10_000)
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
            try:
                await page.goto(url)
                yield page
            finally:
                await browser.close()
        assert [error for error in errors if not any(part in error for part in expect)] == []

    return browsing
