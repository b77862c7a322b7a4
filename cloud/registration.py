"""The Node of this gateway in the cluster, made and kept alive over each link.

CloudCore forgets at its start what it has told a node that is no object: what is deleted while it is down would then
stay here for ever. So the Node is made when it is not there, and its Lease renewed: Kubernetes shows it ready while
we are linked, and not ready 40 s later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from cloud import node
from cloud.node import LEASES, Answer, Facts
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

Ask = Callable[[str, str, object], Awaitable[bytes]]
"""Operation, resource and content of a request -> content of the answer; raises `Unavailable` without one."""

_RENEWAL = 15.0
"""Seconds between two renewals of the lease; two may be missed."""
_ROUNDS = 20
"""Renewals after which the Node is looked after again: who deleted it did so by mistake, or it is remade."""


class Registered(Struct, frozen=True):
    """How it stands; `reason` says why the cloud has not registered us."""

    state: Literal["off", "waiting", "registered", "foreign", "refused"]
    reason: str = ""


class Registration:
    """`facts` of `None`: the node is not registered."""

    def __init__(self, facts: Facts | None, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self.state = Registered("off" if facts is None else "waiting")

    async def run(self, ask: Ask) -> None:
        """Serve one link, until cancelled; what goes wrong is tried again, and stops nothing else."""
        if self._facts is None:
            return
        backoff, since = Backoff(first=5.0, limit=300.0, floor=1.0), self._clock.now()
        while True:
            try:
                uid = await self._register(ask, self._facts, since)
                backoff.reset()
                if uid is None:
                    self._turn(Registered("foreign", "its Node has a kubelet of its own, and is left to that"))
                    await self._clock.sleep(_RENEWAL * _ROUNDS)
                    continue
                self._turn(Registered("registered"))
                await self._renew(ask, self._facts.name, uid)
            except (Rejected, Unavailable) as error:
                self._turn(Registered("refused", str(error)))
                await self._clock.sleep(backoff.next())

    async def _register(self, ask: Ask, facts: Facts, since: int) -> str | None:
        """Make the Node unless it is there, and say that it is ready; its uid, `None` when it is another's."""
        made = node.read(await ask("insert", f"default/node/{facts.name}", node.node(facts)))
        if made.reason != "AlreadyExists":
            _check(made, "make the Node")
        elif node.foreign(await ask("query", f"default/node/{facts.name}", None)):
            return None
        said = node.status(facts, since, self._clock.now())
        return _check(node.read(await ask("patch", f"default/nodepatch/{facts.name}", said)), "patch its status").uid

    async def _renew(self, ask: Ask, name: str, uid: str) -> None:
        """Renew the lease for a while; it is made, or found, on the way."""
        where, version = f"{LEASES}/lease/{name}", ""
        for _ in range(_ROUNDS):
            renewed = node.lease(name, uid, version, self._clock.now())
            answer = node.read(await ask("update" if version else "insert", where, renewed))
            if answer.reason in ("AlreadyExists", "Conflict"):
                found = _check(node.read(await ask("query", where, None)), "find the Lease")
                renewed = node.lease(name, uid, found.version, self._clock.now())
                answer = node.read(await ask("update", where, renewed))
            version = _check(answer, "renew the Lease").version
            await self._clock.sleep(_RENEWAL)

    def _turn(self, state: Registered) -> None:
        if state != self.state:  # once per reason, not once per attempt
            level = logging.WARNING if state.state == "refused" else logging.INFO
            logger.log(level, "node %s%s", state.state, state.reason and f": {state.reason}")
        self.state = state


def _check(answer: Answer, what: str) -> Answer:
    """Raise `Rejected` with the cloud's reason."""
    if answer.reason:
        raise Rejected(f"the cloud does not {what}: {answer.reason}: {answer.message}")
    return answer
