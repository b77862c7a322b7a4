"""A client in Java: grpc-java against the door, compiled here from the published proto.

Needs a JDK and these packages of Debian: libgrpc-java libprotobuf-java libnetty-java libperfmark-java
libgoogle-gson-java protobuf-compiler protobuf-compiler-grpc-java-plugin.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.devices.offload.client import jpeg
from tests.devices.offload.conftest import Opens

GENERATED = 'package javax.annotation; public @interface Generated { String[] value(); String comments() default ""; }'
"""gRPC's generated code carries this annotation, which JDKs after 8 do not have."""
ROOT = Path(__file__).parents[3]
JARS = Path("/usr/share/java")
NAMES = [
    "grpc-api",
    "grpc-context",
    "grpc-core",
    "grpc-netty",
    "grpc-protobuf",
    "grpc-protobuf-lite",
    "grpc-stub",
    "protobuf",
    "guava",
    "netty-common",
    "netty-buffer",
    "netty-transport",
    "netty-resolver",
    "netty-codec",
    "netty-handler",
    "netty-codec-http",
    "netty-codec-http2",
    "netty-handler-proxy",
    "netty-transport-native-unix-common",
    "perfmark-api",
    "perfmark-impl",
    "gson",
    "jsr305",
    "error_prone_annotations",
    "opencensus-api",
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the compiled phone."""
    missing = [name for name in ("javac", "java", "protoc", "grpc_java_plugin") if shutil.which(name) is None]
    missing += [f"{name}.jar" for name in NAMES if not (JARS / f"{name}.jar").exists()]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: see the packages at the top of {Path(__file__).name}")
    made = tmp_path_factory.mktemp("jvm")
    path = ":".join([str(made), *(str(JARS / f"{name}.jar") for name in NAMES)])
    call(
        *("protoc", f"-I{ROOT / 'proto'}", f"--java_out={made}", f"--grpc-java_out={made}"),
        *("--plugin=protoc-gen-grpc-java=/usr/bin/grpc_java_plugin", "gemelo/offload/v1/offload.proto"),
    )
    (made / "Generated.java").write_text(GENERATED)
    call("javac", "-nowarn", "-d", made, "-cp", path, *made.rglob("*.java"), ROOT / "tests/devices/jvm/Phone.java")
    return path


def call(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.timeout(150)
async def test_a_jvm_client_streams_with_credit_and_gets_a_result_for_every_frame(
    opens: Opens, compiled: str, tmp_path: Path
) -> None:
    picture = tmp_path / "face.jpg"
    picture.write_bytes(jpeg(shade=230))
    async with opens(tokens={"jvm-1": hashlib.sha256(b"secret").hexdigest()}) as door:
        host, port = door.address.split(":")
        command = ("java", "-cp", compiled, "Phone", host, port, "secret", "jvm-1", "500", str(picture))
        printed = await asyncio.to_thread(call, *command)
        assert door.answered == {"OK": 500}
    twin, sent, results, ok, label, trip, network = printed.split()
    assert (twin, sent, results, ok, label) == ("default/jvm-1", "500", "500", "500", "happy")
    assert 0 <= int(network) < int(trip)
    print(f"JVM: round trip p50 {trip} µs, network p50 {network} µs")
