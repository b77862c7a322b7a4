"""Nodes known by their certificates: manifests, membership, and who gets through the door. Real TLS on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from twins.errors import Rejected, Unavailable
from twins.exchange import Encoded
from twins.manifests import OwnMetadata
from twins.schema import decode
from web.listener import Listener
from web.nodes.alarm import Alarm
from web.nodes.door import Asking, DoorCounts, NodeDoor
from web.nodes.identity import Identity
from web.nodes.manifest import Group, GroupSpec, Node, NodeSpec, Position, Rights, Within
from web.nodes.members import fits, kilometres, members, place
from web.nodes.peer import Peers

ASKING = Asking("SELECT 1", ("*/*/*",), 10, 5.0)
BODY = b"\xff\xff\xff\xff" * 2 + b"\0\0\0\0"
"""The shortest that looks like an Arrow stream."""
YEAR = 365 * 86_400 * 1_000_000


class Later(SystemClock):
    """A clock that is wrong by so many microseconds."""

    def __init__(self, by: int) -> None:
        self._by = by

    def now(self) -> int:
        return super().now() + self._by


class Store:
    """Answers with a body of its own, and keeps what it was asked."""

    def __init__(self) -> None:
        self.body = BODY
        self.asked: list[Any] = []

    async def answer(self, text: str, rights: Sequence[Sequence[str]], *, deadline: float, limit: int) -> Encoded:
        self.asked.append((text, tuple(rights), limit))
        return Encoded(("one",), self.body, 1)

    def newest(self, rights: Sequence[Sequence[str]]) -> int:
        return 7


class Pair:
    """A door that `b` has, and `a` who asks there."""

    def __init__(self, folder: Path, *, asker: int = 0, host: int = 0, now: int = 0) -> None:
        self.asker = Identity(folder / "a", "a", Later(asker))
        self.host = Identity(folder / "b", "b", Later(host))
        self.store, self.warned = Store(), asyncio.Queue[str]()
        self.alarm = Alarm(SystemClock(), lambda _, words: self.warned.put_nowait(words))
        self.peers = Peers(self.asker, Later(now), self.alarm)
        self.begun = asyncio.Event()
        self.counts = DoorCounts()
        self.door = NodeDoor(self._listener, self.host, self.store, self.alarm, self.counts)

    def node(self, identity: Identity, *rights: str, **spec: Any) -> Node:
        spec = {"fingerprint": identity.fingerprint, "certificate": identity.certificate} | spec
        return Node(OwnMetadata("x"), NodeSpec(**spec, rights=Rights(series=rights)))

    def _listener(self, tls: ssl.SSLContext) -> Listener:
        self.begun.set()
        self.listener = Listener(("127.0.0.1", 0), tls, what="the door", key="listen")
        return self.listener

    @asynccontextmanager
    async def open(self, *rights: str) -> AsyncIterator[Node]:
        """Gives the node to ask."""
        self.door.know([self.node(self.asker, *rights)])
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.door.run(), name="door")
            try:
                async with asyncio.timeout(5):
                    await self.begun.wait()
                    await self.listener.listening()
                yield self.node(self.host, url=f"https://{self.listener.address}")
            finally:
                running.cancel()

    async def warning(self) -> str:
        async with asyncio.timeout(5):
            return await self.warned.get()


async def test_a_node_that_is_known_is_answered_within_its_rights(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open("default/*/temperature") as node:
        answered = await pair.peers.ask(node, ASKING, 100)
    assert (answered.body, answered.rows, answered.cut, answered.newest) == (BODY, 1, "", 7)
    assert pair.store.asked == [("SELECT 1", (("default/*/temperature",), ("*/*/*",)), 10)]


async def test_a_node_without_rights_is_refused_and_told_of(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open() as node:
        with pytest.raises(Unavailable, match="gives you no rights"):
            await pair.peers.ask(node, ASKING, 100)
        assert "gives it no rights" in await pair.warning()


async def test_an_answer_that_is_too_large_is_given_up(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.store.body = BODY + b"x" * 200_000
    async with pair.open("*/*/*") as node:
        with pytest.raises(Unavailable, match="has no room"):
            await pair.peers.ask(node, ASKING, 100_000)


@pytest.mark.parametrize("body", [b"", b"<html>", BODY[:-4]])
async def test_what_is_no_whole_stream_is_no_answer(tmp_path: Path, body: bytes) -> None:
    pair = Pair(tmp_path)
    pair.store.body = body
    async with pair.open("*/*/*") as node:
        with pytest.raises(Unavailable, match="is not what a node answers"):
            await pair.peers.ask(node, ASKING, 100_000)


async def test_an_asker_whose_certificate_has_expired_is_refused_and_told_of(tmp_path: Path) -> None:
    pair = Pair(tmp_path, asker=-11 * YEAR)
    async with pair.open("*/*/*") as node:
        with pytest.raises(Unavailable, match="certificate"):
            await pair.peers.ask(node, ASKING, 100)
        assert "certificate has expired" in await pair.warning()
    assert pair.store.asked == []


async def test_an_asker_with_a_new_certificate_is_refused_and_told_of(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open("*/*/*") as node:
        pair.asker.file.unlink()
        with pytest.raises(Unavailable, match="certificate"):
            await pair.peers.ask(node, ASKING, 100)
        assert "self-signed certificate" in await pair.warning()
    assert pair.store.asked == []


async def test_the_same_refusal_is_told_once_a_minute(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open() as node:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await pair.peers.ask(node, ASKING, 100)
    assert pair.warned.qsize() == 1
    assert (pair.counts.answered, pair.counts.refused) == (0, 3)


async def test_a_node_whose_certificate_has_expired_is_told_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path, now=11 * YEAR)
    async with pair.open("*/*/*") as node:
        with pytest.raises(Unavailable, match="its certificate is valid from"):
            await pair.peers.ask(node, ASKING, 100)
        assert "was asked nothing: its certificate is valid from" in await pair.warning()
    assert pair.store.asked == []


async def test_a_node_with_another_fingerprint_is_told_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open("*/*/*") as node:
        other = pair.node(pair.host, url=node.spec.url, fingerprint="sha256:" + "0" * 64, certificate="")
        with pytest.raises(Unavailable, match="is not the one of its manifest"):
            await pair.peers.ask(other, ASKING, 100)
        assert "was asked nothing: its certificate is not the one of its manifest" in await pair.warning()
    assert pair.store.asked == []


async def test_a_node_that_comes_later_is_let_in_and_one_that_goes_is_not(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open("*/*/*") as node:
        pair.door.know([])
        with pytest.raises(Unavailable, match="no manifest for your certificate any more"):
            await pair.peers.ask(node, ASKING, 100)
        pair.asker.file.unlink()
        newcomer = Peers(pair.asker, SystemClock(), pair.alarm)
        pair.door.know([pair.node(pair.asker, "*/*/*")])
        assert (await newcomer.ask(node, ASKING, 100)).rows == 1


@pytest.mark.parametrize("content", ["nothing", "-----BEGIN CERTIFICATE-----\nnothing"])
async def test_a_damaged_identity_ends_no_gateway(tmp_path: Path, content: str) -> None:
    pair = Pair(tmp_path)
    node = pair.node(pair.host, url="https://127.0.0.1:9")
    pair.host.file.write_text(content)
    with pytest.raises(Unavailable, match=r"cannot open: .*node\.pem"):
        await pair.door.run()
    pair.asker.file.unlink(missing_ok=True)
    pair.asker.file.parent.mkdir(exist_ok=True)
    pair.asker.file.write_text("-----BEGIN CERTIFICATE-----\nnothing")
    with pytest.raises(Unavailable, match="our own certificate cannot be used"):
        await pair.peers.ask(node, ASKING, 100)


async def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    async with pair.open("*/*/*"):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        host, _, port = pair.listener.address.rpartition(":")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(host, int(port), ssl=old)


async def test_a_certificate_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = Identity(tmp_path / "n", "edge-1", SystemClock())
    assert first.fingerprint == Identity(tmp_path / "n", "edge-1", SystemClock()).fingerprint
    assert first.file.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in first.certificate
    first.file.write_text("nothing")
    with pytest.raises(Rejected, match="has no certificate: remove it"):
        _ = first.certificate


FALSE = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----"
GOOD = {"metadata": {"name": "edge-2"}, "spec": {"fingerprint": "sha256:" + "a" * 64, "url": "https://edge-2:7443"}}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"fingerprint": "aa:bb"}, "spec.fingerprint: 'aa:bb' is not sha256:"),
        ({"url": "http://edge-2"}, "spec.url: 'http://edge-2' is not https://host:port"),
        ({"rights": {"series": ["*/*/*"]}}, "spec.certificate: missing: a node that may ask here is known by it"),
        ({"rights": {"series": ["temperature"]}}, "is not namespace/device/property"),
        ({"rights": {"series": ["[a-z]/*/*"]}}, "is not namespace/device/property"),
        ({"certificate": "hello"}, "spec.certificate: no certificate in PEM"),
        ({"certificate": FALSE}, "spec.certificate: no certificate in PEM"),
        ({"position": {"latitude": 91, "longitude": 0}}, "spec.position.latitude"),
        ({"label": {}}, "spec.label: no such key"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(spec: dict[str, Any], reason: str) -> None:
    data = GOOD | {"spec": GOOD["spec"] | spec}
    with pytest.raises(Rejected) as refused:
        decode(data, Node, "edge-2.yaml")
    assert reason in refused.value.reason


def test_a_certificate_has_to_have_the_fingerprint(tmp_path: Path) -> None:
    identity = Identity(tmp_path, "edge-2", SystemClock())
    spec = GOOD["spec"] | {"certificate": identity.certificate}
    with pytest.raises(Rejected, match=f"spec.fingerprint: the certificate has another: {identity.fingerprint}"):
        decode(GOOD | {"spec": spec}, Node, "edge-2.yaml")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"metadata": {"name": "g"}, "spec": {}}, "spec: nobody would be in it"),
        ({"metadata": {"name": "g", "namespace": "x"}, "spec": {"nodes": ["a"]}}, "metadata.namespace"),
        ({"metadata": {"name": "g"}, "spec": {"within": {"latitude": 0, "longitude": 0, "km": 0}}}, "spec.within.km"),
    ],
)
def test_a_group_that_cannot_be_meant_is_refused(data: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        decode(data, Group, "g.yaml")


def node(name: str, site: str = "", position: Position | None = None, **labels: str) -> Any:
    spec = NodeSpec("sha256:" + "a" * 64, site=site, position=position)
    return place(Node(OwnMetadata(name, labels=labels), spec))


VIENNA, GRAZ, SYDNEY = Position(48.21, 16.37), Position(47.07, 15.44), Position(-33.87, 151.21)
PLACES = [
    node("a", "vienna", VIENNA, line="1"),
    node("b", "graz", GRAZ, line="1"),
    node("c", "sydney", SYDNEY, line="2"),
    node("d"),
]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        (GroupSpec(nodes=("a", "d", "nobody")), "ad"),
        (GroupSpec(labels={"line": "1"}), "ab"),
        (GroupSpec(labels={"site": "graz"}), "b"),
        (GroupSpec(labels={"name": "c"}), "c"),
        (GroupSpec(within=Within(48.2, 16.4, 10)), "a"),
        (GroupSpec(within=Within(48.2, 16.4, 200)), "ab"),
        (GroupSpec(labels={"line": "2"}, within=Within(48.2, 16.4, 200)), ""),
        (GroupSpec(nodes=("c",), labels={"line": "1"}, within=Within(48.2, 16.4, 10)), "ac"),
    ],
)
def test_who_is_in_a_group(group: GroupSpec, names: str) -> None:
    assert "".join(one.name for one in members(group, PLACES)) == names


def test_a_node_without_a_position_is_nowhere() -> None:
    assert not fits(PLACES[3], {}, Within(0, 0, 20_000))


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [(VIENNA, GRAZ, 145), (VIENNA, SYDNEY, 15_980), (Position(0, 179.5), Position(0, -179.5), 111.2)],
)
def test_ways_are_those_on_the_ground(a: Position, b: Position, km: float) -> None:
    assert kilometres(a, b) == pytest.approx(km, rel=0.01)
