"""A phone that offloads inference: shows pictures to its camera, sends crops while it has credit, keeps its own record.

It holds ONE picture, the newest, and sends only with credit, so a slow link or a busy gateway makes it skip, never lag. The
record is one JSON line for each frame sent (written before it leaves) and each result received, for a ledger to compare
with what the gateway stored. It speaks only the published protocol and shares no code with the gateway.
"""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)
