"""Standard error: one line a happening, for people or for machines."""

from __future__ import annotations

import logging
import sys

import msgspec

from gateway.sections import Log


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class Malformed(logging.Filter):
    """Of requests that are no HTTP aiohttp logs a traceback each: one line a `PERIOD`, with a count, is left.

    Everybody who reaches the port can cause them; aiohttp has answered 400 by then.
    """

    PERIOD = 60.0
    """Seconds, by the records' own times."""

    def __init__(self) -> None:
        super().__init__()
        self._untold = 0
        self._told: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not _is_malformed(error):
            return True
        if self._told is not None and 0 <= record.created - self._told < self.PERIOD:
            self._untold += 1
            return False
        more = f" ({self._untold} more since the last such line)" if self._untold else ""
        reason = str(getattr(error, "message", "")).partition(":")[0]  # what follows is the stranger's own text
        record.msg = "a request that is no HTTP was refused: %s: %s%s"
        record.args = (type(error).__name__, reason.strip(), more)
        record.exc_info, record.exc_text = None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        self._told, self._untold = record.created, 0
        return True


def configure(section: Log) -> None:
    """Set the root logger; may be called again after a reload."""
    handler = logging.StreamHandler(sys.stderr)
    if section.format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(section.level.upper())
    for chatty in ("transitions", "aiosqlite", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    server = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, Malformed) for each in server.filters):
        server.addFilter(Malformed())


def _is_malformed(error: BaseException | None) -> bool:
    """True for what aiohttp's parser raises; it is loaded by then, or there is no such error."""
    http = sys.modules.get("aiohttp.http_exceptions")
    return http is not None and isinstance(error, http.HttpProcessingError)
