"""What every node has: its health page, its control plane with holds, its build and configuration, durable state.

A hold is a switch thrown on the node under a fault's id (docs/design.md). The node keeps the set; roles say what a switch
does by registering an engage and a disengage coroutine. Holds are durable: a node that was killed comes back still held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from brownout.identity.core.messages import BadPayload, Request, Response
from brownout.identity.core.ports import Ports
from brownout.identity.core.settings import BUILDS, Build, Settings, check_config
from brownout.identity.core.topology import NodeSpec
from brownout.identity.core.trail import Hop, with_hop

Value = Mapping[str, Any]
Engage = Callable[[str, Value], Awaitable[Value]]
Disengage = Callable[[str, Value], Awaitable[None]]


class Refused(Exception):
    """The system declines a change for a reason of its own: a gate, a freeze. The answer is 409 and a defence."""


class Unreachable(Exception):
    """Another node that the change needs did not do its part. The answer is 503, and what was held stays held."""


@dataclass(frozen=True, slots=True)
class Switch:
    """How a role carries out one kind of hold. `engage` returns a report; `disengage` gets what the hold was."""

    engage: Engage
    disengage: Disengage


@dataclass(frozen=True, slots=True)
class Hold:
    """A switch thrown: `value` is what was asked for, `decided` what the node settled on, `order` grows with each hold."""

    switch: str
    value: Value
    decided: Value = field(default_factory=dict)
    order: int = 0

    @property
    def whole(self) -> dict[str, Any]:
        """All that is known of the hold: what was asked for and what was decided."""
        return {**self.value, **self.decided}

    def to_record(self) -> dict[str, Any]:
        plain = {"switch": self.switch, "order": self.order}
        return plain | {"value": dict(self.value), "decided": dict(self.decided)}

    def shown(self) -> dict[str, Any]:
        """The hold without secrets, for answers."""
        return {"switch": self.switch, "value": {key: v for key, v in self.whole.items() if key != "secret"}}


def error(status: int, code: str, message: str, **headers: str) -> Response:
    """An error in the envelope that Azure's control planes use."""
    return Response(status, {"error": {"code": code, "message": message}}, headers)


