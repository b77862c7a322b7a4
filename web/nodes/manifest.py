"""The manifests of other gateways and of groups of them: `kind: Node` and `kind: Group`, `gemelo.dev/v1alpha1`."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from twins.manifests import OwnMetadata

Fingerprint = Annotated[
    str, Meta(pattern=r"^sha256:[0-9a-f]{64}$", description="sha256: and 64 small hexadecimal digits")
]
Url = Annotated[str, Meta(pattern=r"^$|^https://[^\s/]+/?$", description="https://host:port")]
Namespace = Annotated[str, Meta(pattern=r"^[^/\[\]\\\x00-\x1f]{1,253}$", description="the name of a namespace, or *")]
Series = Annotated[
    str,
    Meta(
        pattern=r"^[^/\[\]\\\x00-\x1f]+/[^/\[\]\\\x00-\x1f]+/[^/\[\]\\\x00-\x1f]+$",
        max_length=512,
        description="namespace/device/property, where * stands for any signs and ? for one",
    ),
]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Root of the manifests' structs."""


class Position(_Part, frozen=True):
    """A place on earth, in degrees."""

    latitude: Latitude
    """Degrees north."""
    longitude: Longitude
    """Degrees east."""


class Rights(_Part, frozen=True):
    """What the node may read here; nothing without them."""

    namespaces: Annotated[tuple[Namespace, ...], Meta(max_length=64)] = ()
    """All of these namespaces; `*` is every one, and events and nodes too."""
    series: Annotated[tuple[Series, ...], Meta(max_length=256)] = ()
    """These series: `default/*/temperature`."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """All of it as patterns of series."""
        return (*(f"{name}/*/*" for name in self.namespaces), *self.series)


class NodeSpec(_Part, frozen=True):
    fingerprint: Fingerprint
    """SHA-256 of its certificate: by this it is known."""
    url: Url = ""
    """Where it is asked; empty: it asks, and is not asked."""
    site: str = ""
    """Name of the place."""
    position: Position | None = None
    """Where it stands."""
    certificate: Annotated[str, Meta(max_length=8192)] = ""
    """The certificate in PEM; needed of a node that may ask here."""
    rights: Rights = Rights()
    """What it may read here."""

    @property
    def der(self) -> bytes:
        """The certificate. Raises ValueError."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.strip())


class Node(_Part, frozen=True):
    """Another gateway, to ask and to be asked by. Its labels are those of its metadata."""

    metadata: OwnMetadata
    """The name it has in its own `[node]`, and labels to choose it by."""
    spec: NodeSpec
    """Where it is, how it is known, and what it may read."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Node"] = "Node"
    """The kind of object."""

    def __post_init__(self) -> None:
        _in_default(self.metadata)
        spec = self.spec
        if spec.certificate:
            try:
                found = fingerprint(spec.der)
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=spec.der)
            except (ValueError, ssl.SSLError) as error:
                raise _fault("certificate", f"no certificate in PEM: {error}") from None
            if not hmac.compare_digest(found, spec.fingerprint):
                raise _fault("fingerprint", f"the certificate has another: {found}")
        elif spec.rights.patterns:
            raise _fault("certificate", "missing: a node that may ask here is known by it")


class Within(_Part, frozen=True):
    """A circle on the ground."""

    latitude: Latitude
    """Degrees north of its middle."""
    longitude: Longitude
    """Degrees east of its middle."""
    km: Annotated[float, Meta(gt=0, le=20_100)]
    """Its radius in kilometres."""


class GroupSpec(_Part, frozen=True):
    nodes: tuple[str, ...] = ()
    """Names of nodes that are in it in any case."""
    labels: dict[str, str] = {}
    """Nodes that have all these labels are in it; `site` and `name` count as labels."""
    within: Within | None = None
    """Nodes in this circle are in it; with labels: those that have them, in the circle."""


class Group(_Part, frozen=True):
    """Gateways that are asked together. Who is in it follows from the manifests of nodes at each query."""

    metadata: OwnMetadata
    """Its name."""
    spec: GroupSpec
    """Which nodes are in it."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Group"] = "Group"
    """The kind of object."""

    def __post_init__(self) -> None:
        _in_default(self.metadata)
        if not (self.spec.nodes or self.spec.labels or self.spec.within):
            raise ValueError("nobody would be in it: give nodes, labels or within - at `$.spec`")


def fingerprint(der: bytes) -> str:
    """Of a certificate in DER."""
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def _in_default(metadata: OwnMetadata) -> None:
    if metadata.namespace != "default":
        raise ValueError("nodes and groups are in no namespace but default - at `$.metadata.namespace`")


def _fault(where: str, reason: str) -> ValueError:
    return ValueError(f"{reason} - at `$.spec.{where}`")
