"""A hand-made edge that shares no code with the product: it sends what it is told, and keeps what comes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from simulator.cloudcore.server import CloudCore


class RawEdge:
    """`acks` says which objects it acknowledges."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.acks: Callable[[dict[str, Any]], bool] = lambda _: True
        self.closed = False
        self._moved = asyncio.Event()

    async def read(self) -> None:
        async for message in self.socket:
            frame = json.loads(message.data)
            self.frames.append(frame)
            if frame["route"]["group"] == "resource" and self.acks(frame):
                header = {"msg_id": "a", "parent_msg_id": frame["header"]["msg_id"], "timestamp": 1}
                route = frame["route"] | {"operation": "response"}
                await self.send({"header": header, "route": route, "content": "OK"})
            self._moved.set()
        self.closed = True
        self._moved.set()

    async def send(self, frame: dict[str, Any] | str) -> None:
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def until(self, true: Callable[[], object], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    def about(self, resource: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["route"]["resource"] == resource]


def request(node: str) -> tuple[bytes, bytes]:
    """(key PEM, certificate request DER)"""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return pem, csr.public_bytes(Encoding.DER)


async def certificate(cloud: CloudCore, node: str, directory: Path) -> ssl.SSLContext:
    """Join with a fresh token; the context of the link."""
    key, csr = request(node)
    jwt = cloud.new_token().split(".", 1)[1]
    async with aiohttp.ClientSession() as http:
        ca = await (await http.get(f"{cloud.certificates_url}/ca.crt", ssl=False)).read()
        headers = {"Authorization": f"Bearer {jwt}", "NodeName": node}
        answer = await http.get(f"{cloud.certificates_url}/edge.crt", ssl=False, headers=headers, data=csr)
        assert answer.status == 200
        der = await answer.read()
    (directory / "ca.pem").write_bytes(x509.load_der_x509_certificate(ca).public_bytes(Encoding.PEM))
    (directory / "node.pem").write_bytes(key + x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    context.load_cert_chain(directory / "node.pem")
    return context


@asynccontextmanager
async def connected(cloud: CloudCore, context: ssl.SSLContext, node: str) -> AsyncIterator[RawEdge]:
    """A link of `node`."""
    headers = {"node_id": node, "project_id": "p", "ConnectionUse": "msg"}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{cloud.link_url}/p/{node}/events", ssl=context, headers=headers) as socket,
        asyncio.TaskGroup() as tasks,
    ):
        edge = RawEdge(socket)
        reading = tasks.create_task(edge.read(), name="raw-edge")
        try:
            yield edge
        finally:
            reading.cancel()
