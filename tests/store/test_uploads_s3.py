"""Uploads to a real S3 server: killed on either side, away, slow, full, with wrong credentials."""

from __future__ import annotations

import asyncio
import io
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import ClientSession, web

from store.uploads.envelope import key_id, opened
from tests.clock import SleepingClock
from tests.s3 import S3, free_port
from tests.store.lab import NOON, hive, lab, points, rows, until, upload
from twins.exchange import Point

ROOT = Path(__file__).parents[2]
BUCKET = "box"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    s3 = S3(tmp_path_factory.mktemp("s3"))
    s3.start()
    yield s3
    s3.stop()


@pytest.fixture
def s3(server: S3) -> S3:
    """The server, with nothing in it but an empty bucket."""
    server.call("POST", "/moto-api/reset")
    server.make(BUCKET)
    return server


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text("# for tests\naccess_key_id = someone\nsecret_access_key = hidden\n", "utf-8")
    path.chmod(0o600)
    return path


def to(url: str, credentials: Path, prefix: str = "plant") -> dict[str, str]:
    return {"url": f"s3://{BUCKET}/{prefix}", "endpoint": url, "credentialsFile": str(credentials)}


def there(s3: S3, folder: Path) -> list[Any]:
    """The rows that lie in the bucket."""
    return hive(s3.fetch(BUCKET, folder / "copy") / "plant")


async def test_rows_arrive_once_and_nothing_is_hidden_in_the_log(
    tmp_path: Path, store_at: Any, s3: S3, credentials: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = points(*range(20_000))
    async with lab(store_at, tmp_path / "box", upload(destination=to(s3.url, credentials))) as box:
        for part in range(2):
            await box.put(*given[part * 10_000 : part * 10_000 + 10_000])
            await box.ask(span=(NOON, NOON + 15_000))
            await box.ask()
            await box.sent()
    assert there(s3, tmp_path) == rows(given)
    assert "hidden" not in caplog.text


async def test_a_server_that_is_away_for_an_hour_gets_everything_when_it_is_back(
    tmp_path: Path, store_at: Any, s3: S3, credentials: Path
) -> None:
    clock = SleepingClock(NOON / 1e6)
    nobody = f"http://127.0.0.1:{free_port()}"
    async with lab(store_at, tmp_path / "box", upload(destination=to(nobody, credentials)), clock=clock) as box:
        await box.put(*points(*range(1000)))
        await box.ask()
        await until(lambda: clock.time > NOON / 1e6 + 3600)
        view = box.view()
        assert (view.state, view.pending_rows) == ("failing", 1000)
        assert view.failures < 400
        told = [message for kind, _, message in box.told if kind == "upload"]
        assert len(told) == 1
        assert "sending fails" in told[0]
        box.apply(upload(destination=to(s3.url, credentials)))
        await until(lambda: box.view().rows == 1000)
    assert there(s3, tmp_path) == rows(points(*range(1000)))


async def test_a_server_killed_in_the_middle_of_an_object_gets_it_whole_afterwards(
    tmp_path: Path, store_at: Any, credentials: Path
) -> None:
    s3 = S3(tmp_path)
    s3.start()
    s3.make(BUCKET)
    given = points(*range(50_000))
    try:
        slow = upload(destination=to(s3.url, credentials), bytesPerSecond=100_000)
        async with lab(store_at, tmp_path / "box", slow) as box:
            await box.put(*given)
            await box.ask()
            await until(lambda: box.view().state == "running")
            s3.kill()
            await until(lambda: box.view().state == "failing")
            assert box.view().objects == 0
            s3.start()
            s3.make(BUCKET)
            box.apply(upload(destination=to(s3.url, credentials)))
            await until(lambda: box.view().rows == len(given))  # nothing waits before the ledger is read
        assert there(s3, tmp_path) == rows(given)
    finally:
        s3.stop()


_BOX = """
import asyncio, os, signal, sys
from pathlib import Path
from store.uploads.destination import Destination
from tests.store.conftest import running_store
from tests.store.lab import lab, points, upload

put, calls = Destination.put, 0

async def cut(content):
    async for piece in content:
        yield piece[: len(piece) // 2]
        os.kill(os.getpid(), signal.SIGKILL)

async def dying(self, name, content, size):
    global calls
    calls += 1
    if calls == 2 and die == "within":
        content = cut(content)
    await put(self, name, content, size)
    if calls == 2 and die == "after":
        os.kill(os.getpid(), signal.SIGKILL)

async def main(folder, endpoint, credentials):
    to = {"url": "s3://box/plant", "endpoint": endpoint, "credentialsFile": credentials}
    async with lab(running_store, Path(folder), upload(destination=to)) as box:
        if not box.store.segments.known:
            for part in range(7):  # of eight the store makes one
                await box.put(*points(*range(part * 1000, part * 1000 + 1000)))
                await box.store.segments.seal()
        await box.ask()
        await box.sent()

Destination.put = dying
die = sys.argv[4]
asyncio.run(main(*sys.argv[1:4]))
"""


def test_a_box_killed_within_and_after_an_object_sends_each_row_once(tmp_path: Path, s3: S3, credentials: Path) -> None:
    for die in ("after", "within", ""):
        command = [sys.executable, "-c", _BOX, str(tmp_path / "box"), s3.url, str(credentials), die]
        done = subprocess.run(command, cwd=ROOT, check=False, timeout=50, capture_output=True, text=True)
        assert done.returncode == (-signal.SIGKILL if die else 0), done.stderr
    assert there(s3, tmp_path) == rows(points(*range(7000)))
    assert len(s3.names(BUCKET)) == 7


async def test_wrong_credentials_are_told_and_right_ones_go_on(
    tmp_path: Path, store_at: Any, credentials: Path
) -> None:
    s3 = S3(tmp_path)
    s3.start(INITIAL_NO_AUTH_ACTION_COUNT="1")
    try:
        s3.make(BUCKET)
        async with lab(store_at, tmp_path / "box", upload(destination=to(s3.url, credentials))) as box:
            await box.put(*points(1, 2))
            await box.ask()
            await until(lambda: box.view().state == "failing")
            assert "403" in box.view().reason or "credentials" in box.view().reason
            s3.call("POST", "/moto-api/reset-auth", b"1000000")
            await box.sent()
            assert [message for kind, _, message in box.told][-1] == "sending again"
        assert there(s3, tmp_path) == rows(points(1, 2))
    finally:
        s3.stop()


class Fault:
    """The far side's fault alone: stands before the real server, and answers in its place while told to."""

    def __init__(self, target: str) -> None:
        self.status = 0
        self.delay = 0.0
        self.refused = 0
        self.passed = 0
        self.heard: list[bytes] = []
        self.url = ""
        self._target = target

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Fault]:
        async with ClientSession(auto_decompress=False) as self._session:
            runner = web.AppRunner(self._app())
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", port := free_port())
            await site.start()
            self.url = f"http://127.0.0.1:{port}"
            try:
                yield self
            finally:
                await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        return app

    async def _pass(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.heard += [request.raw_path.encode(), repr(request.headers).encode(), body]
        await asyncio.sleep(self.delay)
        if self.status and request.method in {"PUT", "POST"}:
            self.refused += 1
            return web.Response(status=self.status, text="<Error><Code>SlowDown</Code></Error>")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}}
        url = f"{self._target}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            self.passed += len(body)
            content = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() in {"etag", "content-type", "last-modified"}}
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, body=content, headers=kept)


