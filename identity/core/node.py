"""What every node has: a health page, a control plane with holds, a build and configuration, durable state.

A subclass is a role: it keeps the role's state and answers what other nodes of the stack ask of it (`serve`). That and the
control plane are below CONTROL_PATH, and need the control token. Every other path belongs to clients: it is taken by the
surfaces that brownout.identity.roles hangs onto the node. What only one vendor keeps is an annex (core/annex.py).
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from brownout.identity.core.annex import Annexes, TellsState
from brownout.identity.core.holds import HoldSet, Refused, Switch, UnknownSwitch, Unreachable, Value
from brownout.identity.core.messages import BadPayload, Request, Response
from brownout.identity.core.overload.capacity import NodeCapacity
from brownout.identity.core.overload.cold_start import add_cold_start
from brownout.identity.core.planted import BREAKER_STAYS_OPEN, RELEASE_LIFTS_OTHERS
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.settings import BUILDS, FIRST_BUILD, Build, Settings, check_config
from brownout.identity.core.surface import OWN, ReadyAnswers, Served, Surface, error
from brownout.identity.core.topology import CONTROL_PATH, NodeSpec
from brownout.identity.core.trail import ClientsSeen, Hop

SKEW = "skew"  # thrown with `ahead_s`: emulated seconds, below zero for a clock that is behind
Payload = TypeVar("Payload")
MALFORMED = (KeyError, ValueError, TypeError, AttributeError)  # what reading a value of the wrong form raises
_hop = lru_cache(maxsize=256)(Hop)  # one for each build of a node


def read_as(from_json: Callable[[Json], Payload], request: Request) -> Payload:
    """The record in a request's payload; raises BadPayload for what is no such record."""
    try:
        return from_json(request.body or {})
    except MALFORMED as wrong:
        raise BadPayload(f"{type(wrong).__name__}: {wrong}") from None


class Skew:
    """The switch of every node that makes its clock wrong. What several holds say adds up."""

    def __init__(self, holds: HoldSet, ports: Ports) -> None:
        self._holds, self._ports = holds, ports
        holds.add({SKEW: Switch(self._engage, self._disengage)})

    def settle(self) -> None:
        """Sets the clock to what all holds of it together say."""
        held = tuple(self._holds.held(SKEW))
        self._ports.skew_s = sum(float(value["ahead_s"]) for value in held)
        assert held or self._ports.skew_s == 0, "a clock that nothing holds is right"

    async def _engage(self, fault_id: str, value: Value) -> Value:
        if not math.isfinite(float(value["ahead_s"])):
            raise ValueError("a clock is ahead by a number of seconds")
        self.settle()
        return {"ahead_s": self._ports.skew_s}

    async def _disengage(self, fault_id: str, value: Value) -> None:
        self.settle()


