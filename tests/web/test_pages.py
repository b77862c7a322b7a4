"""The files of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "web" / "static"


async def test_the_page_and_all_its_files_are_served_with_their_types(serve):
    async with serve() as (_, client):
        async with client.get("/") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert b"Gemelo" in await answer.read()
        for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css"), ("mark.svg", "image/svg+xml")):
            async with client.get(f"/static/{name}") as answer:
                assert (answer.status, answer.content_type) == (200, kind)


async def test_an_unchanged_file_is_not_sent_twice(serve):
    async with serve() as (_, client):
        async with client.get("/static/app.js") as answer:
            tag = answer.headers["ETag"]
        async with client.get("/static/app.js", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["..%2f..%2fpyproject.toml", "%2e%2e/views.py", "..%5cviews.py", "x%00.js", "views.py"]
)
async def test_nothing_but_the_files_of_the_page_is_reached(serve, path):
    async with serve() as (_, client), client.get(f"/static/{path}") as answer:
        assert answer.status == 404


def test_the_page_takes_nothing_from_elsewhere_and_has_nothing_inline():
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path.name
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", page)


def test_no_script_makes_elements_from_text():
    for path in STATIC.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", path.read_text()
        )
