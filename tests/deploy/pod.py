"""What a container runtime does to a process, done by util-linux: namespaces and a read-only root of its own, the
volumes of the DaemonSet, its user, no capability, no new privileges. It is no container: the root is put together of
this machine's folders, and there is no seccomp profile and no limit of memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.kustomization import Object, workload

ROOT = Path(__file__).resolve().parents[2]
USER = 10001
_PROGRAMS = ("unshare", "nsenter", "setpriv", "ip", "mount")
_KEPT = sorted({str(ROOT), sys.prefix, sys.base_prefix})
"""What the process is made of, where it is on this machine."""
_PATHS = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"

_SETUP = r"""
set -euo pipefail
stage=$1 root=$1/root; shift
show() { mkdir -p "$root$2"; mount --bind "$1" "$root$2"; mount -o "remount,bind,$3" "$root$2"; }
ip link set lo up
mount -t tmpfs -o mode=755 none "$root"
for each in /bin /sbin /lib /lib64; do
  if [ -L "$each" ]; then cp -P "$each" "$root$each"; elif [ -d "$each" ]; then show "$each" "$each" ro; fi
done
show /usr /usr ro
mkdir "$root"/{dev,proc,etc}
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
cp -a /etc/. "$root/etc"
for each in config manifests cloud; do show "$stage/$each" "/etc/gemelo/$each" ro; done
show "$stage/data" /var/lib/gemelo rw
show "$stage/run" /run/gemelo rw
show "$stage/tmp" /tmp rw
while [ "$1" != -- ]; do show "$1" "$1" ro; shift; done; shift
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


class Pod:
    """The pod of an overlay's objects on the node `node`; its files are in `folder`."""

    def __init__(self, folder: Path, objects: list[Object], node: str) -> None:
        _needs(_PROGRAMS)
        (self._container,) = workload(objects)["containers"]
        self.args: list[str] = self._container["args"]
        self._stage, self._node = folder, node
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        for name in ("root", "config", "manifests", "cloud", "data", "run", "tmp"):
            (folder / name).mkdir()
        for name in ("data", "run", "tmp"):
            os.chown(folder / name, USER, USER)
        for config, volume in (("gemelo", "config"), ("gemelo-manifests", "manifests")):
            _mounted(folder / volume, objects, config)
        for each in objects:
            if each["kind"] == "Secret":
                for name, text in each["stringData"].items():
                    (folder / "cloud" / name).write_text(text, "utf-8")

    def start(self) -> None:
        """Start what the container's arguments say."""
        words = [self._node if word == "$(NODE_NAME)" else word for word in self.args]
        spaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*spaces, "bash", "-c", _SETUP, "pod", str(self._stage), *_KEPT, "--", *_confined(*_gemelo(*words))],
                env={"PATH": _PATHS},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command within, as `kubectl exec` has it."""
        enter = ["nsenter", "-t", str(self._first()), "--mount", "--net", "--pid", "--root"]
        return subprocess.run(
            [*enter, *_confined(*words)],
            env={"PATH": _PATHS},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def gemelo(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(*_gemelo(*words))

    def probe(self, name: str) -> subprocess.CompletedProcess[str]:
        """A probe of the DaemonSet: `startup`, `liveness`, `readiness`."""
        program, *words = self._container[f"{name}Probe"]["exec"]["command"]
        return self.run("bash", str(ROOT / "deploy" / program), *words)

    def memory(self) -> int:
        """Bytes that its processes hold, shared ones in parts."""
        found = 0
        for pid in self._all():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
            found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return found

    def end(self) -> int:
        """SIGTERM to its first process, as the kubelet sends it; the exit code."""
        os.kill(self._first(), signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit code of what ends by itself."""
        assert self._process is not None
        return self._process.wait(40)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            within = self._first()  # it changed its user, so it outlives its parent; with it all within ends
            os.kill(within or self._process.pid, signal.SIGKILL)
            self._process.wait(5)

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def _first(self) -> int:
        """The process that is number 1 within."""
        assert self._process is not None
        if not self._pid:
            own = self._process.pid
            self._pid = int((Path(f"/proc/{own}/task/{own}/children").read_text().split() or ["0"])[0])
        return self._pid

    def _all(self) -> list[int]:
        found, pending = [], [self._first()]
        while pending:
            found.append(pid := pending.pop())
            pending += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found


def _mounted(folder: Path, objects: list[Object], name: str) -> None:
    """A ConfigMap as the kubelet lays it out: the files in a folder with a date, and links to them."""
    for each in objects:
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name:
            dated = folder / "..2026_11_21_10_00_00.1"
            dated.mkdir()
            (folder / "..data").symlink_to(dated.name)
            for file, text in each["data"].items():
                (dated / file).write_text(text, "utf-8")
                (folder / file).symlink_to(f"..data/{file}")


def _gemelo(*words: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *words]


def _confined(*words: str) -> list[str]:
    rights = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", f"--groups={USER}"]
    env = [f"PATH={_PATHS}", f"PYTHONPATH={ROOT}", "PYTHONDONTWRITEBYTECODE=1", "HOME=/var/lib/gemelo"]
    return [
        "setpriv",
        f"--reuid={USER}",
        f"--regid={USER}",
        *rights,
        "env",
        "-i",
        "--chdir=/var/lib/gemelo",
        *env,
        *words,
    ]


def _needs(programs: tuple[str, ...]) -> None:
    if missing := [each for each in programs if shutil.which(each) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "-n", "-p", "-f", "true"], check=False).returncode:
        pytest.skip("namespaces need root")
