"""The sections of `gateway.toml`. The text under a key is its documentation; defaults make an empty file valid.

A `listen` is `host:port`, and empty turns its door off. Durations are seconds. Secrets are never written in the file,
only the names of files that hold them (under systemd: `LoadCredential=` and the path it gives).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

Listen = Annotated[
    str,
    Meta(
        pattern=r"^$|^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:.]+\]:\d{1,5}$",
        description='host:port, such as "127.0.0.1:8080", or "" to turn it off',
    ),
]
Url = Annotated[
    str, Meta(pattern=r"^$|^[a-z][a-z0-9+.-]*://[^\s/]+", description="a URL, such as mqtt://10.0.0.5:1883")
]
NodeName = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
        description="a DNS name: small letters, digits and inner hyphens, with dots between",
    ),
]
Word = Annotated[str, Meta(pattern=r"^[^/+#\x00-\x1f]{0,128}$", description="one word of a topic, without / + and #")]
Prefix = Annotated[
    str,
    Meta(
        pattern=r"^[^/+#$\x00-\x1f][^/+#\x00-\x1f]*(/[^/+#\x00-\x1f]+)*$",
        max_length=256,
        description="the beginning of topics, such as acme/plant-1, without + # and $",
    ),
]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Root of all sections."""


class Node(Section, frozen=True):
    """This gateway: its name and where it stands."""

    name: NodeName = "edge-1"
    """Name of this gateway, a DNS name as Kubernetes' nodes have; part of every row it stores."""
    site: str = ""
    """Name of the place, for people."""
    labels: dict[str, str] = {}
    """Labels to select nodes by."""
    latitude: Latitude | None = None
    """Degrees north."""
    longitude: Longitude | None = None
    """Degrees east."""
    zone: str = "UTC"
    """Time zone of the place, an IANA name; rules that speak of the night mean its night."""


class Broker(Section, frozen=True):
    """The MQTT broker: one of yours by `url`, else a mosquitto that the gateway starts and watches."""

    url: Url = ""
    """Broker to use, `mqtt://host:1883` or `mqtts://host:8883`; empty: the gateway runs its own."""
    protocol: Literal["5", "3.1.1"] = "5"
    """MQTT version spoken at `url`; 3.1.1 for brokers that know no newer one."""
    user: str = ""
    """User name at `url`."""
    password_file: Path | None = None
    """File that holds the password at `url`."""
    ca_file: Path | None = None
    """Certificates to trust at `url`; absent: the system's."""
    cert_file: Path | None = None
    """Client certificate at `url`."""
    key_file: Path | None = None
    """Key of the client certificate."""
    sparkplug_host: Word = ""
    """Name under which Sparkplug's nodes find us, on `spBv1.0/STATE/NAME`; empty: we say nothing there."""
    listen: Listen = "127.0.0.1:1883"
    """Own broker: address; when the port is taken the next free one is used, and printed."""
    tls_listen: Listen = ""
    """Own broker: address for devices with a certificate of `gemelo device add NAME --certificate`."""
    tls_names: tuple[str, ...] = ()
    """Own broker: further names and addresses by which devices reach `tls_listen`, for its certificate."""
    anonymous: bool = False
    """Own broker: let everybody in who reaches it; only for tries, and only on loopback."""
    users_file: Path | None = None
    """Own broker: mosquitto password file beside what `gemelo device` gives; a device's user name is its id,
    `namespace/name` or `name`."""
    rights_file: Path | None = None
    """Own broker: mosquitto ACL lines, added to the rights each user has on its own device's topics."""
    max_inflight: Positive = 1000
    """Own broker: messages a client may have under way unacknowledged."""
    max_queued: Positive = 10_000
    """Own broker: messages kept for a client that is away."""
    max_message_bytes: Positive = 1_048_576
    """Own broker: largest message it takes."""


