from __future__ import annotations

import os

import av
import numpy as np
import pytest

from devices.camera import Limits
from devices.camera.manifest import CameraSpec
from devices.camera.video import Video, convert, explain
from twins.errors import Unavailable

LIMITS = Limits(opening=2, reading=1)
EVERY = 0.0001
"""A period no video's key pictures can keep: every picture is decoded."""


def spec(source: object, **fields: object) -> CameraSpec:
    return CameraSpec(str(source), **fields)


def frames_of(source: object, period: float = EVERY) -> list[av.VideoFrame | None]:
    with Video(spec(source), LIMITS) as video:
        return [video.frame(still) for still in video.stills(period)]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.avi", "mjpeg")])
def test_every_picture_of_a_video_comes_in_order(video, name, codec):
    times = [frame.time for frame in frames_of(video(name, codec=codec)) if frame is not None]
    assert len(times) == 50
    assert times == sorted(times)


def test_where_key_pictures_suffice_only_they_are_decoded_and_all_pictures_are_told(video):
    path = video("a.mp4", seconds=4, gop=5)
    stills = frames_of(path, period=0.5)
    decoded = [frame for frame in stills if frame is not None]
    assert len(stills) == 100
    assert 19 <= len(decoded) <= 26
    assert all(frame.key_frame for frame in decoded[6:])


def test_where_key_pictures_are_rare_all_are_decoded(video):
    stills = frames_of(video("a.mp4", seconds=4, gop=50), period=0.5)
    assert len([frame for frame in stills if frame is not None]) == 100


def test_motion_jpeg_that_is_not_wanted_is_not_decoded(video):
    with Video(spec(video("a.avi", codec="mjpeg")), LIMITS) as opened:
        stills = list(opened.stills(1.0))
        assert sum(still.frame is not None for still in stills) <= 1
        assert opened.frame(stills[30]).width == 160


def test_a_picture_becomes_rgb_rows_without_padding(video, square):
    frame = frames_of(video("a.mp4", size=(150, 110)))[10]
    data, width, height = convert(frame, None, None)
    assert (width, height, len(data)) == (150, 110, 150 * 110 * 3)
    picture = np.frombuffer(data, np.uint8).reshape(height, width, 3).astype(int)
    assert np.abs(picture - square(10, 150, 110)).mean() < 3


def test_a_picture_is_scaled_down_and_never_up(video):
    frame = frames_of(video("a.mp4", size=(320, 240)))[0]
    assert convert(frame, 160, None)[1:] == (160, 120)
    assert convert(frame, 640, None)[1:] == (320, 240)


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_rotation_is_clockwise(video, degrees, corner):
    frame = frames_of(video("a.mp4", paint=_corner))[0]
    data, width, height = convert(frame, None, degrees)
    assert (width, height) == ((160, 120) if degrees % 180 == 0 else (120, 160))
    assert np.frombuffer(data, np.uint8).reshape(height, width, 3)[corner].min() > 200


@pytest.mark.parametrize(("said", "corner"), [(90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))])
def test_a_video_that_says_how_it_was_held_is_set_upright(video, said, corner):
    frame = frames_of(video("a.mp4", paint=_corner, rotation=said))[0]
    assert frame.rotation % 360 == said % 360, "counter-clockwise"
    data, width, height = convert(frame, None, None)
    assert np.frombuffer(data, np.uint8).reshape(height, width, 3)[corner].min() > 200


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Unavailable, match=r"file missing: .*/none\.mp4"):
        Video(spec(tmp_path / "none.mp4"), LIMITS)


def test_garbage_is_a_broken_video(tmp_path):
    (tmp_path / "a.mp4").write_bytes(os.urandom(50_000))
    with pytest.raises(Unavailable, match="broken video"):
        Video(spec(tmp_path / "a.mp4"), LIMITS)


def test_a_file_cut_before_its_index_is_a_broken_video(video):
    path = video("a.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(Unavailable, match="broken video"):
        Video(spec(path), LIMITS)


def test_a_file_cut_in_the_middle_gives_what_it_has(video):
    path = video("a.ts")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len([frame for frame in frames_of(path) if frame is not None]) < 50


def test_pictures_with_flipped_bits_do_not_end_the_video(video):
    path = video("a.avi", codec="mjpeg", seconds=4)
    data = bytearray(path.read_bytes())
    for offset in range(5000, len(data) - 5000, 997):
        data[offset] ^= 0xFF
    path.write_bytes(data)
    assert len([frame for frame in frames_of(path) if frame is not None]) > 10


def test_a_file_without_a_video_is_told_apart(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    with pytest.raises(Unavailable, match=r"no video in .*sound\.wav"):
        Video(spec(path), LIMITS)


def test_an_unknown_codec_is_told_with_what_would_work(video):
    path = video("a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(Unavailable, match=r"codec .*supported.*H\.264"):
        Video(spec(path), LIMITS)


def test_a_port_where_nothing_listens_refuses_and_no_credentials_are_shown(free_port):
    with pytest.raises(Unavailable) as refused:
        Video(spec(f"rtsp://anna:s3cret@127.0.0.1:{free_port}/live"), LIMITS)
    assert str(refused.value) == f"refused: nothing listens at rtsp://***@127.0.0.1:{free_port}/live"


def test_a_directory_is_not_a_video(tmp_path):
    with pytest.raises(Unavailable, match=str(tmp_path)):
        Video(spec(tmp_path), LIMITS)


def test_a_playlist_may_not_leave_its_own_kind_of_place(tmp_path, video, free_port):
    (tmp_path / "a.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{free_port}/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(Unavailable) as refused:
        frames_of(tmp_path / "a.m3u8")
    assert "nothing listens" not in str(refused.value)


def test_an_error_nobody_foresaw_is_told_without_credentials():
    error = OSError(5000, "odd: rtsp://anna:s3cret@h/x")
    assert "s3cret" not in explain(error, spec("rtsp://anna:s3cret@h/x"))


def _corner(index: int, width: int, height: int) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:20, :20] = 255
    return picture
