"""A phone that offloads inference over gRPC and keeps its own record. It imports nothing of the gateway.

It holds ONE picture, the newest, and sends only with credit: a slow link or a busy gateway makes it skip, never lag.
The record is one JSON line for each frame sent, written before it leaves, and one for each result, for a ledger to hold
against what the gateway stored: `{"event": "sent" | "result" | "lost" | …, "device", "at" (µs), "seq", "status", …}`.

    gemelo-sim phone --pictures face.jpg --for 60s
"""

from simulator.phone.command import HELP, NAME, arguments, run

__all__ = ["HELP", "NAME", "arguments", "run"]
