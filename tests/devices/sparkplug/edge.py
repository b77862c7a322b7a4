"""An edge node with one device, made with pysparkplug: a program of its own, told on stdin what to do.

    python edge.py PORT GROUP NODE DEVICE [USER PASSWORD]

A line of JSON is one message: `{"node": […]}` or `{"device": […]}` with metrics as `[name, alias, type, value, more]`,
`{"skip": n}` leaves numbers out, `{"end": true}` says goodbye. What comes is printed, a line of JSON each. Whoever asks
for its birth gets it, as pysparkplug can: by a new session.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from typing import Any

import pysparkplug as spb

PORT, GROUP, NODE, DEVICE, *LOGIN = sys.argv[1:]
OF_NODE = [["Temp °C", None, "FLOAT", 21.4, {}], ["Node Control/Rebirth", None, "BOOLEAN", False, {}]]
OF_DEVICE = [
    ["Inputs/Speed", 1, "INT16", -7, {}],
    ["Outputs/Run", 2, "BOOLEAN", False, {}],
    ["Outputs/Level", None, "DOUBLE", 0.5, {}],
    ["Total", 3, "UINT64", 2**64 - 1, {}],
    ["Note", None, "STRING", "grüß", {}],
    ["Nothing", None, "INT32", None, {}],
]


def metric(said: list[Any], *, named: bool = True) -> spb.Metric:
    name, alias, kind, value, more = said
    at = more.pop("at", None) or spb.get_current_timestamp()
    return spb.Metric(at, name if named else None, spb.DataType[kind], None, value, alias, **more)


def show(message: spb.Message) -> None:
    told = [[m.name, m.alias, m.datatype.name, m.value] for m in message.payload.metrics]
    print(json.dumps({"topic": str(message.topic), "metrics": told}), flush=True)


def main() -> None:
    orders: queue.Queue[dict[str, Any]] = queue.Queue()

    def heard(_: spb.EdgeNode, message: spb.Message) -> None:
        show(message)
        if any(m.name == "Node Control/Rebirth" and m.value is True for m in message.payload.metrics):
            orders.put({"rebirth": True})

    client = spb.Client(LOGIN[0] if LOGIN else None, username=LOGIN[0] if LOGIN else None, password="".join(LOGIN[1:]))
    node = spb.EdgeNode(GROUP, NODE, map(metric, OF_NODE), client, heard)
    node.register(spb.Device(DEVICE, map(metric, OF_DEVICE), heard))
    node.connect("127.0.0.1", port=int(PORT), keepalive=5)

    def read() -> None:
        for line in sys.stdin:
            orders.put(json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    while "end" not in (order := orders.get(timeout=60)):
        if "rebirth" in order:
            node.disconnect()
            node.connect("127.0.0.1", port=int(PORT), keepalive=5)
        for _ in range(order.get("skip", 0)):
            node._seq  # noqa: B018 - reading it counts
        for what, (verb, body, more) in {
            "node": (spb.MessageType.NDATA, spb.NData, {}),
            "device": (spb.MessageType.DDATA, spb.DData, {"device_id": DEVICE}),
        }.items():
            if what in order:  # by alias alone where there is one, as the specification wants it
                metrics = tuple(metric(each, named=each[1] is None) for each in order[what])
                topic = spb.Topic(group_id=GROUP, message_type=verb, edge_node_id=NODE, **more)
                whole = body(spb.get_current_timestamp(), node._seq, metrics)
                client.publish(spb.Message(topic, whole, spb.QoS.AT_MOST_ONCE, False))
    node.disconnect()


main()
