"""`make analytics`: a plant, a gateway, and every job of this folder on what the gateway stored and uploaded.

    python -m analytics --spark SPARK/bin/python --flink FLINK/bin/python [--out docs/analytics.md]

What each program prints is kept as it is; between `<!-- output -->` and the end it replaces the page's last part.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from analytics import plant

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
MARK = "<!-- output -->"
CONFIGURATION = """
[node]
name = "edge-1"
[broker]
listen = "127.0.0.1:{mqtt}"
anonymous = true
[store]
path = "{folder}/data"
[web]
listen = "127.0.0.1:{page}"
[tap]
listen = "127.0.0.1:{tap}"
series = ["default/thermometer-*/temperature"]
[inference]
enabled = false
[offload]
enabled = false
[dmi]
enabled = false
[log]
level = "warning"
"""
UPLOAD = """
apiVersion: gemelo.dev/v1alpha1
kind: Upload
metadata: {{name: {name}}}
spec:
  select: {{namespaces: ["default"]}}
  policy: {{onDemand: {{}}}}
  format: {format}
  destination: {{url: "file://{folder}"}}
"""
MEANS = "SELECT property, count(*) AS n, avg(value) AS mean FROM points WHERE property LIKE '{}' GROUP BY 1 ORDER BY 1"
WORST = "SELECT device, max(value) AS worst FROM points WHERE property = 'vibration.p95' GROUP BY 1 ORDER BY 2"
LIVE = "SELECT time, value FROM points WHERE device = 'thermometer-1' AND property = 'temperature.mean' ORDER BY 1"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


MQTT, PAGE, TAP = free_port(), free_port(), free_port()


class Notes:
    """What is done and said, for the terminal and for the page."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def head(self, text: str) -> None:
        self.lines += [f"### {text}", ""]
        print(f"\n{text}", flush=True)

    def run(self, words: Sequence[str], shown: str, *, cwd: Path = ROOT, deadline: float = 600.0) -> None:
        """One program to its end; what it says, without the logs of Java."""
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=cwd, capture_output=True, text=True, timeout=deadline, env=environment(), check=False
        )
        said = "\n".join(filter(_is_ours, done.stdout.splitlines())).strip()
        self.keep(shown, said, time.monotonic() - began)
        if done.returncode:
            sys.exit(f"{shown} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")

    def keep(self, shown: str, said: str, seconds: float) -> None:
        """What a program said, without the folder that is gone afterwards."""
        said = re.sub(r"\S*/gemelo-analytics-\w+/", "", said)
        self.lines += ["```", f"$ {shown}", *said.splitlines(), "```", f"{seconds:.0f} s", ""]
        print(f"$ {shown}\n{said}\n({seconds:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m analytics", description=__doc__)
    parser.add_argument("--spark", required=True, type=os.path.abspath, help="Python of Spark's environment")
    parser.add_argument("--flink", required=True, type=os.path.abspath, help="Python of Flink's environment")
    parser.add_argument("--out", type=Path, help="page whose last part becomes what was said")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--hours", type=float, default=3.0)
    args = parser.parse_args()
    notes = Notes()
    with tempfile.TemporaryDirectory(prefix="gemelo-analytics-") as name, gateway(Path(name)):
        folder = Path(name)
        fill(notes, folder, args.devices, args.hours)
        spark(notes, folder, args.spark)
        files(notes, folder, args.flink)
        tap(notes, folder, args.flink)
    if args.out is not None:
        page = args.out.read_text("utf-8").partition(MARK)[0]
        when = datetime.now(UTC).strftime("%Y-%m-%d")
        machine = f"{os.cpu_count()} cores, {when}; what other programs did meanwhile was not looked at."
        args.out.write_text(f"{page}{MARK}\n{machine}\n\n" + "\n".join(notes.lines).rstrip() + "\n", "utf-8")


def fill(notes: Notes, folder: Path, devices: int, hours: float) -> None:
    """A plant's past into the gateway, and from there to a folder that stands for object storage."""
    notes.head("A plant, stored and uploaded")
    rows = plant.write(folder / "plant.csv", devices, hours)
    notes.keep("python -m analytics.plant plant.csv", f"{rows} rows of {devices} presses, {hours:g} hours", 0.0)
    gemelo(notes, "import", f"{folder}/plant.csv")
    for form in ("parquet", "jsonl"):
        manifest = folder / f"{form}.yaml"
        manifest.write_text(UPLOAD.format(name=form, format=form, folder=folder / form), "utf-8")
        gemelo(notes, "apply", "-f", str(manifest))
    gemelo(notes, "upload", "parquet")


def spark(notes: Notes, folder: Path, python: str) -> None:
    """Spark on what was uploaded; its results go back, and its model runs in OpenVINO."""
    notes.head("Spark: batch, downsampling the fleet")
    up, jobs = folder / "parquet" / "points", HERE / "spark"
    notes.run([python, "downsample.py", str(up), f"{folder}/minutes"], "downsample.py parquet/points minutes", cwd=jobs)
    gemelo(notes, "import", *map(str, sorted((folder / "minutes").glob("part-*.json"))))
    ask(
        notes,
        MEANS.format("%1m"),
    )

    notes.head("Spark: a model of failures, from the past to OpenVINO")
    notes.run([python, "failure.py", str(up), f"{folder}/package"], "failure.py parquet/points package", cwd=jobs)
    check = [sys.executable, "-m", "analytics.check", f"{folder}/package"]
    notes.run(check, "python -m analytics.check package")

    notes.head("Spark: Structured Streaming on what is uploaded")
    stream = [python, "stream.py", str(up), f"{folder}/spans", f"{folder}/checkpoint"]
    for _ in range(2):  # the second run finds nothing new
        notes.run(stream, "stream.py parquet/points spans checkpoint", cwd=jobs)
    gemelo(notes, "import", *map(str, sorted((folder / "spans").glob("part-*.json"))))
    ask(
        notes,
        WORST,
    )


