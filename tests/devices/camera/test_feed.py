from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import threading

import numpy as np
import pytest

from twins.errors import Broken
from twins.stimuli import Inferred, Seen


async def test_each_inferred_picture_is_reported_with_counts_and_its_cause(bench, video, run):
    async with run(bench.feed(video(), loop=True, fps=10)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 5)
    first = bench.log.stimuli[0]
    assert isinstance(first, Seen)
    assert (first.device, first.state) == ("default/gate", "connecting")
    assert bench.log.states() == [("connecting", ""), ("online", "")]
    reports = bench.log.inferred()
    assert all(r.values["person.count"] == "1" for r in reports)
    assert all(float(r.values["fps"]) >= 0 for r in reports)
    assert len({s.cause for s in bench.log.stimuli}) == len(bench.log.stimuli)
    assert all(r.cause == r.result.cause for r in reports)
    assert [r.seq for r in reports] == sorted({r.seq for r in reports})
    assert all(r.seq == r.result.seq and r.at == r.result.at for r in reports)


async def test_boxes_follow_what_moves(bench, video, run):
    async with run(bench.feed(video(), fps=25)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 20)
    lefts = [r.result.detections[0].box.x for r in bench.log.inferred()]
    assert lefts == sorted(lefts)
    assert lefts[-1] > lefts[0] + 0.1


async def test_nothing_seen_is_reported_as_zero_and_low_scores_and_other_labels_are_not_counted(bench, video, run):
    async with run(bench.feed(video(), loop=True, labels=["person", "traffic light"], minimum=0.95)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 2)
    values = bench.log.inferred()[-1].values
    assert values["person.count"] == "0"
    assert values["traffic_light.count"] == "0"
    assert bench.log.inferred()[-1].result.detections, "the result itself is not cut"


async def test_the_picture_of_a_cause_is_the_frame_that_caused_it(bench, video, run):
    async with run(bench.feed(video(), loop=True, fps=10)):
        await bench.log.until(lambda: len(bench.log.inferred()) >= 4)
    report = bench.log.inferred()[-2]
    picture = _decoded(bench.gallery.by_cause(report.cause))
    box = report.result.detections[0].box
    bright = np.nonzero(picture.max(axis=2) > 200)[1]
    assert abs(bright.min() / picture.shape[1] - box.x) < 0.03


