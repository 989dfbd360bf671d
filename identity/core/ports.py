"""All that a node may do to the world outside it.

Law: the core awaits nothing else. The simulation and the socket servers each implement these ports once, and that is
why the same node runs on a virtual clock in one process and on sockets in many.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import Json, Jwk, JwtClaims

CHANCE_BYTES = 64  # of `Ports.chance`


class BadToken(Exception):
    """A token that a verifier must refuse; the text says why in the words of the real service."""


class Signer(Protocol):
    """Makes and checks signatures. Real cryptography in the servers, a deterministic stand-in in the simulation."""

    def generate(self, key_id: str) -> str:
        """A new private key as text (PEM in the servers) for `key_id`."""
        ...

    def public(self, key_id: str, private: str) -> Jwk:
        """The public half as a JSON Web Key with `kid`, `use`, `alg`."""
        ...

    def sign(self, key_id: str, private: str, claims: JwtClaims) -> str:
        """A compact JWT over `claims` whose header names `key_id`."""
        ...

    def verify(self, token: str, key_set: Mapping[str, Jwk]) -> JwtClaims:
        """The claims of `token` if a key of `key_set` (by `kid`) signed it; raises BadToken. Times are not checked."""
        ...


class Signal(Protocol):
    """One wait that another coroutine of the same node ends."""

    def give(self) -> None:
        """Ends the wait, whether it has begun or not. Once."""
        ...

    async def wait(self) -> None:
        """Returns once the signal is given. For one coroutine."""
        ...


class Ports(Protocol):
    """One node's view of the world. `skew_s` is how far its clock is ahead of the stack's: the node itself sets it."""

    signer: Signer
    skew_s: float

    def now(self) -> float:
        """Emulated epoch seconds by this node's own clock (epoch, rate and skew included)."""
        ...

    def machine_time(self, at_s: float) -> float:
        """What the machine's own clock, which real clients go by, shows when this node's clock shows `at_s`."""
        ...

    def new_id(self) -> str:
        """A fresh UUID as text."""
        ...

    def chance(self) -> bytes:
        """CHANCE_BYTES that cannot be foretold, for keys and nonces; none are given twice."""
        ...

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        """Sends to node `target` over the link from here to there; raises CallFailed. `timeout_s` is network time."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Waits emulated seconds."""
        ...

    def signal(self) -> Signal:
        """A fresh signal between coroutines of this node."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts work of this node that no caller waits for; it ends with the node. What it raises is a defect and is shown."""
        ...

    async def persist(self, key: str, record: Json | None) -> None:
        """Makes `record` durable under `key` (None deletes it); returns only once it would survive a kill."""
        ...

    def restore(self) -> Mapping[str, Json]:
        """Everything persisted by earlier lives of this node, by key."""
        ...
