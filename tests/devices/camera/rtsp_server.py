"""An RTSP server on loopback for tests; runs under Debian's own Python: `rtsp_server.py PORT` (0 picks one).

Prints `ready PORT`. Serves a bouncing ball, H.264, 25 pictures a second, at /ball, and at /udp-only, which refuses TCP.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions first

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 )"
)


def main() -> None:
    Gst.init(None)
    if Gst.ElementFactory.find("x264enc") is None:
        sys.exit("gstreamer1.0-plugins-ugly is missing")
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    server.get_mount_points().add_factory("/ball", factory)
    stubborn = GstRtspServer.RTSPMediaFactory()
    stubborn.set_launch(PIPELINE)
    stubborn.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    server.get_mount_points().add_factory("/udp-only", stubborn)
    server.attach(None)
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
