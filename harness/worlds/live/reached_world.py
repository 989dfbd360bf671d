"""How a stack that is up is reached: clients' links, control planes and readiness, over HTTP from this machine.

Nothing is stored here between two calls, so any number of processes may use one stack.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.world import AsksForStates
from brownout.harness.worlds.live.carrier_holds import NodeStore
from brownout.harness.worlds.live.survey import SurveyedWorld
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError

CONTROL_TIMEOUT_S = 10.0
LATE_S = 1.0  # an answer that takes longer may never come: whether the node runs is looked at then
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

    @abstractmethod
    def node_holds(self) -> NodeStore:
        """The store of the nodes' holds; raises WorldError when the stack is not up."""

    async def control(self, node: str, request: Request) -> Response:
        """As in every world; a node that is stopped is not waited for, but named.

        Raises CarrierGone for one that has ended by itself: nothing is held there until it is started again.
        """
        answering = asyncio.ensure_future(ask_control(self, node, request))
        try:
            done, _ = await asyncio.wait({answering}, timeout=LATE_S)
            if not done:
                await self._require_running(node)
            return await answering
        except CarrierGone:
            raise
        except WorldError:
            await self._require_running(node)
            raise
        finally:
            answering.cancel()

    async def _require_running(self, node: str) -> None:
        """Raises CarrierGone for a node that has ended by itself, WorldError for one that is stopped."""
        store = self.node_holds()
        seen = await asyncio.to_thread(store.read, self.known_node(node))
        if seen["state"] == "dead":
            raise CarrierGone(f"{node} has ended by itself ({seen.get('exit')})", hint=self.log_hint(node))
        if seen["state"] == "paused":
            by = f"held by {', '.join(seen['holds'])}" if seen["holds"] else "by no hold of Brownout's"
            hint = "" if seen["holds"] else f"`{store.resume_command(node, seen)}` continues it"
            raise WorldError(f"{node} does not answer: its process {seen['pid']} is stopped, {by}", hint=hint)

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
        return says_ready(await self.control(node, HEALTH))

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


def says_ready(answer: Response) -> bool:
    """Whether a node's answer about its health says that it is ready."""
    return bool((answer.body or {}).get("ready"))


async def ask_control(world: ReachedWorld, node: str, request: Request) -> Response:
    """The answer of a node's control plane; raises WorldError where there is none, and does not ask why."""
    if "authorization" not in request.headers:
        request = request.with_headers({"authorization": f"Bearer {world.spec.control_token}"})
    url = world.endpoints().control[world.known_node(node)]
    try:
        return await world.send(url, request.below(world.spec.control_path), CONTROL_TIMEOUT_S)
    except CallFailed as failed:
        hint = f"node:{node} may be held down or paused"
        raise WorldError(f"the control plane of {node} does not answer: {failed.failure}", hint=hint) from failed