@pytest.mark.parametrize("status", [500, 503, 507])
async def test_a_server_that_refuses_for_a_while_is_asked_again_and_less_often(
    tmp_path: Path, store_at: Any, s3: S3, credentials: Path, status: int
) -> None:
    clock = SleepingClock(NOON / 1e6)
    async with Fault(s3.url).serving() as far:
        far.status = status
        wanted = upload(destination=to(far.url, credentials))
        async with lab(store_at, tmp_path / "box", wanted, clock=clock) as box:
            await box.put(*points(*range(100)))
            await box.ask()
            await until(lambda: far.refused >= 5 and max(clock.slept) > 2)
            assert str(status) in box.view().reason
            far.status = 0
            await box.sent()
    assert there(s3, tmp_path) == rows(points(*range(100)))


async def test_bytes_go_no_faster_than_they_may(tmp_path: Path, store_at: Any, s3: S3, credentials: Path) -> None:
    clock = SleepingClock(NOON / 1e6)
    async with Fault(s3.url).serving() as far:
        far.delay = 0.05
        wanted = upload(destination=to(far.url, credentials), bytesPerSecond=2000)
        async with lab(store_at, tmp_path / "box", wanted, clock=clock) as box:
            for part in range(5):
                await box.put(*points(*range(part * 1000, part * 1000 + 1000)))
                await box.store.segments.seal()
            await box.ask()
            began = clock.time
            await box.sent()
            took = clock.time - began
            assert far.passed / took < 2000 * 1.1 + 2000
    assert there(s3, tmp_path) == rows(points(*range(5000)))


async def test_nothing_that_can_be_read_leaves_when_it_is_encrypted(
    tmp_path: Path, store_at: Any, s3: S3, credentials: Path
) -> None:
    """All that the far side hears is looked at, not only what it keeps."""
    key = tmp_path / "key"
    key.write_text("5a" * 32, "ascii")
    key.chmod(0o600)
    given = [Point("secret/vault/combination", NOON + n, n, None, f"open-sesame-{n}") for n in range(3000)]
    async with Fault(s3.url).serving() as far:
        wanted = upload(destination=to(far.url, credentials), encryption={"keyFile": str(key)})
        async with lab(store_at, tmp_path / "box", wanted) as box:
            await box.put(*given)
            await box.ask()
            await box.sent()
        heard = b"".join(far.heard)
    for word in (b"sesame", b"vault", b"secret", b"combination", b"PAR1", b"hidden"):
        assert word not in heard
    (name,) = s3.names(BUCKET)
    content = s3.call("GET", f"/{BUCKET}/{name}")
    header, plain = opened(io.BytesIO(content), {key_id(b"Z" * 32): b"Z" * 32})
    assert f"plant/{header.object}" == name
    table = pq.read_table(io.BytesIO(b"".join(plain)))
    assert sorted(table.column("text").to_pylist()) == sorted(str(point.text) for point in given)


async def test_an_object_of_several_parts_arrives_whole(
    tmp_path: Path, store_at: Any, s3: S3, credentials: Path
) -> None:
    noise = random.Random(1)
    given = [Point("default/t-1/noise", NOON + n, n, None, noise.randbytes(3000).hex()) for n in range(2200)]
    async with lab(store_at, tmp_path / "box", upload(destination=to(s3.url, credentials))) as box:
        await box.put(*given)
        await box.ask()
        await box.sent()
        assert box.view().bytes > 6_000_000
    found = hive(s3.fetch(BUCKET, tmp_path / "copy") / "plant", columns="seq, text")
    assert found == [(point.seq, point.text) for point in given]
