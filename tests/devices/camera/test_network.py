"""Streams over loopback: a real RTSP server (GStreamer), MJPEG and HLS over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from devices.camera import Limits
from tests.crowding import crowding

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"
PACKAGES = "python3-gst-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{good,bad,ugly}"


class RtspServer:
    """GStreamer's server in a process of its own: it can be stopped, stalled and killed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/ball"

    async def start(self) -> None:
        line = await asyncio.wait_for(asyncio.to_thread(self._spawn), 15)
        if not line.startswith("ready"):
            said = self._process.stderr.read()
            self.kill()
            pytest.skip(f"no RTSP server: apt-get install {PACKAGES}\n{said.strip()[-200:]}")

    def _spawn(self) -> str:
        command = [PYTHON, str(SERVER), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self._process.stdout.readline()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process.stdout.close()
            self._process.stderr.close()
            self._process = None


@pytest.fixture
async def rtsp(free_port):
    if not os.access(PYTHON, os.X_OK):
        pytest.skip(f"no {PYTHON}: the RTSP server needs Debian's Python and {PACKAGES}")
    server = RtspServer(free_port)
    await server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("transport", ["auto", "tcp", "udp"])
async def test_an_rtsp_camera_is_watched(bench, rtsp, run, transport):
    async with run(bench.feed(rtsp.url, transport=transport)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 5)
    assert bench.log.states() == [("connecting", ""), ("online", "")]
    positions = [r.result.detections[0].box for r in bench.log.inferred()]
    assert len({(round(box.x, 2), round(box.y, 2)) for box in positions}) >= 3, "the ball moves"


async def test_a_camera_that_refuses_tcp_is_watched_over_udp(bench, rtsp, run):
    url = f"rtsp://127.0.0.1:{rtsp.port}/udp-only"
    async with run(bench.feed(url)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 3)
    assert bench.log.states() == [("connecting", ""), ("online", "")]


async def test_a_camera_that_refuses_the_only_transport_allowed_says_so(bench, rtsp, run):
    url = f"rtsp://127.0.0.1:{rtsp.port}/udp-only"
    async with run(bench.feed(url, transport="tcp")):
        await bench.log.until(lambda: bench.log.last[0] == "offline")
    assert bench.log.last[1] == f"{url} refuses `transport: tcp`: try `transport: auto`"


async def test_a_slow_detector_does_not_fall_behind_a_live_camera(bench, rtsp, run):
    bench.detector.delay = 0.1
    feed = bench.feed(rtsp.url, fps=25)
    async with run(feed):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 50, 30)
        view = feed.view
    ages = sorted(bench.detector.ages[-30:])
    assert ages[len(ages) * 9 // 10] < 0.5  # 0.14 s, and room for a busy machine; one that falls behind is 2 s late
    assert view.skipped > view.processed / 2
    assert 0 <= view.offered - view.processed - view.skipped <= 2


async def test_an_rtsp_server_that_is_killed_and_returns_brings_the_camera_back(bench, rtsp, run):
    async with run(bench.feed(rtsp.url)):
        await bench.log.until(bench.log.inferred)
        rtsp.kill()
        await bench.log.until(lambda: bench.log.last[0] == "offline")
        await bench.log.until(lambda: "refused" in bench.log.last[1])
        before = len(bench.log.inferred())
        await rtsp.start()
        await bench.log.until(lambda: len(bench.log.inferred()) > before + 2)
    states = [state for state, _ in bench.log.states()]
    assert states[-1] == "online"
    assert states.count("connecting") == 1, "tries behind an offline camera are no news"


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(Limits(reading=2, silence=8, pauses=(0.2,)), id="read-deadline"),
        pytest.param(Limits(reading=5, silence=3, pauses=(0.2,)), id="watchdog"),
    ],
)
async def test_an_rtsp_server_that_stalls_is_noticed_and_watched_again(bench, rtsp, run, limits):
    bench.limits = limits
    async with run(bench.feed(rtsp.url)):
        await bench.log.until(bench.log.inferred)
        rtsp.signal(signal.SIGSTOP)
        stalled = time.monotonic()
        await bench.log.until(lambda: bench.log.last[0] == "offline", 20)
        assert time.monotonic() - stalled < 10 * crowding()
        assert "unplugged or stalled" in bench.log.last[1]
        rtsp.signal(signal.SIGCONT)
        before = len(bench.log.inferred())
        await bench.log.until(lambda: len(bench.log.inferred()) > before + 2, 20)


