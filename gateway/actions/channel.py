"""The manifest of a way to people: `apiVersion: gemelo.dev/v1alpha1`, `kind: Channel`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from rules.manifest.action import Field, Line, Signature, Url
from twins.errors import Rejected
from twins.manifests import OwnMetadata
from twins.schema import decode as convert

Address = Annotated[
    str, Meta(pattern=r"^[^@\s<>,\"]{1,64}@[^@\s<>,\"]{1,253}$", description="an address, such as night@example.com")
]
Path = Annotated[str, Meta(min_length=1, max_length=1024)]


class _Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifest's structs."""


class Hook(_Node, frozen=True):
    """A web server that takes JSON: `title`, `message`, `severity`, `rule`, `id`."""

    url: Url
    """Where; the certificate of `https` is checked."""
    headers: Annotated[dict[Field, Line], Meta(max_length=32)] = field(default_factory=dict)
    """More headers."""
    signature: Signature | None = None
    """Sign the body."""
    ca_file: Path | None = None
    """Certificates to trust in place of the system's."""


class Ntfy(_Node, frozen=True):
    """A topic of an ntfy server (https://ntfy.sh), which tells phones."""

    url: Url
    """Server and topic, `https://ntfy.example.com/plant`."""
    token_file: Path | None = None
    """File with the access token."""


class Email(_Node, frozen=True):
    """A mail server that takes mail by SMTP."""

    server: Annotated[str, Meta(pattern=r"^[^\s:]+:\d{1,5}$", description="host:port, such as mail.example.com:587")]
    """Where."""
    sender: Address = field(name="from")
    """Who writes."""
    to: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=50)]
    """Who gets it."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """How it is encrypted; `none` for a server on this machine."""
    user: Line = ""
    """User name; empty: none is needed."""
    password_file: Path | None = None
    """File with the password."""


class Spec(_Node, frozen=True):
    """Exactly one is given."""

    webhook: Hook | None = None
    """Call a web server."""
    ntfy: Ntfy | None = None
    """Tell phones."""
    email: Email | None = None
    """Write mails."""


class Channel(_Node, frozen=True):
    """A way to people, which rules name in `notify`."""

    metadata: OwnMetadata
    """Its name."""
    spec: Spec
    """How people are told."""
    api_version: Literal["gemelo.dev/v1alpha1"] = "gemelo.dev/v1alpha1"
    """Our group and version."""
    kind: Literal["Channel"] = "Channel"
    """The kind of object."""


def decode(data: object, where: str) -> Channel:
    """Raises `Rejected` with the path of the wrong field."""
    channel = convert(data, Channel, where)
    given = [name for name in Spec.__struct_fields__ if getattr(channel.spec, name) is not None]
    if len(given) != 1:
        known = ", ".join(Spec.__struct_fields__)
        raise Rejected(f"{where}: spec: one of {known} is needed, given: {', '.join(given) or 'none'}")
    return channel
