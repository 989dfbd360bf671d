"""Real azure-mgmt clients on a simulated stack: what leaves their pipelines goes to the simulation.

Retries, polling, paging and errors are the clients' own; what they wait passes on the virtual clock. A poller works in a
thread of its own, so one thread at a time is let into the simulation.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import BaseAdapter

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request, Response
from support.client_requests import user_token
from support.identity_stacks import EPOCH_S, MACHINES, Stack

C = TypeVar("C")
T = TypeVar("T")
PATIENCE_S = 300.0  # as azure-core waits for an answer


class BearerPolicy(SansIOHTTPPolicy[Any, Any]):
    """Signs a client's requests with a token that is there already: its own policy would not over plain http."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class SimulatedArm:
    """One world with clients. `requests` are those that left a client, with when."""

    def __init__(self, world: SimulationWorld) -> None:
        self.world = world
        self.requests: list[tuple[float, Request]] = []
        self.answers: list[Response] = []
        self.forced: list[Response] = []  # what the next requests get in place of the stack's answers; the last one for ever
        self.operator = self.run(user_token(world))
        self.stack = Stack(world, self.operator)
        self.lock = RLock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.world.run(work)

    def sleep(self, duration_s: float) -> None:
        with self.lock:
            self.run(self.world.sleep_until(self.world.now() + duration_s))

    @property
    def subscription(self) -> str:
        return self.world.spec.subscription_id

    def token_of(self, machine: str, *, region: str = "sydney") -> str:
        """A token for ARM of the machine's identity."""
        return self.run(self.stack.token(machine, region=region, resource="https://management.azure.com"))

    def client(self, kind: Callable[..., C], *, token: str = "", region: str = "sydney", **more: Any) -> C:
        """A client of that class at a region's front end, with the operator's token or another one."""
        session = requests.Session()
        session.mount("http://", _SimulatedAdapter(self, f"{region}.management"))
        return kind(
            credential=_Nobody(),
            **({"subscription_id": self.subscription} if "Subscription" not in kind.__name__ else {}),
            base_url="http://management",
            authentication_policy=BearerPolicy(token or self.operator),
            transport=_SimulatedTransport(self, session=session, session_owner=False),
            **more,
        )

    def ask(self, node: str, request: Request) -> Response:
        """The node's answer; raises CallFailed."""
        with self.lock:
            self.requests.append((self.world.now(), request))
            if self.forced:
                return self.forced.pop(0) if len(self.forced) > 1 else self.forced[0]
            answer = self.run(self.world.client(node, request, timeout_s=PATIENCE_S))
            self.answers.append(answer)
            return answer


class _Nobody:
    """A credential that is never asked."""

    def get_token(self, *scopes: str, **more: Any) -> Any:
        raise AssertionError("the client signs by its policy")


class _SimulatedTransport(RequestsTransport):
    """azure-core's transport whose waits pass on the virtual clock."""

    def __init__(self, azure: SimulatedArm, **more: Any) -> None:
        super().__init__(**more)
        self._azure = azure

    def sleep(self, duration: float) -> None:
        self._azure.sleep(duration)


class _SimulatedAdapter(BaseAdapter):
    """What requests sends with: the node of a simulated stack."""

    def __init__(self, azure: SimulatedArm, node: str) -> None:
        super().__init__()
        self._azure, self._node = azure, node

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [(name.encode(), str(value).encode()) for name, value in (request.headers or {}).items()]
        payload = request.body or b""
        content = payload if isinstance(payload, bytes) else str(payload).encode()
        try:
            answer = self._azure.ask(self._node, Request.raw(str(request.method), target, lines, content))
        except CallFailed as failed:
            raise requests.ConnectionError(str(failed)) from failed
        headers = {name.decode(): value.decode() for name, value in answer.raw_headers}
        raw = urllib3.HTTPResponse(
            io.BytesIO(answer.payload), headers, answer.status, preload_content=False, request_method=request.method
        )
        made = requests.Response()
        made.status_code, made.raw, made.url, made.request = answer.status, raw, str(request.url), request
        made.headers.update(headers)
        return made

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def simulated_arm(*, machines: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any) -> Iterator[SimulatedArm]:
    """A stack of Azure's half that is up."""
    world = SimulationWorld(build_stack(seed=1, settings=settings, machines=machines or MACHINES), epoch_s=EPOCH_S)
    try:
        world.run(world.start())
        yield SimulatedArm(world)
    finally:
        world.kernel.close()