async def test_a_stalled_camera_is_removed_within_its_deadline_and_hurts_nobody(bench, rtsp, video, run):
    cameras = bench.cameras()
    cameras.apply(bench.camera(rtsp.url, "stalled"))
    cameras.apply(bench.camera(video(), "file", loop=True))
    async with run(cameras):
        await bench.log.until(lambda: bench.log.inferred("default/stalled") and bench.log.inferred("default/file"))
        rtsp.signal(signal.SIGSTOP)
        before = len(bench.log.inferred("default/file"))
        cameras.remove("default/stalled")
        await bench.log.until(lambda: len(bench.log.inferred("default/file")) > before + 5)
    rtsp.signal(signal.SIGCONT)


async def test_an_unknown_rtsp_path_says_so(bench, rtsp, run):
    async with run(bench.feed(f"rtsp://anna:s3cret@127.0.0.1:{rtsp.port}/elsewhere")):
        await bench.log.until(lambda: bench.log.last[0] == "offline")
    assert bench.log.last[1].startswith(f"no such stream: rtsp://***@127.0.0.1:{rtsp.port}/elsewhere")


async def test_motion_jpeg_over_http_is_watched_and_comes_back(bench, run, square, free_port):
    served = 0

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal served
        served += 1
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for index in range(30 if served == 1 else 10_000):
                picture = io.BytesIO()
                Image.fromarray(square(index, 160, 120)).save(picture, "JPEG")
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.tell()}\r\n\r\n"
                await response.write(head.encode() + picture.getvalue() + b"\r\n")
                await asyncio.sleep(0.04)
        return response

    async with _served(free_port, stream):
        feed = bench.feed(f"http://127.0.0.1:{free_port}/cam.mjpg", fps=5)
        async with run(feed):
            await bench.log.until(lambda: len(bench.log.inferred()) >= 4)
            await bench.log.until(lambda: "closed the stream" in bench.log.last[1])
            before = len(bench.log.inferred())
            await bench.log.until(lambda: len(bench.log.inferred()) > before + 3)
            view = feed.view
    assert view.skipped > view.processed
    assert len({r.result.detections[0].box.x for r in bench.log.inferred()}) > 3


async def test_hls_is_watched_in_real_time(bench, video, run, tmp_path, free_port):
    folder = tmp_path / "hls"
    folder.mkdir()
    video("hls/live.m3u8", seconds=6, container="hls", options={"hls_time": "1", "hls_list_size": "0"})

    async def segment(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / request.path.lstrip("/"))

    async with _served(free_port, segment), run(bench.feed(f"http://127.0.0.1:{free_port}/live.m3u8", fps=5)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 8)
    times = [r.at for r in bench.log.inferred()]
    assert times[7] - times[0] > 1_000_000, "segments come at once, pictures do not"


async def test_an_http_camera_that_wants_a_password_says_so(bench, run, free_port):
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async with _served(free_port, refuse), run(bench.feed(f"http://anna:wrong@127.0.0.1:{free_port}/cam.mjpg")):
        await bench.log.until(lambda: bench.log.last[0] == "offline")
    assert "wants another user and password" in bench.log.last[1]
    assert "wrong" not in bench.log.last[1]


@contextlib.asynccontextmanager
async def _served(port: int, handler):
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
