"""What a rule wants done outside: typed, kept on disk with the decision, carried out after its commit."""

from __future__ import annotations

from msgspec import Struct

from twins.exchange import Severity


class Publish(Struct, frozen=True, tag="publish"):
    """Publish a message at the broker."""

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False

    @property
    def target(self) -> str:
        return "broker"

    def __str__(self) -> str:
        return f"publish on {self.topic}"


class Call(Struct, frozen=True, tag="call"):
    """Call a method of a device."""

    device: str
    method: str
    arguments: dict[str, str]

    @property
    def target(self) -> str:
        return f"device {self.device}"

    def __str__(self) -> str:
        return f"call {self.method} of {self.device}"


class Post(Struct, frozen=True, tag="webhook"):
    """Call a web server until `until`, microseconds UTC; `key_file` signs the body in `signed`, empty for nothing."""

    url: str
    method: str
    headers: dict[str, str]
    body: str
    until: int
    key_file: str = ""
    signed: str = ""
    ca_file: str = ""

    @property
    def target(self) -> str:
        return f"web {self.url}"

    def __str__(self) -> str:
        return f"{self.method} {'/'.join(self.url.split('/')[:3])}"  # a path may be a secret


class Notify(Struct, frozen=True, tag="notify"):
    """Send a message to people by the channel `namespace/name`."""

    channel: str
    severity: Severity
    title: str
    message: str

    @property
    def target(self) -> str:
        return f"channel {self.channel}"

    def __str__(self) -> str:
        return f"notify {self.channel}: {self.message}"


class Clip(Struct, frozen=True, tag="clip"):
    """Keep the pictures of a camera in a span of time, microseconds UTC."""

    camera: str
    since: int
    until: int

    @property
    def target(self) -> str:
        return f"camera {self.camera}"

    def __str__(self) -> str:
        return f"keep pictures of {self.camera}"


class Upload(Struct, frozen=True, tag="upload"):
    """Send what was recorded in a span of time, microseconds UTC."""

    name: str
    since: int
    until: int

    @property
    def target(self) -> str:
        return f"upload {self.name}"

    def __str__(self) -> str:
        return f"upload by {self.name}"


class Infer(Struct, frozen=True, tag="infer"):
    """Run a model on the newest picture of a camera."""

    camera: str
    model: str

    @property
    def target(self) -> str:
        return f"model {self.model}"

    def __str__(self) -> str:
        return f"run {self.model} on {self.camera}"


Task = Publish | Call | Post | Notify | Clip | Upload | Infer