class Store(Section, frozen=True):
    """The data folder: state, series, certificates."""

    path: Path = Path("data")
    """Data folder; made when absent."""
    commit_wait: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Time that a commit waits for more to write: less wear of flash, later answers. Under load they gather anyway."""
    backlog_rows: Annotated[int, Meta(ge=1000)] = 50_000
    """Rows (points, results, events, twins) that wait in memory while the disk takes none; then no input is taken."""
    segment_points: Positive = 200_000
    """Points that make a sealed segment."""
    retention_days: Annotated[float, Meta(gt=0)] = 30.0
    """Days that points, results, events and decisions are kept; a `Retention` says otherwise of some series."""
    minutes_days: Annotated[float, Meta(gt=0)] = 180.0
    """Days that rollups of one minute are kept, but no fewer than their points."""
    hours_days: Annotated[float, Meta(gt=0)] = 1825.0
    """Days that rollups of one hour are kept, but no fewer than their points."""
    points_mb: Positive = 4096
    """Most space of all segments (points, rollups, results) in MiB; what has least of its days left goes first."""
    total_mb: Natural = 0
    """Most space of the whole data folder in MiB; the same points go for it. 0: no limit but those of its parts.
    A twentieth of the disk, at most 1 GiB, is left to others in any case."""
    pictures_mb: Positive = 512
    """Most space of pictures and clips in MiB, but no more than a quarter of `total_mb`; the oldest go first."""
    decisions: Positive = 100_000
    """Decisions of rules that are kept with what led to them, for `gemelo why`; the oldest go first."""
    decisions_mb: Positive = 64
    """Most space of decisions in MiB."""


class Cloud(Section, frozen=True):
    """What the twins are kept in step with."""

    kind: Literal["none", "cloudcore", "mqtt"] = "none"
    """What the cloud is: KubeEdge's CloudCore, or any MQTT broker."""
    url: Url = ""
    """CloudCore's websocket, `wss://host:10000`; or the broker, `mqtts://host:8883` or `mqtt://host:1883`."""
    register_url: Url = ""
    """Where the node gets its certificate: `https://host:10002`; empty means the same host with that port."""
    token_file: Path | None = None
    """File that holds the token to join with."""
    register_node: bool = True
    """Make this gateway a Node of the cluster, ready while it is linked; without, what is deleted in the cloud while
    CloudCore is down stays here. It takes no pods."""
    heartbeat: Seconds = 15.0
    """Time between signs of life."""
    rate: Seconds | None = None
    """Messages a second; absent: 25 to CloudCore, as KubeEdge's own edge sends at most 30, and 200 to a broker."""
    burst: Positive | None = None
    """Messages at once, after a pause; absent: 50 to CloudCore, and to a broker what `rate` brings in two seconds."""
    backoff: Seconds | None = None
    """Longest wait between two attempts to connect; absent: 5 to CloudCore, 4 to a broker. The wait itself is drawn
    between nothing and a bound that doubles up to this one, so that many nodes do not come back in step."""
    protocol: Literal["5", "3.1.1"] = "5"
    """mqtt: version spoken; 3.1.1 for brokers that know no newer one."""
    topic: Prefix = "gemelo"
    """mqtt: what all topics begin with; the node's name follows."""
    user: str = ""
    """mqtt: user name."""
    password_file: Path | None = None
    """mqtt: file that holds the password."""
    ca_file: Path | None = None
    """mqtt: certificates to trust; absent: the system's."""
    cert_file: Path | None = None
    """mqtt: client certificate."""
    key_file: Path | None = None
    """mqtt: key of the client certificate."""
    events: bool = False
    """mqtt: events and what rules decide go up too."""
    messages_mb: Positive = 16
    """Most space of what waits for the cloud in order, in MiB: custom messages of KubeEdge's rule router; mqtt: events.
    The oldest go first."""
    rules_wait: Seconds = 6.0
    """How long custom messages wait on a new link: CloudCore may have just been started, and lack some of its rules."""


class Web(Section, frozen=True):
    """The page, the HTTP API, `/livez`, `/readyz` and `/metrics`."""

    enabled: bool = True
    """Serve it."""
    listen: Listen = "127.0.0.1:8080"
    """Address; beyond loopback a token and a certificate are needed."""
    hosts: tuple[str, ...] = ()
    """Further names by which browsers may call it, such as `edge-1.local`."""
    cert_file: Path | None = None
    """Server certificate; needed beyond loopback."""
    key_file: Path | None = None
    """Key of the certificate."""
    behind_tls_proxy: bool = False
    """A proxy in front ends TLS, and nobody else reaches the address: no certificate is needed, a token still is."""
    token_file: Path | None = None
    """File that holds the token to log in with, 16 characters or more; needed beyond loopback."""
    viewers: Positive = 32
    """Pages that may follow live at once."""


class EdgeApi(Section, frozen=True):
    """Kubernetes' API of this node's devices, for `kubectl`; token, certificate and hosts are those of [web]."""

    enabled: bool = False
    """Serve it."""
    listen: Listen = "127.0.0.1:10550"
    """Address; beyond loopback a token and a certificate are needed."""
    watches: Positive = 64
    """Clients that may watch at once."""


