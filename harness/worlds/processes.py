"""The world `processes`: every node a process of its own on loopback, every link a proxy of the real Toxiproxy.

Carriers: a link's holds are kept by Toxiproxy (harness.worlds.toxiproxy), a node's by the parent of all node processes
(identity.server.family), a switch's by the node itself. This module keeps none, so any number of processes may drive one
stack through `ProcessesWorld.attach` and all see the same.

A node that is down is seen through its link as `reset`, not as `refused`: the proxy's port is open, the one behind it is
not. Straight at the node's own port it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from harness.errors import Defended, StackGone, WorldError
from harness.load import driver
from harness.load.plan import LoadPlan
from harness.tools import toxiproxy_server
from harness.world import Carrier, LoadHandle, ProbeResult
from harness.worlds.catalog import PROCESSES, WORLDS
from harness.worlds.process_probe import probe_address
from harness.worlds.process_stack import SPEC_NAME, Standing, ask, bring_up, read_standing, take_down
from harness.worlds.toxiproxy import Toxiproxy
from identity.core.messages import CallFailed, Request, Response
from identity.core.topology import CLIENT, Link, StackSpec
from identity.server.clock import Clock
from identity.server.forkserver import LOG_FOLDER
from identity.server.port_range import HOST
from identity.server.spec_file import ServedStack, read_served

CONTROL_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 10.0
READY_INTERVAL_S = 0.01
HEALTH = Request("GET", "/healthz")


class ProcessesWorld:
    """Implements harness.world.World. `folder` is the stack's: its record, its secrets, its logs, its nodes' state."""

    name = PROCESSES
    abilities = WORLDS[PROCESSES].abilities

    def __init__(self, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float, toxiproxy_binary: Path) -> None:
        self.spec = spec
        self.rate = rate
        self.folder = folder.resolve()
        self._epoch_s = epoch_s
        self._binary = toxiproxy_binary
        self._clock: Clock | None = None
        self._standing: Standing | None = None
        self._links: Mapping[str, str] = {}
        self._http: httpx.AsyncClient | None = None

    @classmethod
    def prepare(cls, say: Callable[[str], None]) -> None:
        """Finds Toxiproxy's program, or builds it; raises BrownoutError."""
        toxiproxy_server(say=say)

    @classmethod
    def create(cls, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> Self:
        """A world over a stack that is not up, with the Toxiproxy that `prepare` found."""
        binary = toxiproxy_server(say=lambda _: None)
        return cls(spec, folder=folder, epoch_s=epoch_s, rate=rate, toxiproxy_binary=binary)

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """A world over the stack that another process brought up in `folder`; raises StackGone when there is none.

        The stack need not be whole: `stop` and `alive` work whatever has become of it.
        """
        folder = folder.resolve()
        standing = read_standing(folder)
        try:
            served = read_served(folder / SPEC_NAME)
        except (OSError, ValueError) as wrong:
            if standing.daemon.alive():
                raise WorldError(f"the stack in {folder} has lost its specification: {wrong}") from wrong
            take_down(standing)  # one that was killed while it was taken down
            raise StackGone(f"the stack in {folder} is dead") from wrong
        binary = Path(served.companions[0].argv[0])
        clock = served.clock
        world = cls(served.stack, folder=folder, epoch_s=clock.epoch_s, rate=clock.rate, toxiproxy_binary=binary)
        world._take(standing, served)
        return world

    def _take(self, standing: Standing, served: ServedStack) -> None:
        self._standing, self.spec = standing, served.stack
        self._clock, self._links = served.clock, served.links

    def alive(self) -> bool:
        """True while the parent of the stack's processes runs."""
        return self._standing is not None and self._standing.daemon.alive()

    def now(self) -> float:
        return self._epoch_s if self._clock is None else self._clock.now()

    def clock_record(self) -> Mapping[str, float]:
        """How another process turns its monotonic clock into this stack's time: `epoch_s`, `monotonic_s`, `rate`."""
        if self._clock is None:
            raise WorldError("the stack is not up")
        return self._clock.to_record()

    async def sleep_until(self, at_s: float) -> None:
        clock = self._clock
        while clock is not None and (left_s := clock.real_s(at_s - clock.now())) > 0:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(left_s)

    async def start(self) -> None:
        """Brings the whole stack up and returns when every node answers; raises WorldError, leaving nothing behind."""
        if self._standing is not None:
            raise WorldError(f"this stack is up already, in {self.folder}")
        rising = asyncio.ensure_future(asyncio.to_thread(self._bring_up))
        try:
            await asyncio.shield(rising)
            for node in self.spec.nodes():  # one after another: asking all at once would take their time to get ready
                await self._await_ready(node)
        except BaseException:
            with suppress(WorldError):
                await rising  # a thread cannot be interrupted; what it brings up is taken down here
            await self.stop()
            raise

    def _bring_up(self) -> None:
        up = bring_up(self.spec, self.folder, epoch_s=self._epoch_s, rate=self.rate, binary=self._binary)
        self._take(*up)

    async def _await_ready(self, node: str) -> None:
        """Returns when the node says that it is ready, its first replica and all; raises WorldError."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not ((await self.control(node, HEALTH)).body or {}).get("ready"):  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(READY_INTERVAL_S)
        except TimeoutError:
            log = self.folder / LOG_FOLDER / f"{node}.log"
            raise WorldError(f"{node} is not ready after {READY_TIMEOUT_S:g} s", hint=f"its log is {log}") from None

    async def stop(self) -> None:
        """Takes everything down, verified by process; raises WorldError when something does not end. May run twice."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        if self._standing is not None:
            await asyncio.to_thread(take_down, self._standing)
            self._standing, self._links = None, {}

    def urls(self) -> Mapping[str, str]:
        """The base URL of every node that clients use: that of the link `client->NODE`."""
        addresses = {node: self._links.get(str(Link(CLIENT, node))) for node in self.spec.nodes()}
        return {node: f"http://{address}" for node, address in addresses.items() if address is not None}

    def control_urls(self) -> Mapping[str, str]:
        """The base URL of every node's own port, beside the links: for the control plane only."""
        return {node: self._own_url(node) for node in self.spec.nodes()}

    def toxiproxy_url(self) -> str:
        """The API of the stack's Toxiproxy."""
        return self._up().toxiproxy_url

    async def status(self) -> Mapping[str, Any]:
        """Every process of the stack as it is: `pid`, `nodes` and `companions` by name; raises WorldError."""
        return await asyncio.to_thread(ask, self._up().folder, "status")

    async def restart(self, node: str) -> Mapping[str, Any]:
        """Ends a node's process and starts a new one on the same port, also one that died; raises WorldError."""
        return await asyncio.to_thread(ask, self._up().folder, "restart", node=self._known(node))

    async def hold(self, carrier: Carrier, fault_id: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        if carrier.kind == "link":
            return await asyncio.to_thread(self._toxiproxy(carrier.name).hold, carrier.name, fault_id, state)
        node = self._known(carrier.name)
        if carrier.kind == "control":
            return await self._hold_switch(node, fault_id, state)
        effect = str(state.get("effect"))
        return await asyncio.to_thread(ask, self._up().folder, "hold", node=node, id=fault_id, effect=effect)

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        if carrier.kind == "link":
            await asyncio.to_thread(self._toxiproxy(carrier.name).release, carrier.name, fault_id)
            return
        node = self._known(carrier.name)
        if carrier.kind == "control":
            await self._release_switch(node, fault_id)
            return
        await asyncio.to_thread(ask, self._up().folder, "release", node=node, id=fault_id)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        if carrier.kind == "link":
            return await asyncio.to_thread(self._toxiproxy(carrier.name).read, carrier.name)
        node = self._known(carrier.name)
        if carrier.kind == "control":
            return await self._switches(node)
        return await asyncio.to_thread(ask, self._up().folder, "read", node=node)

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        self._toxiproxy(link)
        return await probe_address(self._links[link], timeout_ms=timeout_ms)

    async def control(self, node: str, request: Request) -> Response:
        headers = {"authorization": f"Bearer {self.spec.control_token}", **request.headers}
        try:
            return await self._send(self._own_url(node), replace(request, headers=headers), CONTROL_TIMEOUT_S)
        except CallFailed as failed:
            hint = f"node:{node} may be held down or paused"
            raise WorldError(f"the control plane of {node} does not answer: {failed.failure}", hint=hint) from failed

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        url = self.urls().get(self._known(node))
        if url is None:
            raise WorldError(f"clients have no link to {node}", hint=f"they have {', '.join(self.urls())}")
        return await self._send(url, request, timeout_s)

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        urls = {str(Link(CLIENT, node)): url for node, url in self.urls().items()}
        filled = plan.model_copy(update={"urls": urls, "clock": self.clock_record()})
        return await driver.start(filled, folder, dashboard_port=dashboard_port)

    async def _hold_switch(self, node: str, fault_id: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"switch": state.get("switch"), "value": state.get("value")}
        answer = await self.control(node, Request("PUT", _hold_path(fault_id), body=body))
        if answer.status == 409:
            raise Defended(_message(answer))
        if not answer.ok:
            raise WorldError(f"{node} did not take the switch {state.get('switch')!r}: {_message(answer)}")
        if fault_id not in (await self._switches(node))["holds"]:
            raise WorldError(f"{node} took the hold {fault_id} and does not show it")
        return answer.body or {}

    async def _release_switch(self, node: str, fault_id: str) -> None:
        answer = await self.control(node, Request("DELETE", _hold_path(fault_id)))
        if not answer.ok:
            raise WorldError(f"{node} did not release the hold {fault_id}: {_message(answer)}")
        if fault_id in (await self._switches(node))["holds"]:
            raise WorldError(f"{node} released the hold {fault_id} and still shows it")

    async def _switches(self, node: str) -> Mapping[str, Any]:
        answer = await self.control(node, Request("GET", "/admin/state"))
        if not answer.ok or answer.body is None:
            raise WorldError(f"{node} does not show its state: {_message(answer)}")
        return answer.body

    def _up(self) -> Standing:
        if self._standing is None:
            raise WorldError("the stack is not up", hint="`brownout up` brings one up")
        return self._standing

    def _known(self, node: str) -> str:
        if node not in self.spec.nodes():
            raise WorldError(f"the stack has no node {node!r}", hint=f"it has {', '.join(self.spec.nodes())}")
        return node

    def _own_url(self, node: str) -> str:
        """The node's own port, which only the control plane uses."""
        return f"http://{HOST}:{self._up().ports[self._known(node)]}"

    def _toxiproxy(self, link: str) -> Toxiproxy:
        """The proxy server, once it is clear that it has this link."""
        standing = self._up()
        if link not in self._links:
            raise WorldError(f"the stack has no link {link!r}", hint=f"it has {', '.join(self._links)}")
        return Toxiproxy(standing.toxiproxy_url)

    async def _send(self, base_url: str, request: Request, timeout_s: float) -> Response:
        """One request over a fresh connection; raises CallFailed."""
        if self._http is None:
            # Fresh connections, because a kept one may be dead unnoticed; and loopback never goes through a proxy of
            # the environment's.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._http = httpx.AsyncClient(trust_env=False, verify=False, limits=limits)  # noqa: S501  # plain HTTP
        url = httpx.URL(base_url).copy_with(path=request.path, params=dict(request.query))
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._http.request(
                    request.method, url, headers=dict(request.headers), json=request.body, timeout=timeout_s
                )
        except (TimeoutError, httpx.TimeoutException):
            raise CallFailed("timeout", base_url) from None
        except httpx.ConnectError:
            raise CallFailed("refused", base_url) from None
        except httpx.TransportError:
            raise CallFailed("reset", base_url) from None
        body = answer.json() if answer.content else None
        return Response(answer.status_code, body, {name.lower(): value for name, value in answer.headers.items()})


def _hold_path(fault_id: str) -> str:
    return f"/admin/holds/{quote(fault_id, safe='')}"


def _message(answer: Response) -> str:
    error = (answer.body or {}).get("error")
    return str(error.get("message", error)) if isinstance(error, Mapping) else f"status {answer.status}"
