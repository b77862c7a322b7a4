"""TCP ports for a broker of our own."""

from __future__ import annotations

import asyncio
import errno
import socket

from twins.errors import Unavailable

_TRIED = 100


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next one that is free; 0 stands for any. Raises `Unavailable`."""
    reason = "all are taken"
    for port in range(wanted, min(wanted + _TRIED, 65_536)):
        try:
            with _bound(host, port) as sock:
                return int(sock.getsockname()[1])
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
    msg = (
        f"no port for the broker at {host}:{wanted} to {wanted + _TRIED - 1}: {reason}; choose another in broker.listen"
    )
    raise Unavailable(msg)


async def accepts(host: str, port: int) -> bool:
    """True when somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise OSError(error.errno, f"{host} is no address of this machine") from None
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1)  # with SO_REUSEADDR two may bind, but not listen
    except OSError:
        sock.close()
        raise
    return sock
