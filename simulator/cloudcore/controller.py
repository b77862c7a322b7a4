"""What the nodes must be told: the device controller's pushes, and the comparison that mends what a node missed."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

from simulator.cloudcore.cluster import API, Cluster
from simulator.cloudcore.messages import Json, membership, message
from simulator.cloudcore.nodes import Nodes
from simulator.cloudcore.session import Delivery, Session
from simulator.cloudcore.syncs import Syncs

logger = logging.getLogger(__name__)


class Controller:
    """Watches the cluster, owns the sessions and the ObjectSyncs."""

    def __init__(self, cluster: Cluster, nodes: tuple[str, ...], directory: Path) -> None:
        self._cluster = cluster
        self.sessions: dict[str, Session] = {}
        self.nodes = Nodes(directory / "nodes", nodes, self._registered)
        self._syncs = Syncs(directory / "syncs", lambda name: self.nodes.get(name) is not None)
        cluster.watch(self._changed)
        for device in cluster.all("Device"):
            self._owe(device)

    def connected(self, session: Session) -> Session | None:
        """A node came; the session it replaces is given back. A node that has not seen its Node object gets it."""
        old = self.sessions.get(session.node)
        self.sessions[session.node] = session
        node = self.nodes.get(session.node)
        if node is not None and (session.node, node["metadata"]["uid"]) not in self._syncs:
            self._push(session.node, "update", node, source="edgecontroller")
        return old

    def gone(self, session: Session) -> None:
        if self.sessions.get(session.node) is session:
            del self.sessions[session.node]

    def acked(self, node: str, item: Delivery) -> None:
        """The node has this version; of a deleted object nothing is kept."""
        if item.delete:
            self._syncs.end(node, item.uid)
        else:
            self._syncs.acknowledge(node, item.uid, item.version)

    def unregister(self, name: str) -> Json | None:
        """The Node is deleted in the API: CloudHub hangs up on it."""
        node = self.nodes.delete(name)
        session = self.sessions.get(name)
        if node is not None and session is not None:
            session.abort()
        return node

    def reconcile(self) -> None:
        """Send each connected node what differs from what it acknowledged; the source is `edgecontroller`."""
        for (node, uid), sync in self._syncs:
            session = self.sessions.get(node)
            if session is None or session.holds(uid) or sync.kind == "Node":
                continue
            live = self._cluster.get(sync.kind, sync.namespace, sync.name)
            if live is None or live["metadata"]["uid"] != uid:
                meta = {"name": sync.name, "namespace": sync.namespace, "uid": uid}
                gone = {"kind": sync.kind, "apiVersion": API, "metadata": meta}
                self._push(node, "delete", gone, source="edgecontroller")
            elif int(live["metadata"]["resourceVersion"]) > sync.version:
                self._push(node, "update", live, source="edgecontroller")

    def _registered(self, node: Json) -> None:
        if node["metadata"]["name"] in self.sessions:
            self._push(node["metadata"]["name"], "update", node, source="edgecontroller")

    def _changed(self, old: Json | None, new: Json | None) -> None:
        either = new or old
        if either is None or either["kind"] != "Device":
            return  # a DeviceModel alone is not pushed until a device that uses it changes
        was, now = _node_of(old), _node_of(new)
        if old is not None and new is not None and was == now:
            if now and old["spec"] != new["spec"]:
                self._push_model(now, "update", new)
                self._push(now, "update", new)
            return
        if old is not None and was:
            self._push_model(was, "delete", old)
            self.tell(was, membership(old, added=False))
            self._push(was, "delete", old)
        if new is not None and now:
            self._cluster.status(new)
            self.tell(now, membership(new, added=True))
            self._push_model(now, "insert", new)
            self._push(now, "insert", new)

    def _owe(self, device: Json) -> None:
        """Found on disk at the start: whoever hosts it hears of it by the comparison."""
        node, namespace = _node_of(device), device["metadata"]["namespace"]
        model = self._cluster.get("DeviceModel", namespace, device["spec"].get("deviceModelRef", {}).get("name", ""))
        for value in (model, device):
            if node and value is not None:
                self._push(node, "insert", value)

    def _push_model(self, node: str, operation: str, device: Json) -> None:
        """A model goes with the first device that uses it on a node, and leaves with the last."""
        namespace = device["metadata"]["namespace"]
        name = device["spec"]["deviceModelRef"]["name"]
        model = self._cluster.get("DeviceModel", namespace, name)
        if model is None:
            logger.warning("device %s: its model %s/%s does not exist", device["metadata"]["name"], namespace, name)
            return
        others = any(
            other["spec"].get("deviceModelRef", {}).get("name") == name
            for other in self._cluster.all("Device")
            if _node_of(other) == node
            and other["metadata"]["namespace"] == namespace
            and other["metadata"]["uid"] != device["metadata"]["uid"]
        )
        if operation == "update" or not others:
            self._push(node, operation, model)

    def _push(self, node: str, operation: str, value: Json, *, source: str = "devicecontroller") -> None:
        meta, kind = value["metadata"], value["kind"]
        namespace = meta.get("namespace", "null")
        version = meta.get("resourceVersion", "")
        if operation != "delete":
            sync = self._syncs.begin(node, meta["uid"], kind, namespace, meta["name"])
            if int(version) <= sync.version:
                return  # the node has it: a model that goes along with each change of its devices
        session = self.sessions.get(node)
        if session is None:
            return  # the queue of an absent node is lost; the comparison mends it when it is back
        resource = f"{namespace}/{kind.lower()}/{meta['name']}"
        content = copy.deepcopy(value)
        if source == "edgecontroller":  # what its informer holds has neither, and it puts none there
            del content["kind"], content["apiVersion"]
        told = message(source, "resource", operation, resource, content, version=version)
        session.deliver(Delivery(meta["uid"], int(version or 0), operation == "delete", told))

    def tell(self, node: str, told: Json) -> bool:
        """Say something that is not acknowledged; false, and lost, when the node has no link."""
        session = self.sessions.get(node)
        if session is not None:
            session.tell(told)
        return session is not None


def _node_of(device: Json | None) -> str:
    return device["spec"].get("nodeName", "") if device else ""
