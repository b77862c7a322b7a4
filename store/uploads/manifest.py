"""The manifest of an upload: `apiVersion: gemelo.dev/v1alpha1`, `kind: Upload`."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from twins.cron import following
from twins.duration import Duration, microseconds
from twins.exchange import Severity
from twins.manifests import OwnMetadata

SCHEMES = ("s3", "gs", "az", "azure", "file")
Glob = Annotated[str, Meta(min_length=1, max_length=512)]
Kind = Literal["points", "results", "pictures"]
KINDS: tuple[Kind, ...] = ("points", "results", "pictures")
Hour = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="an hour of the day, such as 22:00")]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "alert", "error")


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifest's structs."""


class Destination(_Node, frozen=True):
    """Where objects go. Secrets are in files, never here."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    """`s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///folder`;
    one of its own for each upload."""
    endpoint: Annotated[str, Meta(max_length=2048)] = ""
    """Address of an S3-compatible server, `https://host:9000`; empty: the cloud's own."""
    region: Annotated[str, Meta(max_length=64)] = "us-east-1"
    """S3: the bucket's region."""
    credentials_file: str | None = None
    """File with lines `name = value`, as obstore calls them: `access_key_id`, `secret_access_key`; for
    others `account_key`, `service_account_path`. It is for the gateway's user alone."""
    ca_file: str | None = None
    """Certificates to trust in place of the system's."""
    insecure: bool = False
    """Let `http://` be beyond loopback: everybody between reads what goes."""


class Select(_Node, frozen=True):
    """What is meant. `*` and `?` stand for any characters, slashes too; an empty list means none."""

    kinds: tuple[Kind, ...] = ("points",)
    """points, results of inference, pictures of alerts. Of no meaning for `never`, which holds for all."""
    namespaces: tuple[Glob, ...] = ()
    """Devices of these namespaces."""
    series: tuple[Glob, ...] = ()
    """Series, `namespace/device/property`; `results` and `pictures` count as properties of their camera."""
    cameras: tuple[Glob, ...] = ()
    """Devices, `namespace/device`, with all that they say and see: points, results, pictures."""


class Window(_Node, frozen=True):
    """Hours of the day in the node's time zone; `to` before `from` is the next morning."""

    from_: Hour = field(name="from")
    """When it begins."""
    to: Hour
    """When it ends; the object that is under way is finished."""


class Scheduled(_Node, frozen=True):
    """Everything, as time goes."""

    cron: Annotated[str, Meta(max_length=128)]
    """When, in the node's time zone: minute, hour, day of the month, month, day of the week."""
    window: Window | None = None
    """Hours in which bytes may go; absent: all."""


class OnDemand(_Node, frozen=True):
    """When it is asked for: `gemelo upload NAME --from … --to …`."""


class OnEvent(_Node, frozen=True):
    """What was around an event."""

    kinds: Annotated[tuple[Glob, ...], Meta(min_length=1)] = ("alert",)
    """Kinds of events."""
    objects: Annotated[tuple[Glob, ...], Meta(min_length=1)] = ("*",)
    """Whom it is about, such as `default/pump-*`."""
    severity: Severity = "info"
    """The least."""
    before: Duration = 30.0
    """So much from before it."""
    after: Duration = 30.0
    """And so much from after it: then it goes."""


class Never(_Node, frozen=True):
    """What `select` names does not leave by any upload; each attempt is an event."""


class Policy(_Node, frozen=True):
    """When it goes: exactly one field is given."""

    scheduled: Scheduled | None = None
    """By the clock."""
    on_demand: OnDemand | None = None
    """When asked alone. The others go when asked too, but for `never`."""
    on_event: OnEvent | None = None
    """Around events."""
    never: Never | None = None
    """Never: a hard block, whatever other manifests say."""


class Sampling(_Node, frozen=True):
    """Fewer points of each series: exactly one of the first four is given. `minMax` and `lttb` keep all texts."""

    every_n: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None
    """Each Nth point."""
    rate: Duration | None = None
    """The first point of each such time."""
    min_max: Duration | None = None
    """Of each such time the least and the greatest."""
    lttb: Annotated[int, Meta(ge=3, le=1_000_000)] | None = None
    """So many points of each series and object, chosen so that the line looks the same."""


class Align(_Node, frozen=True):
    """Numbers of all series on one clock, a row a tick and series. Goes by whole days (UTC) that are over."""

    every: Duration
    """Time between two ticks, from 1970 on."""
    method: Literal["last", "mean", "linear"] = "last"
    """The last value up to the tick; the mean of the tick's time; or on the line between two values."""
    max_gap: Duration | None = None
    """No row where the values used are further from the tick than this; absent: ten ticks."""
    lateness: Duration = "1h"
    """So long after midnight a day is closed; what comes later is not in it."""


class Encryption(_Node, frozen=True):
    """AES-256-GCM before a byte leaves: each object has a key of its own, wrapped by the one in the file."""

    key_file: Annotated[str, Meta(min_length=1)]
    """File of 32 bytes, or of 64 hex digits (`openssl rand -hex 32`), for the gateway's user alone."""


