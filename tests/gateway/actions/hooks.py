"""A web server that takes calls of rules, and what a test makes it do to them."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from msgspec import Struct

Mood = Literal["well", "broken", "cut", "slow", "refusing", "moved", "busy", "garbled"]
CODES = {"well": 204, "broken": 503, "refusing": 410, "moved": 302, "busy": 429}


class Call(Struct, frozen=True):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["idempotency-key"]


class Hooks:
    """Listens on a free port; `calls` are all that came, `answered` those it said yes to."""

    def __init__(self, mood: Mood = "well", port: int = 0) -> None:
        self.mood: Mood = mood
        self.calls: list[Call] = []
        self.answered: list[Call] = []
        self.released = threading.Event()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hooks.take(self, Call(self.command, self.path, headers, body))

            do_PUT = do_POST  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.server = self._server
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def times(self) -> Counter[str]:
        """How often each id was answered."""
        return Counter(call.id for call in self.answered)

    def take(self, handler: BaseHTTPRequestHandler, call: Call) -> None:
        mood = self.mood
        self.calls.append(call)
        if mood == "slow":
            self.released.wait(30)
            return
        if mood == "cut":
            handler.connection.close()
            return
        if mood == "garbled":
            handler.wfile.write(b"FTP/9 yes\r\n\r\n")
            handler.close_connection = True
            return
        if mood == "well":
            self.answered.append(call)
        handler.send_response(CODES[mood])
        if mood == "moved":
            handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def __enter__(self) -> Hooks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
