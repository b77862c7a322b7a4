"""Checks of files: the data folder, certificates, secrets, models and manifests."""

from __future__ import annotations

import datetime
import getpass
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from devices.dmi.config import DmiConfig
from gateway.checks.finding import Finding, Subject, edit, existing, failure, ok, warning
from gateway.manifests.documents import files_of
from gateway.sections import Dmi
from twins.errors import Rejected

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_SOON = datetime.timedelta(days=30)


def data(subject: Subject) -> Iterable[Finding]:
    path = subject.config.store.path
    place = existing(path)
    user = _user()
    fix = f"sudo install -d -o {user} {quote(str(path))}"
    if not place.is_dir():
        yield failure("data folder", f"{place} is a file", f"mv {quote(str(place))} {quote(f'{place}.old')}")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield failure("data folder", f"{user} may not write in {place}", fix)
    elif foreign := _foreign(path):
        yield failure(
            "data folder", f"{foreign} cannot be written by {user}", f"sudo chown -R {user} {quote(str(path))}"
        )
    else:
        yield ok("data folder", f"{path}" if place == path else f"{path} will be made")


def mappers(subject: Subject) -> Iterable[Finding]:
    """The socket of KubeEdge's mappers can be made, or is another's."""
    section = subject.config.dmi
    if not section.enabled:
        return
    path, place = section.socket, existing(section.socket.parent)
    user = _user()
    try:
        DmiConfig(path).check()
    except Rejected as error:
        yield failure("mappers", error.reason, edit(subject))
        return
    if not os.access(place, os.W_OK | os.X_OK) or not place.is_dir():
        message = f"{user} may not make {path}; no mapper is served"
        fix = f"sudo install -d -m 750 -o {user} {quote(str(path.parent))}"
        yield (warning if section == Dmi() else failure)("mappers", message, fix)
    elif path.exists() and not path.is_socket():
        yield failure("mappers", f"{path} is no socket", f"mv {quote(str(path))} {quote(f'{path}.old')}")
    else:
        yield ok("mappers", f"{path}")


def certificates(subject: Subject) -> Iterable[Finding]:
    """Each certificate: there, of now, and with its key."""
    for key, path in _files(subject, ("cert_file", "ca_file")):
        yield from _certificate(subject, key, path)


def secrets(subject: Subject) -> Iterable[Finding]:
    """Files that hold a password, a token or a key are there, and for nobody else to read."""
    for key, path in _files(subject, ("password_file", "token_file", "key_file", "users_file")):
        try:
            mode = path.stat().st_mode
            empty = not path.read_bytes().strip()
        except OSError as error:
            yield failure(
                key,
                f"{path}: {error.strerror}",
                f"sudo install -m 600 -o {_user()} /dev/stdin {quote(str(path))}",
            )
            continue
        if empty and not key.endswith("users_file"):
            yield failure(key, f"{path} is empty", f"openssl rand -hex 24 > {quote(str(path))}")
        elif mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
            yield warning(key, f"{path} can be read by others ({stat.filemode(mode)})", f"chmod 600 {quote(str(path))}")
        else:
            yield ok(key, f"{path}")


def models(subject: Subject) -> Iterable[Finding]:
    """The default models are fetched."""
    if not subject.config.inference.enabled:
        return
    from inference.depot import Depot

    depot = Depot(subject.config.inference.models)
    names = [entry.name for entry in depot.catalogue.defaults("model")]
    if absent := [name for name in names if depot.find(name) is None]:
        yield failure("models", f"{', '.join(absent)} not in {depot.folder}", f"gemelo model pull {' '.join(absent)}")
    else:
        yield ok("models", ", ".join(names))


def manifests(subject: Subject) -> Iterable[Finding]:
    """What is applied at start can be read; what each kind makes of it, `gemelo apply --dry-run` says."""
    for path in subject.config.manifests.paths:
        if not path.exists():
            fix = f"mkdir -p {quote(str(path))}"
            yield warning("manifests", f"{path} is not there", fix)
            continue
        count = 0
        for file, document in documents(path):
            count += 1
            if isinstance(document, str):
                yield failure("manifests", document, f"${{EDITOR:-vi}} {quote(str(file))}")
            elif not (isinstance(document, dict) and {"apiVersion", "kind", "metadata"} <= document.keys()):
                message = f"{file}: not a manifest: it needs apiVersion, kind and metadata"
                yield failure("manifests", message, f"${{EDITOR:-vi}} {quote(str(file))}")
        yield ok("manifests", f"{count} in {path}")


def documents(path: Path) -> Iterator[tuple[Path, Any]]:
    """Every YAML document of a file or a folder; a string says why a file has none."""
    import yaml

    for file in files_of(path):
        try:
            for document in yaml.safe_load_all(file.read_bytes()):
                if document is not None:
                    yield file, document
        except (OSError, yaml.YAMLError) as error:
            yield file, " ".join(f"{file}: {error}".split())


def _files(subject: Subject, keys: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Each file that the configuration names under one of these keys."""
    for name in subject.config.__struct_fields__:
        section = getattr(subject.config, name)
        for key in keys:
            if (path := getattr(section, key, None)) is not None:
                yield f"{name}.{key}", path


def _user() -> str:
    """Our name, or the number of a user who has none: in a container nobody need have."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second from Python 3.13 on
        return str(os.geteuid())


def _foreign(path: Path) -> Path | None:
    """A file in the data folder that we may not write: left by a start as another user."""
    try:
        return next((each for each in path.iterdir() if not os.access(each, os.W_OK)), None)
    except OSError:
        return None


def _certificate(subject: Subject, key: str, path: Path) -> Iterator[Finding]:
    from cryptography import x509

    self_signed = _self_signed(path, _key_file(subject, key))
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no PEM certificate in it"
        yield failure(key, f"{path}: {reason}", self_signed)
        return
    now = datetime.datetime.fromtimestamp(subject.machine.now(), datetime.UTC)
    certificate = min(found, key=lambda each: each.not_valid_after_utc)
    if now < certificate.not_valid_before_utc:
        message = f"{path} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d}; is the clock right?"
        yield failure(key, message, "sudo timedatectl set-ntp true")
    elif now > certificate.not_valid_after_utc:
        yield failure(key, f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}", self_signed)
    elif key.endswith("cert_file") and not _fits(found[0], _key_file(subject, key)):
        yield failure(key, f"{path} is not the certificate of its key_file", self_signed)
    elif certificate.not_valid_after_utc - now < _SOON:
        days = (certificate.not_valid_after_utc - now).days
        yield warning(key, f"{path} expires in {days} days", self_signed)
    else:
        yield ok(key, f"{path}, until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _key_file(subject: Subject, key: str) -> Path | None:
    """The key_file that goes with a cert_file."""
    found: Path | None = getattr(getattr(subject.config, key.partition(".")[0]), "key_file", None)
    return found


def _fits(certificate: Certificate, path: Path | None) -> bool:
    from cryptography.hazmat.primitives import serialization

    if path is None:
        return True
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return False
    return bool(key.public_key() == certificate.public_key())


def _self_signed(path: Path, key: Path | None) -> str:
    """A command that makes a certificate of one's own, with its key."""
    key = key or path.with_suffix(".key")
    return (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=$(hostname)"
        f" -keyout {quote(str(key))} -out {quote(str(path))}"
    )