class Flight(Section, frozen=True):
    """Arrow Flight for programs that ask in SQL; token and certificate are those of [web]. Needs the extra `sql`."""

    listen: Listen = ""
    """Address, such as `127.0.0.1:8815`; beyond loopback a token and a certificate are needed."""


class Nodes(Section, frozen=True):
    """Other gateways, which are `kind: Node`: what they may ask here, over mutual TLS, and what we ask them."""

    listen: Listen = ""
    """Address at which others ask, such as `0.0.0.0:7443`."""
    url: Annotated[
        str, Meta(pattern=r"^$|^https://[^\s/]+$", description="a URL, such as https://edge-1.local:7443")
    ] = ""
    """How others reach it, for `gemelo node identity`; empty: as `listen` says."""
    pull_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 200_000
    """Rows that each node may send for a query over a group where it cannot send aggregates in their place."""


class Inference(Section, frozen=True):
    """Models on this box."""

    enabled: bool = True
    """Run models."""
    models: Path = Path("models")
    """Folder of model packages; `gemelo model pull` fills it."""
    threads: Natural = 0
    """Cores that one model uses at a time; 0 means one."""
    max_queued: Positive = 32
    """Frames that may wait for one model; more are refused."""


class Tap(Section, frozen=True):
    """Every committed point as a line of JSON over TCP, for programs on this machine that read lines, such as Flink."""

    listen: Listen = ""
    """Address, on loopback alone: whoever connects reads, without a name. Empty: there is none."""
    series: tuple[str, ...] = ("*",)
    """Series to tell, `namespace/device/property` with * and ?."""


class Offload(Section, frozen=True):
    """Phones that send pictures over gRPC and get results back."""

    enabled: bool = True
    """Serve it."""
    listen: Listen = "127.0.0.1:50051"
    """Address; beyond loopback a certificate is needed, and `tokens_file` or `client_ca_file`."""
    cert_file: Path | None = None
    """Server certificate; needed beyond loopback."""
    key_file: Path | None = None
    """Key of the certificate."""
    tokens_file: Path | None = None
    """Who may come: lines `device sha256`, `*` for any device; make the second by `printf %s TOKEN | sha256sum`."""
    client_ca_file: Path | None = None
    """Authority whose certificates phones must show."""
    credits: Positive = 4
    """Frames a phone may have under way."""
    max_frame_bytes: Positive = 4_194_304
    """Largest frame."""
    max_sessions: Positive = 64
    """Phones that may have a session at once."""
    max_devices: Positive = 1024
    """Phones that may join between two starts."""


class Dmi(Section, frozen=True):
    """KubeEdge's mappers, over gRPC on a unix socket."""

    enabled: bool = True
    """Serve it."""
    socket: Path = Path("/run/gemelo/dmi.sock")
    """Where mappers come; for the user and the group of the gateway. This one is off where the user can't make it."""
    rate: Seconds = 1000.0
    """Calls a second that each mapper may make in the long run; strict: 1, as in KubeEdge."""
    burst: Positive = 2000
    """Calls that each mapper may make at once; strict: 100."""
    max_mappers: Positive = 64
    """Mappers that may be registered."""


class Twins(Section, frozen=True):
    """How the twins behave."""

    compat: Literal["default", "strict"] = "default"
    """strict: KubeEdge's behaviour to the letter."""
    enrol: bool = False
    """A device that nobody declared joins with its first message; else it is answered 404, as KubeEdge does."""
    enrol_limit: Positive = 10_000
    """With `enrol`: once there are so many devices, none joins by itself any more, and is told so."""
    heartbeat: Annotated[float, Meta(ge=0)] = 3600.0
    """A value that is reported unchanged is told to the cloud again so long after it confirmed it; 0: never."""
    interval: Seconds = 30.0
    """Time between two messages that is assumed of a device which declares none, until its own is learned."""
    unknown_after: Annotated[float, Meta(ge=1)] = 3.0
    """Intervals of silence after which a device is `unknown`."""
    offline_after: Annotated[float, Meta(ge=1)] = 10.0
    """Intervals of silence after which a device is `offline`."""


class Actions(Section, frozen=True):
    """What rules want done outside: messages, calls of web servers, notices, clips, uploads."""

    pending_mb: Positive = 16
    """Most space of actions that wait for their targets, in MiB; the oldest go first, recorded and counted."""


class Manifests(Section, frozen=True):
    """Devices, cameras, rules, models: everything that is a manifest."""

    paths: tuple[Path, ...] = ()
    """Files and folders of YAML applied at each start."""


class Log(Section, frozen=True):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""
    format: Literal["text", "json"] = "text"
    """For people or for machines."""