class Node:
    """One node of the stack. Subclasses implement `serve` and add switches, state and control requests."""

    role: ClassVar[str]
    takes_builds: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        self.name = spec.name
        self.region = spec.parsed.region
        self.stack = spec.stack
        self.ports = ports
        self.settings = Settings.of(spec.stack.settings)
        self.build = self.settings.builds.get(self.region, "1.0")
        self.config: dict[str, Any] = {"force_managed_key": self.region in self.settings.force_managed_key}
        self.holds: dict[str, Hold] = {}
        self.reports: dict[str, Value] = {}
        self.switches: dict[str, Switch] = {}
        self.ready = True
        self.image_build = spec.image_build
        self._bearer = f"Bearer {spec.stack.control_token}"

    @property
    def features(self) -> Build:
        return BUILDS[self.build]

    async def start(self) -> None:
        """Takes up the state that an earlier life made durable."""
        for key, record in self.ports.restore().items():
            kind, _, name = key.partition(":")
            if kind == "hold":
                self.holds[name] = Hold(**record)
            elif key == "node":
                self.build, self.config = record["build"], dict(record["config"])
            else:
                self.take_up(kind, name, record)
        self._sort_holds()
        self.build = self.image_build or self.build  # what was rolled out to another image is not in this one

    def take_up(self, kind: str, name: str, record: Value) -> None:
        """Takes up one durable record of the role's own."""

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Work that goes on by itself for as long as the node runs."""
        return ()

    def hop(self) -> Hop:
        return Hop(self.name, self.build if self.takes_builds else "")

    async def handle(self, request: Request) -> Response:
        """The answer to any request at all; never raises for what a client can send."""
        if request.path == "/healthz":
            return Response(200, {"node": self.name, "build": self.build, "ready": self.ready})
        try:
            if request.path.startswith("/admin/"):
                return with_hop(await self._admin(request), self.hop())
            return await self.serve(request)
        except BadPayload as bad:
            return with_hop(error(400, "InvalidRequestContent", str(bad)), self.hop())

    async def serve(self, request: Request) -> Response:
        """The role's own surface."""
        raise NotImplementedError

    def is_internal(self, request: Request) -> bool:
        """True for requests by the stack's own nodes and by the control plane."""
        return request.headers.get("authorization") == self._bearer

    def internal(self, method: str, path: str, body: Value | None = None) -> Request:
        """A request that other nodes of the stack accept as coming from one of theirs."""
        return Request(method, path, headers={"authorization": self._bearer}, body=body)

    async def _admin(self, request: Request) -> Response:
        if not self.is_internal(request):
            return error(401, "Unauthorized", "the control plane needs this stack's control token")
        if request.path == "/admin/state" and request.method == "GET":
            return Response(200, self._whole_state())
        if request.path.startswith("/admin/holds/"):
            return await self._hold_request(request, request.path.removeprefix("/admin/holds/"))
        if self.takes_builds and request.method == "POST" and request.path in ("/admin/build", "/admin/config"):
            return await self._change(request)
        try:
            return await self.control(request)
        except (KeyError, ValueError, TypeError) as wrong:
            return error(400, "BadRequest", f"{request.path}: {type(wrong).__name__}: {wrong}")

    async def control(self, request: Request) -> Response:
        """Control requests of the role's own."""
        return error(404, "NotFound", f"{self.role} has no control request {request.method} {request.path}")

    def _whole_state(self) -> dict[str, Any]:
        holds = {fault_id: hold.shown() for fault_id, hold in self.holds.items()}
        common: dict[str, Any] = {"node": self.name, "build": self.build, "image_build": self.image_build}
        common |= {"now_s": self.ports.now()}
        return common | {"holds": holds, "reports": dict(self.reports)} | dict(self.state())

    def state(self) -> Value:
        """What the role adds to `GET /admin/state`."""
        return {}

    async def _hold_request(self, request: Request, fault_id: str) -> Response:
        if request.method == "PUT":
            return await self._engage(fault_id, request.body or {})
        if request.method == "DELETE":
            return await self._release(fault_id)
        return error(405, "MethodNotAllowed", "holds are put and deleted")

    async def _release(self, fault_id: str) -> Response:
        try:
            await self._disengage(fault_id)
        except Unreachable as silent:
            return error(503, "Unreachable", str(silent))
        return Response(200, {"released": fault_id})

    async def _engage(self, fault_id: str, body: Value) -> Response:
        asked = body.get("value") or {}
        if not isinstance(asked, Mapping):
            return error(400, "BadValue", f"a switch's value is an object, not {asked!r}")
        hold = Hold(str(body.get("switch", "")), asked)
        switch = self.switches.get(hold.switch)
        if switch is None:
            known = ", ".join(sorted(self.switches)) or "none"
            return error(404, "UnknownSwitch", f"{self.role} has no switch {hold.switch!r}; it has {known}")
        kept = self.holds.get(fault_id)
        if kept is not None and (kept.switch, dict(kept.value)) == (hold.switch, dict(hold.value)):
            return Response(200, {"hold": kept.shown(), "report": {"unchanged": True}})
        try:
            await self._disengage(fault_id)
            report = await self._throw(fault_id, hold, switch)
        except Refused as refused:
            return error(409, "Refused", str(refused))
        except Unreachable as silent:
            return error(503, "Unreachable", str(silent))
        except (KeyError, ValueError, TypeError) as wrong:
            return error(400, "BadValue", f"switch {hold.switch}: {type(wrong).__name__}: {wrong}")
        return Response(200, {"hold": self.holds[fault_id].shown(), "report": report})

    async def _throw(self, fault_id: str, hold: Hold, switch: Switch) -> dict[str, Any]:
        """Puts the hold in place and returns the role's report; when the role raises, the hold is gone again."""
        order = 1 + max((other.order for other in self.holds.values()), default=0)
        self.holds[fault_id] = replace(hold, order=order)
        await self.ports.persist(f"hold:{fault_id}", self.holds[fault_id].to_record())
        try:
            report = dict(await switch.engage(fault_id, hold.value))
        except Exception:
            await self._forget(fault_id)
            raise
        self.reports[fault_id] = report
        return report

    async def decide(self, fault_id: str, **decided: Any) -> None:
        """Makes durable what a hold means in the end, so that a restart and the release go by the same."""
        hold = self.holds[fault_id]
        self.holds[fault_id] = replace(hold, decided={**hold.decided, **decided})
        await self.ports.persist(f"hold:{fault_id}", self.holds[fault_id].to_record())

    def _sort_holds(self) -> None:
        self.holds = dict(sorted(self.holds.items(), key=lambda item: item[1].order))

    async def _disengage(self, fault_id: str) -> None:
        """Undoes a hold. It is durable until that is done, and stays in place when the role cannot (Unreachable)."""
        hold = self.holds.pop(fault_id, None)
        if hold is None:
            return
        try:
            await self.switches[hold.switch].disengage(fault_id, hold.whole)
        except Unreachable:
            self.holds[fault_id] = hold
            self._sort_holds()
            raise
        await self._forget(fault_id)

    async def _forget(self, fault_id: str) -> None:
        self.holds.pop(fault_id, None)
        self.reports.pop(fault_id, None)
        await self.ports.persist(f"hold:{fault_id}", None)

    def held(self, switch: str) -> tuple[Value, ...]:
        """The values of all holds of one switch, oldest first."""
        return tuple(hold.whole for hold in self.holds.values() if hold.switch == switch)

    async def _change(self, request: Request) -> Response:
        body = request.body or {}
        if request.path == "/admin/build":
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
        await self.ports.persist("node", {"build": self.build, "config": self.config})
        return Response(200, {"node": self.name, "build": self.build, "config": dict(self.config)})


async def nothing_to_undo(fault_id: str, value: Value) -> None:
    """The disengage of a switch whose effect is computed from the set of holds alone."""


async def nothing_to_do(fault_id: str, value: Value) -> Value:
    """The engage of a switch whose effect is computed from the set of holds alone."""
    return {}


PASSIVE = Switch(nothing_to_do, nothing_to_undo)
