"""The manifest of a camera: `apiVersion: gemelo.dev/v1alpha1`, `kind: Camera`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta, Struct, field

from devices.camera.redaction import redact
from twins.errors import Rejected
from twins.values import Declared, device_id

SCHEMES = ("rtsp", "rtsps", "http", "https", "file")


class Metadata(Struct, frozen=True, forbid_unknown_fields=True):
    """Who the camera is. Its device id is `namespace/name`."""

    name: Annotated[str, Meta(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Small letters, digits and hyphens."""
    namespace: Annotated[str, Meta(min_length=1, max_length=63)] = "default"
    """The camera's device id is `namespace/name`."""
    labels: dict[str, str] = {}
    """For choosing; `description` is shown."""


class CameraSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the pictures come from and what to look for in them."""

    source: Annotated[str, Meta(min_length=1, max_length=2048)]
    """A file's path, or an rtsp, rtsps, http (MJPEG, HLS, a video file) or https address."""
    loop: bool = False
    """Play a file again and again. A file that has ended is played again when it was replaced."""
    fps: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Pictures a second that go to the model, at most."""
    model: Annotated[str, Meta(min_length=1)] = "persons"
    """What looks at the pictures; `gemelo model list` names what there is."""
    labels: Annotated[tuple[str, ...], Meta(min_length=1)] = ("person",)
    """What is counted; each becomes a property `<label>.count`, also when none is seen."""
    minimum: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """The lowest score that is counted and drawn."""
    rotate: Literal[0, 90, 180, 270] | None = None
    """Clockwise degrees that set the picture upright; absent: what the video itself says."""
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """How RTSP carries pictures; auto: TCP, and UDP if the camera refuses TCP."""
    width: Annotated[int, Meta(ge=64, le=7680)] | None = None
    """Scale pictures down to this width before anything else."""

    def __repr__(self) -> str:
        return f"CameraSpec({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        others = [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "source"]
        return [("source", self.shown), *others]

    @property
    def shown(self) -> str:
        """The source as it may be shown to anybody."""
        return redact(self.source)

    @property
    def path(self) -> Path | None:
        """The source as a file, `None` when it is on the network."""
        if "://" not in self.source:
            return Path(self.source)
        parts = urlsplit(self.source)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def scheme(self) -> str:
        return self.source.split("://", 1)[0].lower() if "://" in self.source else "file"


class Camera(Struct, frozen=True, forbid_unknown_fields=True):
    """One camera as a person declares it."""

    metadata: Metadata
    """Its name."""
    spec: CameraSpec
    """Where its pictures come from, and what to look for."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Camera"] = "Camera"
    """The kind of object."""

    def __post_init__(self) -> None:
        if self.spec.scheme not in SCHEMES:
            reason = f"`{self.spec.scheme}` is not one of {', '.join(SCHEMES)} - at `$.spec.source`"
            raise ValueError(reason)

    @property
    def id(self) -> str:
        return device_id(self.metadata.namespace, self.metadata.name)

    @property
    def properties(self) -> dict[str, Declared]:
        """What this camera reports, as its twin declares it."""
        counts = {count_name(label): Declared(kind="int", writable=False) for label in self.spec.labels}
        return counts | {"fps": Declared(kind="float", writable=False, unit="1/s")}

    @staticmethod
    def from_manifest(document: object) -> Camera:
        """A decoded YAML or JSON document as a camera. Raises `Rejected` with the path of the bad field."""
        try:
            return msgspec.convert(document, Camera)
        except msgspec.ValidationError as error:
            raise Rejected(redact(f"not a Camera: {error}")) from error


def count_name(label: str) -> str:
    """The property that counts a label: KubeEdge's names have no spaces."""
    return f"{label.replace(' ', '_')}.count"