async def test_a_slow_detector_sees_fresh_pictures_and_every_picture_is_accounted_for(bench, video, run):
    bench.detector.delay = 0.1
    feed = bench.feed(video(seconds=4), fps=25)
    async with run(feed):
        await bench.log.until(lambda: any(state == "offline" for state, _ in bench.log.states()))
        view = feed.view
    assert view.offered == 100
    assert view.processed == len(bench.log.inferred())
    assert view.processed + view.skipped == view.offered
    assert view.processed >= 15
    assert view.skipped > 40
    # A picture's time and the inference are 0.14 s, the rest is room for a busy machine; in a row of waiting pictures
    # the last would be 6 s old.
    assert sorted(bench.detector.ages)[len(bench.detector.ages) * 9 // 10] < 0.5


async def test_pictures_beyond_the_wanted_rate_are_passed_over(bench, video, run):
    feed = bench.feed(video(seconds=4), fps=5)
    async with run(feed):
        await bench.log.until(lambda: any(state == "offline" for state, _ in bench.log.states()))
        view = feed.view
    assert view.offered == 100
    assert view.processed + view.skipped == 100
    assert 19 <= view.processed <= 21


async def test_a_missing_model_leaves_the_picture_and_says_so_once(bench, video, run):
    bench.detector.missing = "no such model; `gemelo model pull`"
    feed = bench.feed(video(), loop=True, fps=25)
    async with run(feed):
        await bench.log.until(lambda: any("model pull" in reason for _, reason in bench.log.states()))
        assert bench.log.last[0] == "online"
        assert feed.view.reason.startswith("model persons: no such model")
        assert bench.gallery.latest("default/gate").jpeg[:2] == b"\xff\xd8"
        seen = bench.gallery.version("default/gate")
        bench.detector.missing = ""
        await bench.log.until(lambda: bench.log.last == ("online", ""))
        assert bench.gallery.version("default/gate") > seen
        await bench.log.until(bench.log.inferred)
    assert [state for state, _ in bench.log.states()] == ["connecting", "online", "online", "online"]


async def test_a_missing_file_is_tried_again_with_growing_pauses(hurried, tmp_path, run):
    hurried.clock.limit = 9
    async with run(hurried.feed(tmp_path / "none.mp4")), asyncio.timeout(20):
        await hurried.clock.enough.wait()
    assert hurried.log.states()[1:] == [("offline", f"file missing: {tmp_path}/none.mp4")], "said once"
    for pause, wanted in zip(hurried.clock.pauses, (1, 2, 5, 10, 20, 40, 60, 60, 60), strict=True):
        assert 0.8 * wanted <= pause <= 1.2 * wanted


async def test_a_good_picture_starts_the_pauses_again(hurried, tmp_path, video, run):
    target = tmp_path / "late.mp4"
    feed = hurried.feed(target, fps=25)
    made = video("early.mp4", seconds=0.4)
    hurried.clock.limit = 3
    async with run(feed), asyncio.timeout(20):
        await hurried.clock.enough.wait()
    shutil.copy(made, target)
    hurried.clock.limit, before = 1_000_000, len(hurried.clock.pauses)
    async with run(feed):
        await hurried.log.until(hurried.log.inferred)
        await hurried.log.until(lambda: "ended" in hurried.log.last[1])
        target.unlink()
        await hurried.log.until(lambda: "missing" in hurried.log.last[1])
    after = [pause for pause in hurried.clock.pauses[before:] if pause != hurried.limits.replay]
    assert after[0] <= 1.2


async def test_a_file_that_appears_brings_the_camera_online(bench, tmp_path, video, run):
    target = tmp_path / "later.mp4"
    async with run(bench.feed(target, loop=True)):
        await bench.log.until(lambda: bench.log.last == ("offline", f"file missing: {target}"))
        shutil.copy(video(), target)
        await bench.log.until(bench.log.inferred)
    assert bench.log.last == ("online", "")


async def test_a_video_that_ended_plays_again_only_when_replaced(bench, video, tmp_path, run, square):
    target = video(seconds=0.4)
    feed = bench.feed(target, fps=25)
    async with run(feed):
        await bench.log.until(lambda: "the video has ended" in bench.log.last[1])
        offered = feed.view.offered
        assert offered == 10
        other = video("red.mp4", seconds=0.4, paint=lambda i, w, h: square(i, w, h, (255, 0, 0)))
        other.replace(target)
        await bench.log.until(lambda: any(c[0] > 180 and c[1] < 90 for c in bench.detector.colours))
        await bench.log.until(lambda: bench.log.last[0] == "offline")
        assert feed.view.offered == 20


@pytest.mark.parametrize("loop", [False, True])
async def test_garbage_is_called_a_broken_video(bench, tmp_path, run, loop):
    (tmp_path / "garbage.mp4").write_bytes(b"no video at all " * 4000)
    async with run(bench.feed(tmp_path / "garbage.mp4", loop=loop)):
        await bench.log.until(lambda: bench.log.last[0] == "offline")
    assert bench.log.last[1].startswith("broken video: ")


async def test_a_detector_that_never_answers_costs_its_deadline_only(bench, video, run):
    bench.limits = type(bench.limits)(inference=0.1)
    bench.detector.delay = 30
    async with run(bench.feed(video(), loop=True, fps=25)):
        await bench.log.until(lambda: "no answer within 0.1 s" in bench.log.last[1])
    assert bench.gallery.version("default/gate") > 0


async def test_a_defect_in_a_detector_is_told_without_credentials_and_the_camera_goes_on(bench, video, run, caplog):
    class Defective:
        calls = 0

        async def infer(self, model, frame, *, deadline):
            self.calls += 1
            if self.calls == 1:
                message = "cannot open rtsp://anna:s3cret@10.0.0.9/live"
                raise ValueError(message)
            return await bench.detector.infer(model, frame, deadline=deadline)

        def __repr__(self):
            return "Defective()"

    real = Defective()
    feed = bench.feed(video(), loop=True)
    feed._detector = real
    with caplog.at_level(logging.INFO):
        async with run(feed):
            await bench.log.until(bench.log.inferred)
    assert ("offline", "internal error: ValueError('cannot open rtsp://***@10.0.0.9/live'); see the log") in (
        bench.log.states()
    )
    assert "ValueError" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_broken_invariant_is_not_contained(bench, video, run):
    class Breaking:
        async def infer(self, model, frame, *, deadline):
            message = "two owners of one datum"
            raise Broken(message)

    feed = bench.feed(video())
    feed._detector = Breaking()
    with pytest.raises(Broken):
        async with asyncio.timeout(10):
            await feed.run()


async def test_a_slow_intake_slows_the_camera_and_its_pictures_stay_fresh(bench, video, run):
    gate = asyncio.Event()
    take = bench.log.offer

    async def offer(stimuli, done=None):
        if isinstance(stimuli[0], Inferred):
            await gate.wait()
        await take(stimuli, done)

    bench.log.offer = offer
    feed = bench.feed(video(seconds=1), fps=25)
    async with run(feed):
        await bench.log.until(lambda: bench.log.last[0] == "online")
        bench.log.offer = take
        (reader,) = (thread for thread in threading.enumerate() if thread.name == "camera default/gate")
        await asyncio.to_thread(reader.join, 10)
        assert feed.view.offered == 25
        gate.set()
        await bench.log.until(lambda: bench.log.last[0] == "offline")
        view = feed.view
    assert view.processed == 2, "the one that waited and the newest"
    assert bench.log.inferred()[-1].seq > 20
    assert view.processed + view.skipped == view.offered


async def test_without_pyav_the_camera_says_what_to_install(bench, video, run, monkeypatch):
    path = video()
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "devices.camera.video", raising=False)
    async with run(bench.feed(path)):
        await bench.log.until(lambda: bench.log.last[0] == "offline")
    assert bench.log.last[1] == "av is not installed: pip install 'gemelo[camera]'"


async def test_no_thread_outlives_its_camera(bench, video, run):
    async with run(bench.feed(video(), loop=True)):
        await bench.log.until(bench.log.inferred)
        assert any(t.name == "camera default/gate" for t in threading.enumerate())
    assert not any(t.name == "camera default/gate" for t in threading.enumerate())


def _decoded(jpeg: bytes) -> np.ndarray:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(jpeg)))
