"""A phone that offloads inference: shows pictures to its camera, sends crops while it has credit, keeps its own record.

It holds ONE picture, the newest, and sends only with credit, so a slow link or a busy gateway makes it skip, never lag. The
record is one JSON line for each frame sent (written before it leaves) and each result received, for a ledger to compare
with what the gateway stored. It speaks only the published protocol and shares no code with the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import random
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from PIL.Image import Image

    from simulator.wire import offload_pb2 as pb

logger = logging.getLogger(__name__)
