from __future__ import annotations

import asyncio
import threading


async def test_a_camera_that_is_offline_does_not_hold_up_the_others(bench, video, tmp_path, run):
    cameras = bench.cameras()
    (tmp_path / "garbage.mp4").write_bytes(b"garbage" * 1000)
    cameras.apply(bench.camera(tmp_path / "none.mp4", "missing"))
    cameras.apply(bench.camera(tmp_path / "garbage.mp4", "garbage"))
    cameras.apply(bench.camera(video("a.mp4"), "north", loop=True, fps=10))
    cameras.apply(bench.camera(video("b.mp4"), "south", loop=True, fps=10))
    async with run(cameras):
        await bench.log.until(lambda: all(len(bench.log.inferred(f"default/{n}")) > 10 for n in ("north", "south")))
        views = {view.id: view for view in cameras.views()}
    assert {name: view.state for name, view in views.items()} == {
        "default/missing": "offline",
        "default/garbage": "offline",
        "default/north": "online",
        "default/south": "online",
    }
    assert "file missing" in views["default/missing"].reason
    assert "broken video" in views["default/garbage"].reason


async def test_a_view_tells_rates_size_and_what_was_seen(bench, video, run):
    cameras = bench.cameras()
    cameras.apply(bench.camera(video(), fps=10, loop=True))
    async with run(cameras):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 30)
        (view,) = cameras.views()
    assert (view.id, view.width, view.height, view.state, view.model) == (
        "default/gate",
        160,
        120,
        "online",
        "persons",
    )
    assert 20 < view.fps_in < 30
    assert 8 < view.fps_processed < 12
    assert 12 < view.fps_skipped < 18
    assert 0 <= view.infer_ms < 100
    assert view.detections[0].label == "person"
    assert 0 <= view.offered - view.processed - view.skipped <= 2


async def test_cameras_come_go_and_change_while_others_run(bench, video, run, square):
    cameras = bench.cameras()
    async with run(cameras):
        cameras.apply(bench.camera(video("a.mp4"), "north", loop=True))
        await bench.log.until(lambda: bench.log.inferred("default/north"))
        cameras.apply(bench.camera(video("b.mp4"), "south", loop=True))
        await bench.log.until(lambda: bench.log.inferred("default/south"))
        north = bench.camera(video("c.mp4", size=(320, 240)), "north", loop=True)
        cameras.apply(north)
        await bench.log.until(lambda: cameras.views()[0].width == 320)
        states = bench.log.states("default/north")
        cameras.apply(north)
        cameras.remove("default/south")
        assert [view.id for view in cameras.views()] == ["default/north"]
        assert bench.gallery.latest("default/south") is None
        before = len(bench.log.inferred("default/north"))
        south = len(bench.log.inferred("default/south"))
        await bench.log.until(lambda: len(bench.log.inferred("default/north")) > before + 3)
        assert len(bench.log.inferred("default/south")) == south
        assert bench.log.states("default/north") == states, "the same manifest again changes nothing"
        assert bench.gallery.version("default/south") == 0
        cameras.remove("default/nobody")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("camera ")]


async def test_two_readers_never_hold_one_source(bench, video, run):
    cameras = bench.cameras()
    path = video()
    most = 0
    async with run(cameras):
        for width in (64, 80, 96, 112, 128):
            cameras.apply(bench.camera(path, loop=True, width=width))
            await asyncio.sleep(0)
            most = max(most, sum(thread.name == "camera default/gate" for thread in threading.enumerate()))
        await bench.log.until(lambda: cameras.views()[0].width == 128)
        most = max(most, sum(thread.name == "camera default/gate" for thread in threading.enumerate()))
    assert most == 1
