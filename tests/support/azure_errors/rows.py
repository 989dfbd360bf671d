"""One error as a row, what an answer says in whichever shape, and the stacks on which rows are provoked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

from brownout.harness.effects import Effect, LinkEffect, SwitchThrow
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request, Response
from support.azure_endpoints import ask as ask_endpoint
from support.client_requests import user_token
from support.identity_stacks import EPOCH_S, MACHINES, Stack
from support.simulated_azure import SimulatedAzure

T = TypeVar("T")
ZONES = ("z1", "z2", "z3")
OFFICER, CONTRIBUTOR = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"  # of secrets, of blobs


@dataclass(frozen=True, slots=True)
class Told:
    """What an error says: its code, with an inner code behind it where there is one ("" for none), and its words."""

    status: int
    code: str
    text: str

    @classmethod
    def of(cls, answer: Response) -> Told:
        """Whatever of Azure's shapes it has."""
        return cls(answer.status, *_said(answer))


def _said(answer: Response) -> tuple[str, str]:
    if answer.media_type == "text/plain":
        return "", answer.payload.decode()
    fields: Mapping[str, Any] = answer.body or {}
    told = fields.get("error")
    if "x-ms-error-code" in answer.headers:
        text = ET.fromstring(answer.payload).findtext("Message") if answer.payload else ""
        return answer.headers["x-ms-error-code"], str(text)
    if "error_codes" in fields:  # Entra
        return f"{fields['error_codes'][0]} {told}", str(fields["error_description"])
    if "ErrorCode" in fields:  # App Service in its older version
        return str(fields["ErrorCode"]), str(fields["ExceptionMessage"])
    if isinstance(told, Mapping):
        inner = str((told.get("innererror") or {}).get("code", ""))
        return f"{told['code']} {inner}".strip(), str(told["message"])
    if "error_description" in fields:
        return str(told), str(fields["error_description"])
    return "", str(told or fields.get("message", ""))


@dataclass(frozen=True, slots=True)
class ErrorStack:
    """A simulated stack on which errors are provoked one after the other."""

    world: SimulationWorld
    stack: Stack
    azure: SimulatedAzure
    granted: list[str] = field(default_factory=list)  # roles of the machine that may write

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.world.run(work)

    def send(self, node: str, request: Request) -> Response:
        return self.run(self.world.client(node, request, timeout_s=60))

    def together(self, *requests: tuple[str, Request]) -> list[Response]:
        """The answers to requests that are sent in the same moment."""
        return self.run(self.world.together(self.world.client(node, request, timeout_s=60) for node, request in requests))

    def endpoint(self, kind: str, machine: str = "web-1", **changed: Any) -> Response:
        """The answer to a good request to a machine's token endpoint, with changes (support.azure_endpoints)."""
        return self.run(ask_endpoint(self.stack, kind, machine, **changed))

    def arm(self, method: str, path: str, content: Mapping[str, Any] | None = None, **more: Any) -> Response:
        """A call to ARM, by the operator unless `token` says otherwise."""
        return self.run(self.stack.arm(method, path, content, **more))

    def entra(self, ask: Callable[[SimulatedAzure], Any]) -> Response:
        """The answer to what `ask` sends to Entra last."""
        ask(self.azure)
        return self.azure.answers[-1]

    def token(self, machine: str, resource: str) -> str:
        return self.run(self.stack.token(machine, resource=resource))

    def writer(self, resource: str) -> str:
        """A token of a machine that may do everything with secrets and with blobs."""
        if not self.granted:
            object_id = self.world.spec.identity("web-2-system").object_id
            for role in (OFFICER, CONTRIBUTOR):
                self.azure.grant(object_id, role)
                self.granted.append(role)
        return self.token("web-2", resource)

    @contextmanager
    def held(self, carrier: Carrier, effect: Effect) -> Iterator[None]:
        """A fault for as long as the block lasts."""
        self.run(self.world.hold(carrier, "row", effect))
        try:
            yield
        finally:
            self.run(self.world.release(carrier, "row"))

    def thrown(self, node: str, switch: str, **value: Any) -> Any:
        """The same with a switch of a node."""
        return self.held(Carrier("control", node), SwitchThrow(switch, value))

    @contextmanager
    def without_token_nodes(self) -> Iterator[None]:
        """The machines of Sydney reach no token node."""
        links = [Carrier("link", f"sydney.host->sydney.token.{zone}") for zone in ZONES]
        for link in links:
            self.run(self.world.hold(link, "row", LinkEffect("refuse")))
        try:
            yield
        finally:
            for link in links:
                self.run(self.world.release(link, "row"))

    def without_store_key(self) -> Any:
        """The metadata store of Sydney refuses the key that its clients have."""
        return self.thrown("sydney.store", "invalidate-key", key_id="current")


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error: below which heading the reference has it, what is answered, and what provokes it.

    `settings` are those of the stack. A `fresh` row changes what other rows need, so it has a stack of its own.
    """

    row_id: str
    section: str
    status: int
    code: str
    text: str
    provoke: Callable[[ErrorStack], Response]
    settings: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False


@dataclass(slots=True)
class ErrorStacks:
    """Stacks by their settings, each made when a row needs it first."""

    made: list[tuple[Mapping[str, Any], ErrorStack]] = field(default_factory=list)

    def answer(self, row: ErrorRow) -> Told:
        """What the row's stack answers."""
        return Told.of(row.provoke(self._stack(row)))

    def _stack(self, row: ErrorRow) -> ErrorStack:
        for settings, stack in self.made:
            if settings == row.settings and not row.fresh:
                return stack
        world = SimulationWorld(build_stack(seed=1, settings=row.settings, machines=MACHINES), epoch_s=EPOCH_S)
        self.made.append(({"of one row": row.row_id} if row.fresh else row.settings, _started(world)))
        return self.made[-1][1]

    def close(self) -> None:
        for _, stack in self.made:
            stack.world.kernel.close()


def _started(world: SimulationWorld) -> ErrorStack:
    world.run(world.start())
    return ErrorStack(world, Stack(world, world.run(user_token(world))), SimulatedAzure(world))