def files(notes: Notes, folder: Path, python: str) -> None:
    """Flink watches a folder; files come after it began, in the order of their time."""
    notes.head("Flink: streaming over sealed files")
    up, out = folder / "jsonl" / "points", folder / "windows"
    up.mkdir(parents=True)
    out.mkdir()
    with watched(folder, "windows"):
        job = started(python, "files.py", str(up), str(out), "0", "5")
        gemelo(notes, "upload", "jsonl")
        settle("SELECT count(*) FROM points WHERE property = 'vibration.mean'")
        ended(notes, job, "files.py jsonl/points windows 0 5")
    ask(
        notes,
        MEANS.format("%.mean"),
    )


def tap(notes: Notes, folder: Path, python: str) -> None:
    """Flink reads the live tap while simulated thermometers speak."""
    notes.head("Flink: streaming from the live tap")
    out = folder / "live"
    out.mkdir()
    fleet = [sys.executable, "-m", "simulator", "fleet", "--port", str(MQTT), "--devices", "5"]
    manifests = subprocess.run([*fleet, "--manifests"], cwd=ROOT, capture_output=True, check=True).stdout
    (folder / "fleet.json").write_bytes(manifests)
    gemelo(notes, "apply", "-f", str(folder / "fleet.json"))
    with watched(folder, "live"), running(fleet):
        job = started(python, "tap.py", "127.0.0.1", str(TAP), str(out), "0")
        settle("SELECT least(count(*), 3) FROM points WHERE property = 'temperature.mean' AND device = 'thermometer-1'")
        ended(notes, job, "tap.py 127.0.0.1 PORT live")
    ask(
        notes,
        LIVE,
    )


def gemelo(notes: Notes, *words: str) -> None:
    short = [Path(word).name if word.startswith("/") else word for word in words]
    notes.run([sys.executable, "-m", "gateway", *words, "--url", url()], f"gemelo {' '.join(short)}")


def ask(notes: Notes, query: str) -> None:
    notes.run([sys.executable, "-m", "gateway", "sql", query, "--url", url()], f'gemelo sql "{query}"')


def settle(query: str) -> None:
    """Wait until a count is above 0 and stands still for half a minute; ten minutes at most."""
    before, since = "", time.monotonic()
    deadline = since + 600
    while time.monotonic() < deadline:
        words = [sys.executable, "-m", "gateway", "sql", query, "-o", "json", "--url", url()]
        said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        if said != before:
            before, since = said, time.monotonic()
        if ": 0" not in said and time.monotonic() - since > 30:
            return
        time.sleep(1.0)
    sys.exit(f"nothing came back: {query}")


def started(python: str, *words: str) -> tuple[subprocess.Popen[str], float]:
    """A job of Flink that has begun to read, until `ended`."""
    job = subprocess.Popen(
        [python, *words],
        cwd=HERE / "flink",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    began = time.monotonic()
    assert job.stdout is not None
    if not (line := job.stdout.readline()).startswith(words[0].removesuffix(".py")):
        sys.exit(f"{words[0]} did not start: {line}\n{job.communicate(timeout=60)[1][-3000:]}")
    return job, began


def ended(notes: Notes, job: tuple[subprocess.Popen[str], float], shown: str) -> None:
    process, began = job
    process.terminate()
    try:
        out, errors = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:  # Flink gives a task three minutes to end; what it wrote is here already
        os.killpg(process.pid, signal.SIGKILL)
        out, errors = process.communicate()
    notes.keep(shown, out.strip(), time.monotonic() - began)
    if process.returncode not in {0, -signal.SIGKILL}:
        sys.exit(f"{shown} failed:\n{errors[-3000:]}")


@contextmanager
def gateway(folder: Path) -> Iterator[None]:
    """A gateway in `folder`."""
    config = folder / "gateway.toml"
    config.write_text(CONFIGURATION.format(folder=folder, mqtt=MQTT, page=PAGE, tap=TAP), "utf-8")
    with running([sys.executable, "-m", "gateway", "run", "-c", str(config)]):
        for _ in range(100):
            words = [sys.executable, "-m", "gateway", "get", "devices", "--url", url()]
            if subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.2)
        yield


@contextmanager
def watched(folder: Path, name: str) -> Iterator[None]:
    """What comes into a folder goes into the gateway."""
    words = ["import", str(folder / name), "--watch", "--format", "json", "--url", url()]
    with running([sys.executable, "-m", "gateway", *words]):
        yield


@contextmanager
def running(words: Sequence[str]) -> Iterator[None]:
    """A program of ours, until the block ends."""
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def environment() -> dict[str, str]:
    """Java of a kind that both know."""
    found = sorted(Path("/usr/lib/jvm").glob("java-17-*"))
    return os.environ | ({"JAVA_HOME": str(found[0])} if found and "JAVA_HOME" not in os.environ else {})


def url() -> str:
    return f"http://127.0.0.1:{PAGE}"


def _is_ours(line: str) -> bool:
    return bool(line.strip()) and "Stage " not in line and "WARN" not in line


if __name__ == "__main__":
    main()
