"""The image itself, built and run, where the programs for it are: minutes, and by `make layers` alone.

The base is Debian 12 with its own Python, made by debootstrap, in place of the one that only a registry has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.kustomization import DEPLOY, built
from tests.gateway.process import until

ROOT = DEPLOY.parent
PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
LIMITS = "[containers]\ndefault_ulimits = ['nofile=1024:1024', 'nproc=1024:1024']\n"
"""podman would raise them, which not every machine lets it do."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Engine:
    """buildah and podman with a store of their own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._store = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]
        (folder / "containers.conf").write_text(LIMITS)
        self._env = os.environ | {"STORAGE_DRIVER": "vfs", "CONTAINERS_CONF": str(folder / "containers.conf")}

    def buildah(self, *words: str) -> str:
        done = self._run("buildah", *self._store, *words)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    def podman(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("podman", *self._store, "--runtime=runc", "--cgroup-manager=cgroupfs", *words)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=self._env, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With the image `gemelo`."""
    if absent := [each for each in PROGRAMS if shutil.which(each, path=f"{os.environ['PATH']}:/usr/sbin") is None]:
        pytest.skip(f"not installed: {', '.join(absent)}: apt-get install {' '.join(PROGRAMS)}")
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    folder = tmp_path_factory.mktemp("engine")
    base, engine = folder / "base", Engine(folder)
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", base], check=True, capture_output=True)
    (base / "usr/bin/python").symlink_to("python3")
    container = engine.buildah("from", "scratch")
    subprocess.run(["cp", "-a", f"{base}/.", engine.buildah("mount", container)], check=True)
    engine.buildah("commit", "-q", container, "localhost/base")
    engine.buildah("rm", container)
    trust = ["-v", "/etc/ssl/certs:/etc/ssl/certs:ro"]
    words = ["--isolation=chroot", "--network=host", *trust, "--build-arg=BASE=localhost/base"]
    engine.buildah("build", *words, "-f", "deploy/Containerfile", "-t", "localhost/gemelo", ".")
    yield engine
    engine.podman("rm", "-f", "-t", "1", "--all")
    engine.buildah("rm", "--all")
    for line in reversed(Path("/proc/self/mounts").read_text("utf-8").splitlines()):
        if (place := line.split()[1]).startswith(f"{folder}/"):  # the store mounts itself
            subprocess.run(["umount", place], check=True)
    shutil.rmtree(folder)


def test_the_image_gets_ready_without_rights_on_a_read_only_root_and_ends_in_order(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    for each in built(DEPLOY / "overlays/kubernetes"):
        if each["kind"] == "ConfigMap":
            (tmp_path / "config/gateway.toml").write_text(each["data"]["gateway.toml"], "utf-8")
    (tmp_path / "data").mkdir(mode=0o700)
    os.chown(tmp_path / "data", 10001, 10001)
    confined = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    mounts = ["--tmpfs=/tmp", f"-v={tmp_path}/data:/var/lib/gemelo", f"-v={tmp_path}/config:/etc/gemelo/config:ro"]
    started = engine.podman("run", "-d", "--name=gateway", "--network=none", *confined, *mounts, "localhost/gemelo")
    assert started.returncode == 0, started.stderr

    def log() -> str:
        return engine.podman("logs", "gateway").stderr

    until(lambda: engine.podman("exec", "gateway", "probe", "/readyz").returncode == 0, deadline=60, what=log)
    status = engine.podman("exec", "gateway", "cat", "/proc/1/status").stdout
    for line in ("Uid:\t10001\t10001\t10001\t10001", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    assert engine.podman("exec", "gateway", "touch", "/x").returncode == 1
    assert "edge-1" in engine.podman("exec", "gateway", "gemelo", "sql", "select node from nodes").stdout
    assert engine.podman("exec", "gateway", "sh", "-c", "! command -v pip gcc curl").returncode == 0
    assert "mosquitto at 127.0.0.1:1883" in log()
    assert engine.podman("stop", "-t", "40", "gateway").returncode == 0
    assert engine.podman("inspect", "gateway", "--format", "{{.State.ExitCode}}").stdout.strip() == "0", log()
