"""Real pip and npm against wheels, a registry and servers of the test's own on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from inference.catalogue import Catalogue, Entry, Npm, Pypi, Source, Url
from inference.depot import Depot
from twins.errors import Rejected, Unavailable

CONTENT = b"a model's weights, more or less"


def _entry(source: Source, content: bytes = CONTENT) -> Entry:
    digest = hashlib.sha256(content).hexdigest()
    return Entry("thing", "model", "test", "1.0", "thing.bin", len(content), digest, "MIT", source)


def _depot(path: Path, entry: Entry) -> Depot:
    return Depot(path / "models", Catalogue((entry,), ()))


def _pypi(path: str = "carrier/data/thing.bin") -> Pypi:
    return Pypi("gemelo-test-carrier", "1.0", path, 1000)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip takes wheels, and it alone."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = "gemelo_test_carrier-1.0"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/data/thing.bin", CONTENT)
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: gemelo-test-carrier\nVersion: 1.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _leftovers(depot: Depot) -> list[str]:
    return [path.name for path in depot.folder.iterdir()]


@pytest.mark.usefixtures("wheels")
async def test_a_file_is_taken_out_of_its_wheel_checked_and_kept(tmp_path: Path) -> None:
    said: list[str] = []
    depot = _depot(tmp_path, _entry(_pypi()))
    assert depot.find("thing") is None
    assert depot.verify("thing") == "missing"
    path = await depot.pull("thing", said.append)
    assert path.read_bytes() == CONTENT
    assert (depot.find("thing"), depot.verify("thing")) == (path, "ready")
    assert _leftovers(depot) == ["thing.bin"]
    assert said[0].startswith("thing: from pypi gemelo-test-carrier 1.0")


@pytest.mark.usefixtures("wheels")
async def test_what_is_here_is_not_fetched_again_and_what_is_damaged_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    depot = _depot(tmp_path, _entry(_pypi()))
    path = await depot.pull("thing")
    path.write_bytes(CONTENT[::-1])
    assert depot.verify("thing") == "damaged"
    await depot.pull("thing")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    await depot.pull("thing", said.append)
    assert said == ["thing: here already"]


@pytest.mark.usefixtures("wheels")
async def test_a_file_that_is_not_the_catalogues_is_not_kept(tmp_path: Path) -> None:
    depot = _depot(tmp_path, _entry(_pypi(), CONTENT[::-1]))
    with pytest.raises(Unavailable, match="not the file that the catalogue means"):
        await depot.pull("thing")
    assert _leftovers(depot) == []


@pytest.mark.usefixtures("wheels")
async def test_a_file_larger_than_it_should_be_is_cut_and_refused(tmp_path: Path) -> None:
    depot = _depot(tmp_path, _entry(_pypi(), CONTENT[:5]))
    with pytest.raises(Unavailable, match="nothing was kept"):
        await depot.pull("thing")
    assert _leftovers(depot) == []


@pytest.mark.usefixtures("wheels")
async def test_a_wheel_without_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"holds no readable carrier/other\.bin"):
        await _depot(tmp_path, _entry(_pypi("carrier/other.bin"))).pull("thing")


async def test_without_a_network_it_says_what_is_missing_and_what_to_run(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    depot = _depot(tmp_path, _entry(_pypi()))
    with pytest.raises(Unavailable) as missing:
        await depot.pull("thing")
    assert "thing could not be fetched from pypi gemelo-test-carrier 1.0" in str(missing.value)
    assert "`gemelo model pull thing`" in str(missing.value)
    assert _leftovers(depot) == []


async def test_a_pull_that_is_too_slow_ends_with_its_tool_and_its_folder(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        await never.wait()
        return web.Response()

    async with serving(web.get("/{path:.*}", hang)) as url:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", url)
        depot = _depot(tmp_path, _entry(_pypi()))
        with pytest.raises(Unavailable, match="did not arrive within 3 s"):
            await depot.pull("thing", deadline=3.0)
        assert asked.is_set()
        never.set()
    assert _leftovers(depot) == []


async def test_a_file_behind_an_address_is_fetched(tmp_path: Path) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=CONTENT)

    async with serving(web.get("/thing", serve)) as url:
        depot = _depot(tmp_path, _entry(Url(f"{url}/thing")))
        assert (await depot.pull("thing")).read_bytes() == CONTENT
        missing = _depot(tmp_path / "other", _entry(Url(f"{url}/nothing")))
        with pytest.raises(Unavailable, match="404"):
            await missing.pull("thing")


async def test_an_endless_file_is_read_no_further_than_it_should_be_long(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    async with serving(web.get("/thing", endless)) as url, asyncio.timeout(10):
        depot = _depot(tmp_path, _entry(Url(f"{url}/thing")))
        with pytest.raises(Unavailable, match="not the file"):
            await depot.pull("thing")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_a_file_is_taken_out_of_an_npm_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (("thing.bin", CONTENT), ("package.json", b'{"name": "carrier", "version": "1.0.0"}')):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    async def describe(request: web.Request) -> web.Response:
        dist = {"tarball": f"http://{request.host}/carrier.tgz", "shasum": hashlib.sha1(packed.getvalue()).hexdigest()}
        version = {"name": "carrier", "version": "1.0.0", "dist": dist}
        return web.json_response({"name": "carrier", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}})

    async def send(_: web.Request) -> web.Response:
        return web.Response(body=packed.getvalue())

    async with serving(web.get("/carrier", describe), web.get("/carrier.tgz", send)) as url:
        monkeypatch.setenv("npm_config_registry", url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        depot = _depot(tmp_path, _entry(Npm("carrier", "1.0.0", "package/thing.bin", 1000)))
        assert (await depot.pull("thing")).read_bytes() == CONTENT
    assert _leftovers(depot) == ["thing.bin"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_without_npm_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="npm is not installed, and thing comes from npm carrier"):
        await _depot(tmp_path, _entry(Npm("carrier", "1.0.0", "package/thing.bin", 1000))).pull("thing")


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(Unavailable, match="could not be kept in"):
        await _depot(tmp_path, _entry(_pypi())).pull("thing")


async def test_an_unknown_name_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="did you mean 'person-ssdlite'"):
        await Depot(tmp_path / "models").pull("person-ssdlit")


async def test_the_list_tells_state_source_and_licence_of_each_entry(tmp_path: Path) -> None:
    depot = _depot(tmp_path, _entry(_pypi()))
    (row,) = depot.rows()
    assert (row.name, row.state, row.licence, row.source) == ("thing", "missing", "MIT", "pypi gemelo-test-carrier 1.0")
    depot.folder.mkdir()
    (depot.folder / "thing.bin").write_bytes(CONTENT)
    assert depot.rows()[0].state == "ready"


def test_a_file_that_is_needed_and_missing_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"thing is missing .* `gemelo model pull thing`"):
        _depot(tmp_path, _entry(_pypi())).need("thing")
