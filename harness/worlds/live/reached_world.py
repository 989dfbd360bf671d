"""How a stack that is up is reached: clients' links, control planes and readiness, over HTTP from this machine.

Nothing is stored here between two calls, so any number of processes may use one stack.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from brownout.harness.errors import WorldError
from brownout.harness.world import AsksForStates
from brownout.harness.worlds.live.survey import SurveyedWorld
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError

CONTROL_TIMEOUT_S = 10.0
READY_INTERVAL_S = 0.01
HEALTH = Request("GET", "/healthz")


class ReachedWorld(SurveyedWorld, AsksForStates):
    """The part of a live world that talks to its nodes. Subclasses say where they are and how long they may take to start."""

    ready_timeout_s = 10.0

    def __init__(self) -> None:
        self._http = HttpClient(persistent=False)  # a connection that is kept may be dead unnoticed

    @abstractmethod
    def log_hint(self, node: str) -> str:
        """A sentence that says where a node's log is."""

    async def control(self, node: str, request: Request) -> Response:
        if "authorization" not in request.headers:
            request = request.with_headers({"authorization": f"Bearer {self.spec.control_token}"})
        url = self.endpoints().control[self.known_node(node)]
        try:
            return await self.send(url, request.below(self.spec.control_path), CONTROL_TIMEOUT_S)
        except CallFailed as failed:
            hint = f"node:{node} may be held down or paused"
            raise WorldError(f"the control plane of {node} does not answer: {failed.failure}", hint=hint) from failed

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        facing = self.endpoints().clients
        url = facing.get(self.known_node(node))
        if url is None:
            raise WorldError(f"clients have no link to {node}", hint=f"they have {', '.join(facing)}")
        return await self.send(url, request, timeout_s)

    async def await_ready(self, node: str) -> None:
        """Returns when the node reports ready, which includes its first replica; raises WorldError."""
        try:
            async with asyncio.timeout(self.ready_timeout_s):
                while not await self.is_ready(node):  # noqa: ASYNC110  # there is no event
                    await asyncio.sleep(READY_INTERVAL_S)
        except TimeoutError:
            raise WorldError(f"{node} is not ready after {self.ready_timeout_s:g} s", hint=self.log_hint(node)) from None

    async def is_ready(self, node: str) -> bool:
        """Whether the node reports ready; raises WorldError when it does not answer."""
        return bool(((await self.control(node, HEALTH)).body or {}).get("ready"))

    def known_node(self, node: str) -> str:
        """`node`, if the stack has it; raises WorldError."""
        if node not in self.spec.nodes():
            raise WorldError(f"the stack has no node {node!r}", hint=f"it has {', '.join(self.spec.nodes())}")
        return node

    def known_link(self, link: str) -> str:
        """`link`, if the stack has it; raises WorldError."""
        links = tuple(map(str, self.spec.links()))
        if link not in links:
            raise WorldError(f"the stack has no link {link!r}", hint=f"it has {', '.join(links)}")
        return link

    async def close(self) -> None:
        """Closes connections; the stack is not changed."""
        self._http.close()

    async def send(self, base_url: str, request: Request, timeout_s: float) -> Response:
        """One request over a fresh connection; raises CallFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._http.send(base_url.removeprefix("http://"), request)
        except TimeoutError:
            raise CallFailed("timeout", base_url) from None
        except NotConnectedError:
            raise CallFailed("refused", base_url) from None
        except BrokenOffError:
            raise CallFailed("reset", base_url) from None
