"""A mail server as far as a test needs one: it takes mail, or answers what it is told to. One thread a connection."""

from __future__ import annotations

import socketserver
import threading


class Mail:
    """Listens on a free port; `taken` are the mails, `code` what it answers to a recipient."""

    def __init__(self, code: str = "250 well") -> None:
        self.code = code
        self.taken: list[str] = []
        mail = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                while line := self.rfile.readline().decode():
                    self.wfile.write(f"{self.answer(line.split()[0].upper())}\r\n".encode())

            def answer(self, verb: str) -> str:
                if verb == "RCPT":
                    return mail.code
                if verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (line := self.rfile.readline().decode()) != ".\r\n":
                        lines.append(line)
                    mail.taken.append("".join(lines))
                return "221 bye" if verb == "QUIT" else "250 well"

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Mail:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
