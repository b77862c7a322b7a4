"""A real API server with its etcd, on ports and in a folder of its own: no node, no controller, no pod.

Found in PATH, or in the folder that GEMELO_KUBERNETES names.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import free_port

ADMIN = "admin"
_TOKENS = ("admin,admin,admin,system:masters", "viewer,viewer,viewer", "editor,editor,editor", "joiner,joiner,joiner")
_START = 60.0
_GROUPS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Device": "/apis/devices.kubeedge.io/v1beta1/namespaces/{}/devices",
    "DeviceModel": "/apis/devices.kubeedge.io/v1beta1/namespaces/{}/devicemodels",
    "DeviceStatus": "/apis/devices.kubeedge.io/v1beta1/namespaces/{}/devicestatuses",
}


class Cluster:
    """`folder` keeps its keys, data and logs. Requests are made as the user whose token is given."""

    def __init__(self, folder: Path) -> None:
        etcd, apiserver = _found("etcd"), _found("kube-apiserver")
        self._folder = folder
        self._port, client, peer = free_port(), free_port(), free_port()
        subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text("\n".join(_TOKENS) + "\n")
        self._processes = [
            self._spawn(
                "etcd",
                *(etcd, "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
                *(f"--{name}-urls=http://127.0.0.1:{client}" for name in ("listen-client", "advertise-client")),
                *(f"--{name}-urls=http://127.0.0.1:{peer}" for name in ("listen-peer", "initial-advertise-peer")),
                f"--initial-cluster=default=http://127.0.0.1:{peer}",
            ),
            self._spawn(
                "apiserver",
                *(apiserver, f"--etcd-servers=http://127.0.0.1:{client}", "--bind-address=127.0.0.1"),
                *(f"--secure-port={self._port}", f"--cert-dir={folder / 'certs'}", "--advertise-address=127.0.0.1"),
                *(f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"),
                *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/24"),
                *(f"--service-account-{use}-file={folder / 'sa.key'}" for use in ("signing-key", "key")),
                "--disable-admission-plugins=ServiceAccount",
            ),
        ]
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE  # a certificate of its own, made a moment ago, on loopback

    def _spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder)

    def ready(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START
        while self.ask("GET", "/readyz")[0] != 200:
            if time.monotonic() > until or any(process.poll() is not None for process in self._processes):
                lines = (self._folder / "apiserver.log").read_text("utf-8", "replace").splitlines()
                raise AssertionError("the API server does not start: " + "\n".join(lines[-10:]))
            time.sleep(0.1)

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def ask(self, method: str, path: str, body: object = None, user: str = ADMIN) -> tuple[int, Any]:
        """Status and body; (0, None) when nobody takes the connection."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {user}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=20) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())
        except OSError:
            return 0, None

    def create(self, each: dict[str, Any], *, user: str = ADMIN, try_only: bool = False) -> tuple[int, str]:
        """Status, and what the server says against it. `try_only`: it is checked whole and not kept."""
        namespace = each["metadata"].get("namespace", "default")
        path = _GROUPS[each["kind"]].format(namespace) + ("?dryRun=All" if try_only else "")
        status, told = self.ask("POST", path, each, user)
        return status, "" if status < 300 else str(told.get("message", told))

    def establish(self, definitions: list[dict[str, Any]]) -> None:
        """Make kinds, and wait until they are served and nothing is held against them."""
        for each in definitions:
            assert self.create(each) == (201, "")
        until = time.monotonic() + _START
        for each in definitions:
            path = f"{_GROUPS['CustomResourceDefinition']}/{each['metadata']['name']}"
            while True:
                held = self.ask("GET", path)[1].get("status", {}).get("conditions", [])
                conditions = {condition["type"]: condition for condition in held}
                assert conditions.get("NonStructuralSchema", {}).get("status") != "True", conditions
                if conditions.get("Established", {}).get("status") == "True":
                    break
                assert time.monotonic() < until, conditions
                time.sleep(0.1)
            group = each["spec"]["group"]
            while self.ask("GET", f"/apis/{group}/v1beta1/{each['spec']['names']['plural']}")[0] != 200:
                assert time.monotonic() < until
                time.sleep(0.1)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"message": body.decode("utf-8", "replace")}


def _found(program: str) -> str:
    places = f"{os.environ.get('GEMELO_KUBERNETES', '')}:{os.environ.get('PATH', os.defpath)}"
    path = shutil.which(program, path=places)
    if path is None:
        pytest.skip(f"{program} is neither in PATH nor in GEMELO_KUBERNETES")
    return path
