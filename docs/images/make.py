"""Take the picture of the page again, from a real `gemelo demo`: python docs/images/make.py [--models FOLDER]

Needs Chromium and the packages of requirements/dev.txt. Waits until a person is seen, so that the picture has a box.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("page.png")
WIDTH, HEIGHT = 1440, 1000
SETTLE = 40.0
"""Seconds until sparklines are filled and rules have fired."""
PATIENCE = 60.0
COLOURS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", help="folder of models and media, as for `gemelo demo`")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    args = parser.parse_args()
    with demo(["--models", args.models] if args.models else []) as page:
        time.sleep(SETTLE)
        png = shoot(page, args.scheme)
    TARGET.write_bytes(smaller(png))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size // 1024} KiB")


@contextmanager
def demo(options: list[str]) -> Iterator[str]:
    """The address of a running demo's page."""
    command = [sys.executable, "-m", "gateway", "demo", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="")
                found = re.match(r"\s+page\s+(http\S+)", line)
                if found:
                    yield found[1]
                    return
            sys.exit("the demo ended before it had a page")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def shoot(page: str, scheme: str) -> bytes:
    """The page down to its rules as PNG, at a moment when a person is in the camera's picture."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
        view.goto(page)
        view.wait_for_timeout(3000)
        rules = view.locator("#rules").bounding_box()  # what follows them is forms: no picture needs those
        height = max(HEIGHT, rules["y"] + rules["height"] + 24 if rules else 0)
        box = view.locator("#cameras .box").first
        until = time.monotonic() + PATIENCE
        while True:
            box.wait_for(timeout=PATIENCE * 1000)
            png = view.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
            if box.is_visible() or time.monotonic() > until:  # else the person left while it was taken
                break
        browser.close()
        return png


def smaller(png: bytes) -> bytes:
    """The same with a palette: a page has few colours."""
    from PIL import Image

    picture = Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
