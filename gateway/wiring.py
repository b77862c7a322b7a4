"""Sections of `gateway.toml` to what each part wants, and what the page is told about this gateway."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from gateway.checks.finding import existing
from gateway.config import Config, address
from gateway.sections import Dmi
from runtime.clock import Clock
from store.store import StoreConfig
from store.tap import Tap
from twins.errors import Rejected
from twins.liveness import Limits
from web.config import WebConfig
from web.views import HintView, NodeView, QueryView

if TYPE_CHECKING:
    from devices.dmi.config import DmiConfig
    from devices.offload.config import OffloadConfig

logger = logging.getLogger(__name__)

EDGECORE_RATE, EDGECORE_BURST = 1.0, 100
"""What EdgeCore lets its mappers do: calls a second, and at once."""
QUERIES = (
    QueryView(
        "Average by device, last 5 minutes",
        "SELECT device, property, avg(value) AS mean, count(*) AS n FROM points\n"
        "WHERE time > now() - INTERVAL 5 MINUTE AND value IS NOT NULL GROUP BY ALL ORDER BY 1, 2",
    ),
    QueryView(
        "What the camera saw", "SELECT time, device, label, score, infer_ms FROM results ORDER BY time DESC LIMIT 20"
    ),
    QueryView(
        "Last decisions",
        "SELECT time, rule, instance, decision, input, cause FROM decisions ORDER BY time DESC LIMIT 20",
    ),
    QueryView("Twins in drift", "SELECT device, property, reported, desired FROM twins WHERE desired <> reported"),
)


def product_version() -> str:
    """The installed version; `dev` when run from a folder."""
    try:
        return version("gemelo")
    except PackageNotFoundError:
        return "dev"


def node(config: Config, clock: Clock) -> NodeView:
    return NodeView(config.node.name, config.node.site, product_version(), clock.now())


def store(config: Config) -> StoreConfig:
    section = config.store
    return StoreConfig(
        path=str(section.path),
        commit_wait=section.commit_wait,
        backlog_rows=section.backlog_rows,
        seal_points=section.segment_points,
        keep_days=section.retention_days,
        minutes_days=section.minutes_days,
        hours_days=section.hours_days,
        points_mib=section.points_mb,
        total_mib=section.total_mb,
        pictures_mib=section.pictures_mb,
        decisions=section.decisions,
        decisions_mib=section.decisions_mb,
    )


def limits(config: Config) -> Limits:
    section = config.twins
    return Limits(section.interval, section.unknown_after, section.offline_after)


def web(config: Config) -> WebConfig:
    """Raises `Rejected` when the token file can't be read."""
    section = config.web
    return WebConfig(
        listen=section.listen,
        hosts=section.hosts,
        token="" if section.token_file is None else read_token(section.token_file),
        certificate=str(section.cert_file or ""),
        key=str(section.key_file or ""),
        behind_tls_proxy=section.behind_tls_proxy,
        viewers=section.viewers,
    )


def edge_api(config: Config) -> WebConfig | None:
    """`None` when it is off. Raises `Rejected` when the token file can't be read, and for an open door."""
    section = config.edge_api
    if not section.enabled or not section.listen:
        return None
    return _beside(structs.replace(web(config), viewers=section.watches), section.listen, "edge_api.listen")


def flight(config: Config) -> WebConfig | None:
    """`None` when it is off, or pyarrow is not installed. Raises `Rejected` as `edge_api` does."""
    if not config.flight.listen or find_spec("pyarrow") is None:
        return None
    return _beside(web(config), config.flight.listen, "flight.listen")


def _beside(page: WebConfig, listen: str, key: str) -> WebConfig:
    """Another address, as the page's own but for that."""
    wanted = structs.replace(page, listen=listen, says=key)
    try:
        wanted.endpoint()
    except Rejected as error:
        raise Rejected(f"{error.reason} (token and certificate are those of [web])") from None
    return wanted


def read_token(path: Path) -> str:
    """The secret in a file. Raises `Rejected`."""
    return _text("web.token_file", path).strip()


def tap(config: Config, made: Tap) -> Callable[[], Awaitable[None]] | None:
    """The run of the tap; `None` where it is turned off."""
    where = address(config.tap.listen)
    return None if where is None else lambda: made.run(*where, config.tap.series)


def offload(config: Config) -> OffloadConfig | None:
    """`None` when the door is off or its extra is not installed.

    Raises `Rejected` for a tokens file that can't be used, and for a door that the network could open.
    """
    section = config.offload
    if not section.enabled or not section.listen or find_spec("grpc") is None:
        return None
    from devices.offload.config import OffloadConfig

    wanted = OffloadConfig(
        listen=section.listen,
        model="face-emotion",
        credit=min(2, section.credits),
        credit_limit=section.credits,
        max_bytes=section.max_frame_bytes,
        max_sessions=section.max_sessions,
        max_devices=section.max_devices,
        tokens={} if section.tokens_file is None else read_tokens(section.tokens_file),
        cert_file=section.cert_file,
        key_file=section.key_file,
        client_ca_file=section.client_ca_file,
    )
    wanted.check()
    return wanted


def read_tokens(path: Path) -> dict[str, str]:
    """Device → SHA-256 of its token. Raises `Rejected`."""
    from devices.offload import access

    text = _text("offload.tokens_file", path)
    try:
        return access.tokens(text)
    except Rejected as error:
        raise Rejected(f"offload.tokens_file: {path}: {error.reason}") from None


def dmi(config: Config) -> DmiConfig | None:
    """`None` when the door is off, its extra is not installed, or the default socket can't be made by this user.

    Raises `Rejected` for a path that no socket can have.
    """
    section = config.dmi
    if not section.enabled or find_spec("grpc") is None:
        return None
    if section.socket == Dmi().socket and not os.access(existing(section.socket.parent), os.W_OK):
        logger.info("mappers are not served: this user can't make %s; [dmi] socket chooses another", section.socket)
        return None
    from devices.dmi.config import DmiConfig

    strict = config.twins.compat == "strict"
    wanted = DmiConfig(
        socket=section.socket,
        strict=strict,
        rate=min(section.rate, EDGECORE_RATE) if strict else section.rate,
        burst=min(section.burst, EDGECORE_BURST) if strict else section.burst,
        max_mappers=section.max_mappers,
    )
    wanted.check()
    return wanted


def hints(config: Config, broker: str) -> tuple[HintView, ...]:
    """Lines to copy that connect something of one's own. `broker` is where it listens; empty before it does."""
    host, _, port = (broker or config.broker.listen).rpartition(":")
    return (
        HintView(
            "A sensor, plain JSON",
            f"mosquitto_pub -h {host} -p {port} -t gemelo/telemetry/default/my-sensor -m '{{\"temperature\": 21.5}}'",
        ),
        HintView(
            "A device with a KubeEdge twin",
            f"mosquitto_pub -h {host} -p {port} -t '$hw/events/device/default/my-device/twin/update' "
            '-m \'{"event_id": "1", "twin": {"speed": {"actual": {"value": "5"}}}}\'',
        ),
        HintView("A manifest", "gemelo apply -f device.yaml"),
        HintView(
            "A phone", f"gemelo-sim phone --address {config.offload.listen} --device my-phone --pictures face.jpg"
        ),
    )


def _text(key: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise Rejected(f"{key}: {path} cannot be read: {reason}") from None
