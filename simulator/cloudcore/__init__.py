"""A stand-in CloudCore: a test double of KubeEdge's cloud side, and it says so. It imports nothing of the gateway.

It issues certificates against a token, speaks CloudHub's websocket protocol, keeps Device, DeviceModel and
DeviceStatus objects in memory and in a folder, and can be told to misbehave. Its traffic follows recordings of
CloudCore v1.23.1, the loss of each property's first report included.

    gemelo-sim cloudcore --data cloud --node edge-1
"""

from simulator.cloudcore.command import HELP, NAME, arguments, run

__all__ = ["HELP", "NAME", "arguments", "run"]
