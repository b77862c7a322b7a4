"""KubeEdge's device-twin protocol over MQTT, sans I/O: `Reader` for what comes, `Writer` for what goes.

The only place that knows KubeEdge's words: `actual` is reported, `expected` is desired, times are in milliseconds.
Topics are read by position, so a namespace called `dev` or `events` works, which EdgeCore drops.

    $hw/events/device/{namespace}/{name}/twin/update      and by default the older form without a
    $hw/events/device/{namespace}/{name}/twin/get         namespace, which stands in namespace `default`
    $hw/events/device/{namespace}/{name}/state/update     and is answered in its own form
    $hw/events/node/{node}/membership/get
"""

from twins.kubeedge.address import SUBSCRIPTIONS
from twins.kubeedge.reader import Reader
from twins.kubeedge.writer import Writer

__all__ = ["SUBSCRIPTIONS", "Reader", "Writer"]