class Node(TellsState):
    """One node of the stack. Subclasses add state, switches, control requests and what other nodes ask for.

    `pages` are the first words of the paths that `serve` takes, `worked_pages` those that its capacity is for: what a client
    waits for, and not what keeps the stack together (snapshots).
    """

    role: ClassVar[str]
    pages: ClassVar[tuple[str, ...]] = ()
    worked_pages: ClassVar[tuple[str, ...]] = ()
    takes_builds: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        self.name = spec.name
        self.region = spec.parsed.region
        self.stack = spec.stack
        self.ports = ports
        self.settings = Settings.of(spec.stack.settings)
        self.call_timeout_s = self.settings.call_timeout_ms / 1000
        self.build = self.settings.builds.get(self.region, FIRST_BUILD)
        self.config: dict[str, bool] = {"force_managed_key": self.region in self.settings.force_managed_key}
        self.holds = HoldSet(ports, lifts_others=RELEASE_LIFTS_OTHERS in self.settings.planted)
        self._skew = Skew(self.holds, ports)
        limits = self.settings.capacity.get(self.role, {})
        self.capacity = NodeCapacity(
            self.role, limits, ports, self.holds, stays_closed=BREAKER_STAYS_OPEN in self.settings.planted
        )
        self.surfaces: tuple[Surface, ...] = ()
        self.ready_answers = ReadyAnswers(())
        self.annexes = Annexes(self.holds)
        add_cold_start(self.holds, lambda: (self, *self.annexes.values()))
        self.seen = ClientsSeen()
        self.ready = True
        self.image_build = spec.image_build
        self._bearer = f"Bearer {spec.stack.control_token}"
        self._bearer_bytes = self._bearer.encode()

    @property
    def features(self) -> Build:
        return BUILDS[self.build]

    def hang(self, *surfaces: Surface) -> None:
        """Hangs surfaces onto the role, the first to be asked first."""
        assert not self.surfaces, "a role gets its surfaces once"
        self.surfaces = surfaces
        self.ready_answers = ReadyAnswers(surfaces)

    async def start(self) -> None:
        """Takes up the state that an earlier life made durable."""
        for key, record in self.ports.restore().items():
            kind, _, name = key.partition(":")
            if kind == "hold":
                self.holds.take_up(name, record)
            elif key == "node":
                self.build, self.config = record["build"], dict(record["config"])
            elif kind in self.annexes:
                self.annexes[kind].take_up(name, record)
            else:
                self.take_up(kind, name, record)
        self._skew.settle()
        self.capacity.settle()
        self.build = self.image_build or self.build  # what was rolled out to another image is not in this one
        assert self.build in BUILDS, self.build

    def take_up(self, kind: str, name: str, record: Json) -> None:
        """Takes up one durable record of the role's own, which was persisted under `kind:name`."""

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Work that goes on by itself for as long as the node runs."""
        return ()

    def hop(self) -> Hop:
        return _hop(self.name, self.build if self.takes_builds else "")

    async def handle(self, request: Request) -> Response:
        """The answer to any request at all; never raises for what a client can send."""
        path = request.path
        try:
            if path.startswith(OWN):
                served = await self._own(request, path[len(CONTROL_PATH) :])
            elif self.capacity.on:
                served = await self.capacity.within(request, self.hop(), lambda: self.answer(request), self.surfaces)
            else:
                served = await self.answer(request)
        except BadPayload as bad:
            served = Served(error(400, "InvalidRequestContent", str(bad)), self.hop())
        return served.sealed()

    async def answer(self, request: Request) -> Served:
        """The answer to a client: that of the first surface that takes the request, 404 where there is none."""
        for surface in self.surfaces:
            if surface.takes(request):
                return await surface.serve(request)
        return Served(error(404, "NotFound", f"{self.name} has no {request.path}"), self.hop())

    async def _own(self, request: Request, path: str) -> Served:
        """The answer to the stack's own nodes and to the harness; `path` is the one within the control plane."""
        if path == "/healthz":
            return Served(Response(200, {"node": self.name, "build": self.build, "ready": self.ready and self.annexes.ready}))
        if not self.is_internal(request):
            if path.split("/")[1] in ("admin", *self.pages, *self.annexes):
                return Served(error(401, "Unauthorized", "the control plane needs this stack's control token"), self.hop())
            return Served(error(404, "NotFound", f"{self.name} has no {request.path}"), self.hop())
        if path.startswith("/admin/"):
            return Served(await self._admin(request, path), self.hop())

        async def page() -> Served:
            served = await self.annexes.serve(request, path) or await self.serve(request, path)
            return served or Served(error(404, "NotFound", f"{self.name} has no {request.path}"), self.hop())

        first = path.split("/")[1]
        # Work is what a client waits for: such pages of the role, and what a vendor's part of another node asks of ours.
        if self.capacity.on and (first in self.worked_pages or (first in self.annexes and request.method == "POST")):
            return await self.capacity.within(request, self.hop(), page)
        return await page()

    async def serve(self, request: Request, path: str) -> Served | None:
        """The answer to what another node asks of the role at `path` of its control plane; None for any other path.

        Raises BadPayload for a request whose payload cannot be read.
        """
        return None

    def is_internal(self, request: Request) -> bool:
        """True for requests by the stack's own nodes and by the control plane."""
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._bearer_bytes)

    def internal(self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None) -> Request:
        """A request that other nodes of the stack accept as coming from one of theirs."""
        return Request(method, CONTROL_PATH + path, query or {}, {"authorization": self._bearer}, body)

    async def _admin(self, request: Request, path: str) -> Response:
        if path == "/admin/state" and request.method == "GET":
            return Response(200, self.shown())
        if path == "/admin/seen" and request.method == "POST":
            return Response(200, {"trails": self.seen.take()})
        if path.startswith("/admin/holds/"):
            return await self._hold_request(request, path.removeprefix("/admin/holds/"))
        if self.takes_builds and request.method == "POST" and path in ("/admin/build", "/admin/config"):
            return await self._change(path, request.body or {})
        try:
            return await self.annexes.control(request, path[len("/admin") :]) or await self.control(request, path)
        except MALFORMED as wrong:
            return error(400, "BadRequest", f"{path}: {_told(wrong)}")

    async def control(self, request: Request, path: str) -> Response:
        """Control requests of the role's own; an exception of MALFORMED that it raises is answered with 400."""
        return error(404, "NotFound", f"{self.role} has no control request {request.method} {path}")

    def shown(self) -> dict[str, Any]:
        """What `GET /admin/state` answers."""
        common: dict[str, Any] = {"node": self.name, "build": self.build, "image_build": self.image_build}
        common |= {"now_s": self.ports.now()}
        common |= {"holds": self.holds.shown(), "reports": dict(self.holds.reports)}
        return common | self.capacity.state() | self.annexes.state() | dict(self.state())

    async def _hold_request(self, request: Request, fault_id: str) -> Response:
        try:
            if request.method == "PUT":
                return await self._put_hold(fault_id, request.body or {})
            if request.method == "DELETE":
                await self.holds.release(fault_id)
                return Response(200, {"released": fault_id})
        except Refused as refused:
            return error(409, "Refused", str(refused))
        except Unreachable as silent:
            return error(503, "Unreachable", str(silent))
        return error(405, "MethodNotAllowed", "holds are put and deleted")

    async def _put_hold(self, fault_id: str, body: Value) -> Response:
        """Raises Refused and Unreachable."""
        switch, value = str(body.get("switch", "")), body.get("value") or {}
        if not isinstance(value, Mapping):
            return error(400, "BadValue", f"a switch's value is an object, not {value!r}")
        try:
            report = await self.holds.put(fault_id, switch, value)
        except UnknownSwitch:
            known = ", ".join(sorted(self.holds.switches)) or "none"
            return error(404, "UnknownSwitch", f"{self.role} has no switch {switch!r}; it has {known}")
        except MALFORMED as wrong:
            return error(400, "BadValue", f"switch {switch}: {_told(wrong)}")
        return Response(200, {"hold": self.holds[fault_id].shown(), "report": report})

    async def _change(self, path: str, body: Json) -> Response:
        if path == "/admin/build":
            build = str(body.get("build", ""))
            if build not in BUILDS:
                return error(400, "UnknownBuild", f"no build {build!r}; builds are {', '.join(BUILDS)}")
            if self.image_build not in ("", build):
                return error(409, "OldImage", f"the image of {self.name} holds build {self.image_build} and no other")
            self.build = build
        else:
            try:
                self.config = {**self.config, **check_config(body)}
            except ValueError as wrong:
                return error(400, "UnknownSetting", str(wrong))
        assert self.image_build in ("", self.build), "an image runs the build that it holds"
        await self.ports.persist("node", {"build": self.build, "config": self.config})
        return Response(200, {"node": self.name, "build": self.build, "config": dict(self.config)})


def _told(wrong: Exception) -> str:
    """What is wrong with a value, in words: a ValueError's are its message, and a KeyError's is a name alone."""
    if isinstance(wrong, KeyError):
        return f"{wrong} is missing or unknown"
    return str(wrong) if isinstance(wrong, ValueError) else f"it has the wrong form ({wrong})"
