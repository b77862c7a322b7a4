"""The image's recipe: rules that hold for it, and its steps run in a folder, for which no container is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.containerfile import Step, steps
from tests.deploy.kustomization import DEPLOY

ROOT = DEPLOY.parent
STEPS = steps()
COMPILE = ("uv", "pip", "compile", "-q", "--python-version", "3.11", "--only-binary", ":all:", "--no-deps")


def said(word: str, stage: int | None = None) -> list[Step]:
    return [step for step in STEPS if step.word == word and stage in (None, step.stage)]


def packages(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / f"requirements/{lock}.txt").read_text("utf-8"), re.MULTILINE))


def test_every_stage_stands_on_a_base_that_is_given_with_its_digest() -> None:
    assert [step.rest.split()[0] for step in said("FROM")] == ["${BASE}", "${BASE}"]
    assert [step.rest for step in said("ARG", -1)] == ["BASE"], "without a default: a build that names none fails"
    pin = (DEPLOY / "Containerfile.base").read_text("utf-8").strip()
    assert re.fullmatch(r"[a-z.]+/[a-z/]+:[\w.-]+(@sha256:[0-9a-f]{64})?", pin)
    assert '--build-arg "BASE=$base"' in (DEPLOY / "image.sh").read_text("utf-8")


def test_nothing_is_fetched_but_by_the_package_managers() -> None:
    assert said("ADD") == []
    assert [step for step in said("RUN") if re.search(r"curl|wget|git |https?://|\bsudo\b", step.rest)] == []


def test_packages_have_hashes_and_are_never_compiled() -> None:
    installs = [part for step in said("RUN") for part in step.rest.split("&&") if "pip install" in part]
    assert installs
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)
    assert "PIP_ONLY_BINARY=:all:" in said("ENV", 0)[0].rest


def test_it_runs_as_a_number_that_is_not_root_and_the_daemonset_says_the_same() -> None:
    (user,) = said("USER")
    assert user.rest == "10001:10001"
    assert user.stage == 1
    after = STEPS[STEPS.index(user) :]
    assert [step.word for step in after if step.word in {"RUN", "COPY", "USER"}] == ["USER"]
    daemons = (DEPLOY / "base/daemonset.yaml").read_text("utf-8")
    assert "runAsUser: 10001" in daemons
    assert "runAsGroup: 10001" in daemons


def test_the_last_stage_has_no_tools_of_the_build() -> None:
    assert [step.rest for step in said("COPY", 1)] == [
        "--from=build /opt/gemelo /opt/gemelo",
        "deploy/probe /usr/local/bin/probe",
    ]
    assert "rm -rf /var/lib/apt/lists/*" in said("RUN", 1)[0].rest
    assert "--no-install-recommends" in said("RUN", 1)[0].rest


def test_programs_are_called_without_a_shell() -> None:
    for word in ("ENTRYPOINT", "CMD"):
        (step,) = said(word)
        assert isinstance(json.loads(step.rest), list), "as a list, or signals would reach a shell"


def test_what_the_wheel_is_made_of_is_sent_to_the_builder_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    let = {line[1:] for line in lines if line.startswith("!")}
    files = {"pyproject.toml", "README.md", "LICENSE", "requirements/*.txt", "deploy/probe"}
    assert let == {*wheel["packages"], *wheel["force-include"], *files}
    assert "*" in lines
    assert (DEPLOY / "Containerfile.dockerignore").resolve() == ROOT / ".containerignore"


def test_the_image_has_no_gpl_and_the_versions_that_are_tested() -> None:
    assert packages("image") < packages("all")
    assert packages("all") - packages("image") >= {"av", "amqtt"}
    pins = re.compile(r"^([a-z0-9-]+==[^ ;\\]+)", re.MULTILINE)
    image, everything = (
        set(pins.findall((ROOT / f"requirements/{lock}.txt").read_text("utf-8"))) for lock in ("image", "all")
    )
    assert image <= everything


@pytest.mark.parametrize("script", ["probe", "image.sh"])
def test_the_scripts_are_scripts(script: str) -> None:
    assert os.access(DEPLOY / script, os.X_OK)
    subprocess.run(["bash", "-n", DEPLOY / script], check=True)


def test_without_an_engine_the_script_says_what_to_do(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = subprocess.run(
        [DEPLOY / "image.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "neither podman nor docker" in done.stdout


def test_the_engine_gets_a_base_by_its_digest_and_the_pin_is_kept(tmp_path: Path) -> None:
    """A stand-in for podman: it notes what it is asked, and knows one digest."""
    tree = tmp_path / "tree"
    (tree / "deploy").mkdir(parents=True)
    for name in ("image.sh", "Containerfile", "Containerfile.base"):
        shutil.copy(DEPLOY / name, tree / "deploy")
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / "deploy/Containerfile.base").write_text("docker.io/library/python:3.11-slim-bookworm\n", "utf-8")
    digest = "sha256:" + "ab" * 32
    engine = tmp_path / "bin/podman"
    engine.parent.mkdir()
    engine.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n[ "$2" != inspect ] || echo docker.io/library/python@{digest}\n'
    )
    engine.chmod(0o755)
    for _ in range(2):
        env = {"PATH": f"{engine.parent}:{os.environ['PATH']}"}
        subprocess.run([tree / "deploy/image.sh", "x:1"], env=env, check=True, capture_output=True)
    calls = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert [call.split()[0] for call in calls] == ["pull", "image", "build", "build"], "the second build asks nobody"
    assert f"BASE=docker.io/library/python:3.11-slim-bookworm@{digest}" in calls[-1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_36", "aarch64-manylinux_2_36"])
def test_every_package_of_the_image_has_a_wheel_for_both_architectures(platform: str) -> None:
    """Debian 12 has glibc 2.36."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed: make lock")
    done = subprocess.run(
        [uv, *COMPILE[1:], "--python-platform", platform, ROOT / "requirements/image.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_steps_of_the_build_make_an_environment_that_runs(tmp_path: Path) -> None:
    """The first stage as it is written, in a folder in place of a container's root."""
    root, source = tmp_path / "opt", tmp_path / "src"
    tracked = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    let = [
        line[1:].removesuffix("/*.txt")
        for line in (ROOT / ".containerignore").read_text().splitlines()
        if line[0] == "!"
    ]
    for name in filter(None, tracked):
        if any(name == each or name.startswith(f"{each}/") for each in let):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    env = dict(os.environ) | dict(pair.split("=", 1) for step in said("ENV", 0) for pair in step.rest.split())
    env |= dict(pair.split("=", 1) for step in said("ARG", 0) for pair in [step.rest])
    for step in said("RUN", 0):
        command = step.rest.replace("/opt/", f"{root}/").replace("/src/", f"{source}/")
        command = command.replace("python -m venv", f"{sys.executable} -m venv")
        done = subprocess.run(
            ["bash", "-ec", command], env=env, cwd=source, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for program, words in (("gemelo", ["--help"]), ("gemelo", ["explain", "device.spec"]), ("gemelo-sim", ["--help"])):
        done = subprocess.run(
            [root / "gemelo/bin" / program, *words], env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    absent = subprocess.run([root / "gemelo/bin/python", "-c", "import av"], capture_output=True, check=False)
    assert absent.returncode == 1, "PyAV is not in the image"
