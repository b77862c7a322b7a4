"""KubeEdge's device-twin protocol over MQTT, sans I/O: `Reader` for what comes, `Writer` for what goes.

The only place that knows KubeEdge's words: `actual` is reported, `expected` is desired, times are in milliseconds.
Topics are read by position, so a namespace called `dev` or `events` works, which EdgeCore drops.

    $hw/events/device/{namespace}/{name}/twin/update      and the older form without a namespace,
    $hw/events/device/{namespace}/{name}/twin/get         which stands in namespace `default` and is
    $hw/events/device/{namespace}/{name}/state/update     answered in its own form
    $hw/events/node/{node}/membership/get
"""

from twins.kubeedge.reader import SUBSCRIPTIONS, Reader
from twins.kubeedge.writer import Writer

__all__ = ["SUBSCRIPTIONS", "Reader", "Writer"]
