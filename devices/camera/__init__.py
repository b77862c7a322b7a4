"""Cameras: files, RTSP, MJPEG and HLS through PyAV; each picture goes to a detector, what it saw to the intake.

    gallery = Gallery()
    cameras = Cameras(intake, detector, SystemClock(), next_cause, gallery)
    cameras.apply(Camera.from_manifest(yaml_document))      # before or while `run()` runs
    await cameras.run()

One reader thread per camera decodes; a slot of one holds its newest picture. PyAV, numpy and Pillow are imported
when the first camera is opened or the first picture is looked at.
"""

from devices.camera.cameras import Cameras
from devices.camera.feed import Feed
from devices.camera.gallery import Gallery, Picture
from devices.camera.limits import Limits
from devices.camera.manifest import Camera, CameraSpec, Metadata
from devices.camera.ports import Detector, Intake
from devices.camera.view import CameraView

__all__ = [
    "Camera",
    "CameraSpec",
    "CameraView",
    "Cameras",
    "Detector",
    "Feed",
    "Gallery",
    "Intake",
    "Limits",
    "Metadata",
    "Picture",
]
