"""Who may come in, and what the twins hear of it: real gRPC on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devices.offload.config import OffloadConfig
from devices.offload.server import OffloadDoor
from runtime.clock import SystemClock
from simulator.wire import offload_pb2 as pb
from tests.devices.offload.client import Client, frame
from tests.devices.offload.conftest import Opens
from tests.devices.offload.doubles import Light, MemoryIntake
from twins.errors import Rejected, Unavailable
from twins.exchange import ModelInfo
from twins.stimuli import Joined, Seen

INFO = ModelInfo("face-emotion", "7", "emotion", ("happy", "sad"), 64, 64, "", "MIT")


def states(intake: MemoryIntake) -> list[tuple[str, str]]:
    return [(stimulus.device, stimulus.state) for stimulus in intake.stored if isinstance(stimulus, Seen)]


def members(intake: MemoryIntake) -> list[Joined]:
    return [stimulus for stimulus in intake.stored if isinstance(stimulus, Joined)]


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def refusal(client: Client, *args: str, **fields: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.open(*args, **fields)
    return refused.value.code(), refused.value.details() or ""


async def test_registering_makes_the_twin_and_tells_what_is_on_offer(opens: Opens, intake: MemoryIntake) -> None:
    async with opens(models=lambda: [INFO]) as door, Client(door.address) as phone:
        reply = await phone.register(device_id="phone-1", phone_model="Acme 9", app_version="1.2")
        assert reply.twin == "default/phone-1"
        assert [(model.name, list(model.labels)) for model in reply.models] == [("face-emotion", ["happy", "sad"])]
        assert (reply.limits.max_in_flight, reply.heartbeat_ms) == (4, 20_000)
    [joined] = members(intake)
    assert (joined.description, joined.properties["fps_cap"].writable) == ("phone Acme 9 1.2", True)


async def test_a_phone_joins_once_and_is_online_while_its_session_lasts(
    door: OffloadDoor, intake: MemoryIntake
) -> None:
    for _ in range(2):
        async with Client(door.address) as phone:
            await phone.open()
            assert door.online == ("default/phone-1",)
            await phone.send(pb.ClientMessage(bye=pb.Bye()))
            assert await phone.ended() == grpc.StatusCode.OK
        await intake.until(lambda: states(intake)[-1][1] == "offline")
    assert [joined.device for joined in members(intake)] == ["default/phone-1"]
    assert [state for _, state in states(intake)] == ["online", "offline"] * 2


async def test_a_known_phone_does_not_join_again(opens: Opens, intake: MemoryIntake) -> None:
    async with opens(known=lambda device: device == "default/phone-1") as door, Client(door.address) as phone:
        await phone.open()
    assert members(intake) == []


async def test_the_device_may_be_named_in_the_metadata(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        phone.metadata = [("device-id", "phone-7")]
        await phone.open(device="")
        assert door.online == ("default/phone-7",)


@pytest.mark.parametrize("name", ["", "Phone-1", "a/b", "-a", "a" * 64, "phone\n", "téléphone", "$hw"])
async def test_a_bad_name_is_refused_with_the_rule(door: OffloadDoor, intake: MemoryIntake, name: str) -> None:
    async with Client(door.address) as phone:
        code, reason = await refusal(phone, name)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "DNS label" in reason
    assert intake.stored == []


async def test_a_session_begins_with_hello(opens: Opens) -> None:
    async with opens(hello_timeout=0.1) as door, Client(door.address) as phone:
        await phone.open()
        method = phone.channel.stream_stream("/gemelo.offload.v1.Offload/Session")
        silent = method()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await silent.read()
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        early = method()
        await early.write(frame(1).SerializeToString())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await early.read()
        assert refused.value.details() == "a session begins with Hello"


async def test_another_protocol_version_is_refused(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        code, reason = await refusal(phone, protocol=2)
    assert (code, "speaks 1" in reason) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_an_unknown_model_needs_a_fallback(opens: Opens) -> None:
    async with opens(models=lambda: [INFO]) as door, Client(door.address) as phone:
        code, reason = await refusal(phone, model="mood")
        assert (code, "on offer: face-emotion" in reason) == (grpc.StatusCode.NOT_FOUND, True)
        welcome = await phone.open(model="mood", fallbacks=["humour", "face-emotion"])
        assert welcome.model.name == "face-emotion"


async def test_a_token_belongs_to_one_device_or_to_any(opens: Opens) -> None:
    async with opens(tokens={"phone-1": digest("one"), "*": digest("all")}) as door:
        for token, device, wanted in [
            ("", "phone-1", grpc.StatusCode.UNAUTHENTICATED),
            ("wrong", "phone-1", grpc.StatusCode.UNAUTHENTICATED),
            ("one", "phone-2", grpc.StatusCode.PERMISSION_DENIED),
        ]:
            async with Client(door.address, token) as phone:
                assert (await refusal(phone, device))[0] == wanted
                with pytest.raises(grpc.aio.AioRpcError):
                    await phone.register(device_id=device)
        for token, device in [("one", "phone-1"), ("all", "phone-2")]:
            async with Client(door.address, token) as phone:
                assert (await phone.open(device)).credit == 2


async def test_a_message_beyond_the_limit_ends_its_stream_only(opens: Opens, intake: MemoryIntake) -> None:
    async with opens(max_bytes=100_000) as door, Client(door.address) as phone, Client(door.address) as other:
        await phone.open("phone-1")
        await other.open("phone-2")
        await phone.send(frame(1, data=bytes(200_000)))
        assert await phone.ended() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await intake.until(lambda: ("default/phone-1", "offline") in states(intake))
        await other.send(frame(1))
        assert (await other.result()).status == pb.Result.OK


async def test_a_newer_session_replaces_the_older_at_once(
    door: OffloadDoor, intake: MemoryIntake, light: Light
) -> None:
    async with Client(door.address) as older, Client(door.address) as newer:
        await older.open()
        light.gate.clear()
        await older.send(frame(1))
        await newer.open()
        away = (await older.until("go_away")).go_away
        assert away.cause == pb.GoAway.REPLACED
        assert await older.ended() == grpc.StatusCode.ABORTED
        light.gate.set()
        await newer.send(frame(2))
        assert (await newer.result()).status == pb.Result.OK
    await intake.until(lambda: ("default/phone-1", "offline") in states(intake))
    assert [state for _, state in states(intake)] == ["online", "offline"], "the phone was never away in between"


async def test_a_resumed_session_answers_what_the_broken_one_left(
    door: OffloadDoor, intake: MemoryIntake, light: Light
) -> None:
    async with Client(door.address) as phone:
        token = (await phone.open()).resume_token
        await phone.send(frame(1))
        await phone.result()
        intake.held = True
        await phone.send(frame(2))
        await intake.until(lambda: any(getattr(stimulus, "seq", 0) == 2 for stimulus in intake.offered))
        light.gate.clear()
        await phone.send(frame(3))
        phone.call.cancel()
        await intake.until(lambda: any(isinstance(stimulus, Seen) for stimulus in intake.offered))
    light.gate.set()
    intake.held = False
    async with Client(door.address) as phone:
        # Frame 1's Result came, but say it did not; 2 waits for the disk; 3 was never looked at; 4 never arrived.
        welcome = await phone.open(resume_token=token, unanswered=[1, 2, 3, 4])
        assert (welcome.resumed, welcome.credit) == (True, 2)
        answers = [await phone.result() for _ in range(4)]
    statuses = {result.seq: pb.Result.Status.Name(result.status) for result in answers}
    assert statuses == {1: "OK", 2: "OK", 3: "DROPPED_NEWER", 4: "DROPPED_NEWER"}
    assert {result.credit for result in answers} == {0}, "the Welcome has granted"


async def test_a_forged_or_foreign_token_resumes_nothing(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        token = (await phone.open("phone-1")).resume_token
        assert not (await phone.open("phone-2", resume_token=token)).resumed
        assert not (await phone.open("phone-1", resume_token=b"\0" * 32)).resumed


async def test_the_number_of_phones_is_bounded(opens: Opens) -> None:
    async with opens(max_sessions=1, max_devices=2) as door, Client(door.address) as phone:
        await phone.open("phone-1")
        assert (await refusal(phone, "phone-2"))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        await phone.register(device_id="phone-2")
        with pytest.raises(grpc.aio.AioRpcError, match="max_devices"):
            await phone.register(device_id="phone-3")


async def test_desired_values_wait_for_the_phone(door: OffloadDoor) -> None:
    await door.actuate("default/phone-1", {"fps_cap": "5"})
    await door.actuate("default/phone-1", {"jpeg_quality": "60"})
    async with Client(door.address) as phone:
        await phone.open()
        desired = (await phone.until("desired")).desired
        assert dict(desired.values) == {"fps_cap": "5", "jpeg_quality": "60"}


PHONE = """
import asyncio, sys
from tests.devices.offload.client import Client, frame
async def main():
    phone = Client(sys.argv[1])
    await phone.open()
    print("open", flush=True)
    for seq in range(10**9):
        while not phone.credit:
            await phone.result()
        phone.credit -= 1
        await phone.send(frame(seq))
        if seq == 20:
            print("streams", flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_phone_that_is_gone_is_offline_soon(opens: Opens, intake: MemoryIntake, how: signal.Signals) -> None:
    """Killed: its socket closes. Frozen: its kernel still answers, and only the missing ping tells."""
    root = Path(__file__).parents[3]
    async with opens(keepalive=0.3, keepalive_timeout=0.3) as door:
        phone = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PHONE, door.address, cwd=root, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert phone.stdout is not None
            async with asyncio.timeout(20):
                while await phone.stdout.readline() != b"streams\n":
                    pass
            os.kill(phone.pid, how)
            await intake.until(lambda: ("default/phone-1", "offline") in states(intake))
            assert door.online == ()
        finally:
            with suppress(ProcessLookupError):
                phone.kill()
            await phone.wait()


async def test_closing_the_door_says_goodbye_and_reports_offline(opens: Opens, intake: MemoryIntake) -> None:
    async with opens() as door:
        phone = Client(door.address)
        await phone.open()
    assert (await phone.until("go_away")).go_away.cause == pb.GoAway.SHUTTING_DOWN
    assert await phone.ended() == grpc.StatusCode.UNAVAILABLE
    assert states(intake)[-1] == ("default/phone-1", "offline")
    await phone.channel.close()


async def test_tls_takes_only_phones_with_a_certificate_when_an_authority_is_named(
    opens: Opens, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path, "gateway")
    ours, ours_key = self_signed(tmp_path, "phone")
    async with opens(cert_file=certificate, key_file=key, client_ca_file=ours) as door:
        for pair, welcome in [((ours_key, ours), True), ((None, None), False)]:
            parts = [part.read_bytes() if part else None for part in pair]
            credentials = grpc.ssl_channel_credentials(certificate.read_bytes(), *parts)
            phone = Client(door.address)
            phone.channel = grpc.aio.secure_channel(door.address, credentials)
            async with phone:
                if welcome:
                    await phone.open()
                    await phone.send(frame(1))
                    assert (await phone.result()).status == pb.Result.OK
                else:
                    assert (await refusal(phone))[0] == grpc.StatusCode.UNAVAILABLE


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


async def test_a_taken_port_is_said(opens: Opens, intake: MemoryIntake, light: Light, clock: SystemClock) -> None:
    async with opens() as door:
        second = OffloadDoor(OffloadConfig(listen=door.address), intake, light, clock, lambda: "offload:1:1")
        with pytest.raises(Unavailable, match="cannot listen on"):
            await second.run()


async def test_a_missing_certificate_is_said(
    intake: MemoryIntake, light: Light, clock: SystemClock, tmp_path: Path
) -> None:
    config = OffloadConfig(listen="127.0.0.1:0", cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    with pytest.raises(Rejected, match="cannot be read"):
        await OffloadDoor(config, intake, light, clock, lambda: "offload:1:1").run()
