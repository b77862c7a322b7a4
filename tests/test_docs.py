"""What the documentation says is so: links, commands, modules, payloads, configuration, queries."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import gateway.cli
import rules.instructions
import simulator.cli
from devices.camera.manifest import Camera
from devices.mqtt import telemetry
from devices.sparkplug.manifest import Sparkplug
from devices.telemetry.homeassistant import Discovery
from devices.telemetry.manifest import Mapping
from gateway.actions.channel import Channel
from gateway.config import load, parse
from gateway.manifests.documents import documents_of
from learning.manifest import Baseline, Forecast
from learning.tuning.manifest import Tuning
from rules import lint
from rules.alarms import lint as alarms
from rules.manifest import alarm, detector
from store.counts import Counts
from store.manifest import Retention
from store.schema import TABLES
from store.tap import TapCounts
from store.uploads.manifest import Upload
from streams import result
from streams.pipeline import Pipeline
from streams.query import Query
from twins.instructions import Instruction
from twins.kubeedge import Reader, Writer
from twins.manifests import Device, DeviceModel, declared
from twins.schema import decode
from twins.stimuli import Joined, Left, Stimulus
from twins.twin import Twins

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
EXAMPLES = sorted(file for file in (DOCS / "examples").rglob("*.yaml") if ".test" not in file.suffixes)
PACKAGES = (
    "gateway",
    "twins",
    "devices",
    "rules",
    "streams",
    "learning",
    "inference",
    "store",
    "cloud",
    "web",
    "runtime",
    "simulator",
)
OTHERS = ("proto", "tests", "benches", "docs", "systemd", "requirements", "deploy", ".ci")
KINDS = {
    "Device": Device,
    "DeviceModel": DeviceModel,
    "Camera": Camera,
    "Channel": Channel,
    "Mapping": Mapping,
    "Discovery": Discovery,
    "Sparkplug": Sparkplug,
    "Retention": Retention,
    "Query": Query,
    "Pipeline": Pipeline,
    "Upload": Upload,
    "Baseline": Baseline,
    "Forecast": Forecast,
    "Tuning": Tuning,
}
START = 1_795_255_200_000_000

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CALL = re.compile(r"^(?:\.venv/bin/)?(gemelo(?:-sim)?) (.+)$")
FORBIDDEN = re.compile(r"(?<!\w)/work\b|/tmp/|/home/|/root/|\b(?:\w+\.)*(?:pypi|pythonhosted|npmjs|golang)\.\w{3}\b")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(page: Path) -> Iterator[str]:
    """Every line of a block and every word in backticks that calls one of our programs."""
    text = page.read_text("utf-8")
    lines = [line.strip().removeprefix("$ ") for _, block in FENCE.findall(text) for line in block.splitlines()]
    yield from (said for said in [*lines, *INLINE.findall(FENCE.sub("", text))] if CALL.match(said))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(index)}
    linked |= {(DOCS / "decisions" / t).resolve() for t in LINK.findall((DOCS / "decisions/README.md").read_text())}
    assert [name(page) for page in PAGES if page.resolve() not in linked and page != DOCS / "index.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_can_be_typed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for said in commands(page):
        program, rest = CALL.match(said).groups()
        module = gateway.cli if program == "gemelo" else simulator.cli
        words = shlex.split(re.split(r" [|&]|  +", rest)[0], comments=True)
        if len(words) == 1 and program in said and said in INLINE.findall(page.read_text("utf-8")):
            assert words[0] in (module.COMMANDS if program == "gemelo" else module.PARTS), said
            continue  # it is named, not called
        try:
            module.parser(words[0]).parse_args(words)
        except SystemExit:
            pytest.fail(f"{said}\n{capsys.readouterr().err}")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = page.read_text("utf-8")
    said = [line for _, block in FENCE.findall(text) for line in block.splitlines()] + INLINE.findall(text)
    called = {m[1] for line in said if (m := re.match(r"\s*make ([a-z-]+)", line))}
    assert called <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_module_named_is_there(page: Path) -> None:
    for said in INLINE.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.fullmatch(rf"({'|'.join(PACKAGES)})\.[a-z_.]+", said) and said != "gateway.toml":
            assert importlib.util.find_spec(said) or is_key(said), f"no module {said}"
        elif re.match(rf"({'|'.join(map(re.escape, PACKAGES + OTHERS))})/[\w./-]*$", said):
            assert (ROOT / said).exists(), f"no file {said}"


def is_key(said: str) -> bool:
    """`store.path` is a key of the configuration, no module."""
    section, _, key = said.partition(".")
    return hasattr(getattr(parse("", where="defaults", folder=ROOT), section, None), key)


def test_the_architecture_names_every_package_stimulus_and_instruction() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    assert [p for p in PACKAGES if f"`{p}/`" not in text] == []
    roots = (Stimulus, Instruction, rules.instructions.Instruction)
    known = {kind.__name__ for root in roots for kind in root.__subclasses__()}
    assert [kind for kind in sorted(known) if f"`{kind}`" not in text] == []


def test_what_the_architecture_says_to_change_is_where_it_says() -> None:
    table = (DOCS / "architecture.md").read_text("utf-8").partition("## Where to add what")[2]
    for row in table.splitlines():
        words = INLINE.findall(row)
        files = [ROOT / word for word in words if "/" in word]
        text = "".join(path.read_text("utf-8") for path in files if path.is_file())
        text += "".join(path.read_text("utf-8") for folder in files if folder.is_dir() for path in folder.rglob("*.py"))
        names = [word.partition("(")[0] for word in words if "/" not in word and " " not in word]
        assert [word for word in names if word not in text] == [], row


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_configuration_shown_is_valid(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "toml":
            parse(block, where=name(page), folder=ROOT)


def test_the_example_configuration_is_valid() -> None:
    file = DOCS / "examples" / "gateway.toml"
    assert load(file).twins.enrol
    assert set(tomllib.loads(file.read_text("utf-8"))) == {"node", "broker", "twins", "manifests"}


@pytest.mark.parametrize("file", EXAMPLES, ids=name)
def test_every_example_manifest_can_be_applied(file: Path) -> None:
    for _, document in documents_of(file.read_bytes()):
        assert isinstance(document, dict)
        match document["kind"]:
            case "Detector":
                assert lint.faults(detector.decode(document)) == []
            case "Alarm":
                assert alarms.faults(alarm.decode(document)) == []
            case kind:
                decode(document, KINDS[kind], name(file))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_query_shown_may_run(page: Path) -> None:
    pytest.importorskip("sqlglot")
    from store.sql.guard import guard
    from store.sql.split import named

    for said in commands(page):
        words = shlex.split(said, comments=True)
        if words[1] == "sql" and len(words) > 2 and "…" not in said:
            guard(named(gateway.cli.parser("sql").parse_args(words[1:]).query).sql)


def test_every_table_of_sql_is_named_in_the_readme() -> None:
    assert [table for table in TABLES if f"`{table}`" not in (ROOT / "README.md").read_text("utf-8")] == []


def test_counters_are_named_as_they_are_shown() -> None:
    kinds = {"store": Counts, "streams": result.Counts, "pipelines": result.Offers, "tap": TapCounts}
    shown = {f"{part}_{name}_total" for part, kind in kinds.items() for name in kind.__struct_fields__}
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    told = set(re.findall(r"`gemelo_((?:store|streams|pipelines|tap)_\w+)`", text))
    assert len(told) > 8
    assert told <= shown


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_of_one_machine_is_told(page: Path) -> None:
    assert FORBIDDEN.findall(page.read_text("utf-8")) == []


def test_programs_advise_only_commands_that_exist() -> None:
    known = {*gateway.cli.COMMANDS, *simulator.cli.PARTS}
    for package in PACKAGES:
        for file in [*(ROOT / package).rglob("*.py"), *(ROOT / package).rglob("*.js")]:
            said = re.findall(r"\bgemelo(?:-sim)? ([a-z][a-z-]*)\b", file.read_text("utf-8"))
            assert set(said) <= known, f"{name(file)}: {set(said) - known}"


def test_the_picture_of_the_page_is_wide_enough_and_light() -> None:
    file = DOCS / "images" / "page.png"
    head = file.read_bytes()[:24]
    assert head[1:4] == b"PNG"
    assert int.from_bytes(head[16:20], "big") == 1440
    assert file.stat().st_size < 400_000


# -- MQTT topics -------------------------------------------------------------------------------------------------------


class Story:
    """The gateway of topics.md: messages in, messages out, one second apart, without a broker."""

    def __init__(self) -> None:
        self.now = START
        self._reader, self._writer = Reader("edge-1"), Writer("edge-1")
        self._twins = Twins(enrols=True)
        self._count = 0

    def declare(self, file: Path) -> list[tuple[str, object]]:
        model, device = yaml.safe_load_all(file.read_text("utf-8"))
        one = decode(device, Device, "device")
        properties = declared(one, decode(model, DeviceModel, "model"))
        return self._handle(Joined(one.id, "api:1:1", self.now, properties, "", "pump"))

    def hear(self, topic: str, body: bytes) -> list[tuple[str, object]]:
        self._count += 1
        self.now += 1_000_000
        cause = f"mqtt:1:{self._count}"
        if topic.startswith(telemetry.PREFIX):
            return self._handle(telemetry.read(topic, body, cause, self.now))
        stimulus = self._reader.read(topic, body, cause, self.now)
        assert stimulus is not None, f"nobody hears {topic}"
        return self._handle(stimulus)

    def remove(self, device: str) -> list[tuple[str, object]]:
        return self._handle(Left(device, "api:1:2", self.now))

    def _handle(self, stimulus: Stimulus) -> list[tuple[str, object]]:
        said = [message for i in self._twins.handle(stimulus) for message in self._writer.write(i, self.now)]
        return [(topic, json.loads(body)) for topic, body in said]


TOPICS = (DOCS / "topics.md").read_text("utf-8")
BLOCKS = [
    (kind, *block.split("\n", 1)) for kind, block in FENCE.findall(TOPICS) if kind in {"in", "out"}
]  # direction, topic, body


def test_the_story_of_the_topics_happens_as_it_is_told() -> None:
    story = Story()
    said = story.declare(DOCS / "examples" / "device.yaml")
    for direction, topic, body in BLOCKS:
        if direction == "in":
            said = story.hear(topic, body.strip().encode())
        else:
            assert (topic, json.loads(body)) in said, "\n".join(f"{t}\n{json.dumps(b)}" for t, b in said)


def test_every_topic_in_the_table_has_an_example() -> None:
    rows = re.findall(r"^\| `([$g][^`]+)` \|", TOPICS, re.MULTILINE)
    patterns = {row: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(row))) for row in rows}
    shown = {topic for _, topic, _ in BLOCKS}
    assert [row for row, pattern in patterns.items() if not any(map(pattern.fullmatch, shown))] == []
    assert [topic for topic in shown if not any(p.fullmatch(topic) for p in patterns.values())] == []


def test_the_limits_told_are_those_of_the_code() -> None:
    from twins.kinds import VALUE_LIMIT
    from twins.kubeedge.reader import BODY_LIMIT
    from twins.kubeedge.writer import ANSWER_LIMIT
    from twins.values import TEXT

    assert f"{BODY_LIMIT // 1024} KiB a message" in TOPICS
    assert f"{VALUE_LIMIT:,} characters a value" in TOPICS
    assert f"up to {telemetry.PROPERTIES}\nvalues, nested up to {telemetry.DEPTH} deep" in TOPICS
    assert f"{TEXT:,} characters for all values" in TOPICS
    assert f"{ANSWER_LIMIT:,} bytes" in TOPICS
