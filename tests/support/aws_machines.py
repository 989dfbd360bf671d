"""A host of AWS's machines with scripted token nodes, for tests of what machines are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.instance_credentials import InstanceCredentials, InstanceCredentialsRequest
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.surface import Failure
from brownout.identity.core.topology import CONTROL_PATH, NodeSpec
from brownout.identity.core.trail import HEADER
from brownout.identity.roles import build_node

EPOCH_S = 1_720_742_400.0  # 2024-07-12T00:00:00Z
LIFETIME_S = 21_600.0
MACHINE_AHEAD_S = 86_400.0  # of the stack's clock
MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "count": 3},
    "latest": {"region": "sydney"},
    "scaleout": {"region": "sydney", "scale_set": True},
}


class TokenNodes:
    """The ports of a host: a clock that tests set, and token nodes that say what tests want.

    `refuses` has roles that do not exist; while `failure` is set no token node answers.
    """

    def __init__(self, clock: Callable[[], float] | None = None, *, lifetime_s: float = LIFETIME_S) -> None:
        self.now_s = EPOCH_S
        self.lifetime_s = lifetime_s
        self.asked: list[tuple[str, InstanceCredentialsRequest]] = []
        self.refuses: set[str] = set()
        self.failure = ""
        self.disk: dict[str, Mapping[str, Any]] = {}
        self._clock = clock
        self._ids = 0

    def now(self) -> float:
        return self._clock() if self._clock else self.now_s

    def machine_time(self, at_s: float) -> float:
        return at_s + MACHINE_AHEAD_S

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        assert request.path == f"{CONTROL_PATH}/aws/instance-credentials", request.path
        wanted = InstanceCredentialsRequest.from_json(request.body or {})
        self.asked.append((target, wanted))
        if self.failure:
            raise CallFailed(self.failure, target)  # type: ignore[arg-type]  # tests name one of the three
        if wanted.role in self.refuses:
            return Failure("not-found", "no such role").to_response()
        number, now_s = len(self.asked), self.now()
        given = InstanceCredentials(f"ASIA{number:016d}", f"secret {number}", f"token {number}", now_s, now_s + self.lifetime_s)
        return Response(200, given.to_json(), {HEADER: f"{target};;;;"})

    async def sleep(self, duration_s: float) -> None:
        raise AssertionError("no test of a host lets its background work run")

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        self.disk[key] = dict(record or {})

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        return {}


def host_of(nodes: TokenNodes, **settings: Any) -> Node:
    """Sydney's host of a stack of both vendors, on those ports."""
    spec = build_stack(seed=1, settings=settings, machines=MACHINES, vendors=("aws", "azure"))
    ports: Ports = nodes  # type: ignore[assignment]  # a host signs nothing
    return build_node(NodeSpec("sydney.host", spec), ports)