class UploadSpec(_Node, frozen=True):
    select: Select
    """What."""
    policy: Policy
    """When."""
    destination: Destination | None = None
    """Where to; `never` has none."""
    format: Literal["parquet", "jsonl"] = "parquet"
    """Of points and results: Parquet, or lines of JSON in the order of time, for programs that read no Parquet."""
    bytes_per_second: Annotated[int, Meta(ge=1024)] | None = None
    """How fast at most, over a part of 5 MiB and more; absent: as fast as it goes."""
    sampling: Sampling | None = None
    """Fewer points."""
    align: Align | None = None
    """All on one clock."""
    encryption: Encryption | None = None
    """Unreadable to whoever stores it."""


class Upload(Struct, frozen=True, forbid_unknown_fields=True):
    """What of this node's data goes to object storage, when, and in which form; or must never go."""

    metadata: OwnMetadata
    """Its name."""
    spec: UploadSpec
    """What, when, where to."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Upload"] = "Upload"
    """The kind of object."""

    @property
    def id(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def blocks(self) -> bool:
        """True when it says what must never go."""
        return self.spec.policy.never is not None

    @property
    def policy(self) -> str:
        """The policy's name."""
        policy = self.spec.policy
        given = (("scheduled", policy.scheduled), ("onDemand", policy.on_demand), ("onEvent", policy.on_event))
        return next((name for name, value in given if value is not None), "never")

    def __post_init__(self) -> None:
        spec = self.spec
        _exactly_one("policy", spec.policy)
        if not (spec.select.series or spec.select.cameras or spec.select.namespaces):
            raise _fault("select", "name series, cameras or namespaces; `*` means all")
        if self.blocks:
            if spec.destination is not None:
                raise _fault("destination", "what never goes has none")
            return
        if spec.destination is None:
            raise _fault("destination", "missing: where should it go?")
        _check_destination(spec.destination)
        if spec.policy.scheduled is not None:
            _check_cron(spec.policy.scheduled.cron)
        if spec.policy.on_event is not None:
            _check_time("policy.onEvent.before", spec.policy.on_event.before)
            _check_time("policy.onEvent.after", spec.policy.on_event.after)
        if spec.sampling is not None:
            _exactly_one("sampling", spec.sampling)
            for name, value in (("rate", spec.sampling.rate), ("minMax", spec.sampling.min_max)):
                if value is not None:
                    _check_time(f"sampling.{name}", value, 1000)
        if spec.align is not None:
            _check_align(spec.align, spec)


def _check_align(align: Align, spec: UploadSpec) -> None:
    _check_time("align.every", align.every, 1000)
    _check_time("align.lateness", align.lateness)
    if align.max_gap is not None:
        _check_time("align.maxGap", align.max_gap)
    if spec.policy.scheduled is None:
        raise _fault("align", "goes by whole days that are over, so it needs `policy.scheduled`")
    if spec.sampling is not None:
        raise _fault("align", "makes one row a tick: `sampling` would have nothing to do")
    if spec.select.kinds != ("points",):
        raise _fault("select.kinds", "only points are aligned")


def _check_destination(destination: Destination) -> None:
    parts = urlsplit(destination.url)
    if parts.scheme not in SCHEMES:
        raise _fault("destination.url", f"`{parts.scheme}` is not one of {', '.join(SCHEMES)}")
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise _fault("destination.url", "a folder is `file:///with/its/whole/path`")
    if parts.scheme != "file" and not parts.netloc:
        raise _fault("destination.url", "the bucket is missing")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _fault("destination.url", "bucket and prefix alone; secrets go into credentialsFile")
    if not destination.endpoint:
        return
    server = urlsplit(destination.endpoint)
    if server.scheme not in {"http", "https"} or not server.hostname or server.username:
        raise _fault("destination.endpoint", "is `https://host` or `https://host:port`")
    if server.scheme == "http" and not destination.insecure and not _is_loopback(server.hostname):
        raise _fault(
            "destination.endpoint", "http shows everybody between what goes: use https, or say `insecure: true`"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_cron(cron: str) -> None:
    try:
        following(cron, 0, "UTC")
    except ValueError as error:
        raise _fault("policy.scheduled.cron", str(error)) from None


def _check_time(where: str, duration: Duration, least: int = 0) -> None:
    try:
        microseconds(duration, least)
    except ValueError as error:
        raise _fault(where, str(error)) from None


def _exactly_one(where: str, node: _Node) -> None:
    names = [str(name) for name in node.__struct_encode_fields__]
    given = [said for name, said in zip(node.__struct_fields__, names, strict=True) if getattr(node, name) is not None]
    if len(given) != 1:
        raise _fault(where, f"exactly one of {', '.join(names)} is given; here {' and '.join(given) or 'none'}")


def _fault(where: str, reason: str) -> ValueError:
    return ValueError(f"{reason} - at `$.spec.{where}`")
