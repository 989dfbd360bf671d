"""What a fault is: frozen data plus four verbs. The life cycle around the verbs lives in brownout.harness.injection.lifecycle.

A fault file defines one pydantic model deriving from `Fault` and is found through the entry-point group
`brownout.faults`. Operator's steps (a roll-out, a failover, a configuration change) are written the same way, because
they change the stack and must be undone like anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from brownout.harness.base.durations import Duration as Duration  # for the fields of faults
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.models import FrozenModel
from brownout.harness.effects import Effect
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.record.reach import Reach as Reach  # for faults that say which requests they concern
from brownout.harness.world import Carrier, StackSpec, World, token_request
from brownout.identity.azure.machine_secrets import endpoint_secret
from brownout.identity.core.messages import EMPTY, CallFailed, Request, Response
from brownout.identity.core.topology import Vendor as Vendor  # for faults that are about one vendor's half of a stack


@dataclass(frozen=True, slots=True)
class Observation:
    """What an independent look saw: `bitten`, `absent` (no effect) or `unclear`, with the evidence in words and numbers.

    `idle`: the order stands, and nothing is there at present in which its effect could show. That proves no bite, and does not
    mean that the fault was lost.
    """

    state: Literal["bitten", "absent", "unclear"]
    evidence: str
    detail: Mapping[str, Any] | None = None
    idle: bool = False


class Fault(FrozenModel):
    """Base of all faults.

    `needs` are the abilities that a world must have. `target` names the parameters that say what it is done to, in the order
    in which a person writes them: `("region", "zone")` is written `sydney.z1`. `vendor` is the one without whose half a stack
    has nothing that the fault is about: `carriers` refuses such a stack. `lasting` says that the effect stays when the
    act is undone (a key that was pushed stays known), so that only the order itself must be gone. `apply` and `revert` are
    given the id of the hold on each carrier; both must be safe to run twice. `observe` asks the world afresh, never the
    fault's own memory.
    """

    kind: ClassVar[str]
    family: ClassVar[Literal["link", "node", "credential", "deployment", "data", "name", "clock", "load", "capacity"]]
    needs: ClassVar[frozenset[str]] = frozenset({"control"})
    target: ClassVar[tuple[str, ...]] = ()
    vendor: ClassVar[Vendor | None] = None
    lasting: ClassVar[bool] = False

    def describe(self) -> str:
        """One line for people: what it does to what."""
        raise NotImplementedError

    def settles_s(self, spec: StackSpec) -> float:
        """Emulated seconds that its effect may take to show or to go, above the time that a look takes."""
        return 0.0

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        """Everything it will hold; raises UsageError for a target that the stack does not have."""
        raise NotImplementedError

    def reach(self, spec: StackSpec) -> Reach:
        """Which requests it concerns, in terms of what their trails show; raises UsageError as `carriers` does.

        Those that go over its links and nodes, unless a fault says otherwise (docs/writing-an-experiment.md#exposure).
        """
        return Reach.of_carriers(map(str, self.carriers(spec)))

    def unchanged(self, spec: StackSpec, before: Mapping[str, Mapping[str, Any]]) -> str:
        """Why it asks for the state that there is already, "" where it asks for another.

        `before` has the readings of its carriers, by their texts. For faults whose hold is new even where nothing changes for a
        request; one whose effect could be seen before is recognised by `observe`.
        """
        return ""

    def state(self, spec: StackSpec, carrier: Carrier) -> Effect:
        """What it does to `carrier`; raises UsageError."""
        raise NotImplementedError

    async def apply(self, world: World, fault_id: str) -> None:
        """Puts the fault in place. Raises Defended when the system refuses it, WorldError when it cannot be done."""
        spec = world.spec
        await _on_each(world, self.carriers(spec), lambda carrier: world.hold(carrier, fault_id, self.state(spec, carrier)))

    async def revert(self, world: World, fault_id: str) -> None:
        """Takes the fault away, whether or not `apply` got anywhere; raises WorldError."""
        await _on_each(world, self.carriers(world.spec)[::-1], lambda carrier: world.release(carrier, fault_id))

    async def observe(self, world: World) -> Observation:
        """Whether the fault's effect is there now."""
        raise NotImplementedError

    async def observe_undone(self, world: World) -> Observation:
        """A look after the revert, which is any look unless the stack by itself may be as the fault made it.

        A build that was rolled out over another fault's may be the one that is there without faults. `absent` then means that
        no such order stands and that what is there is what the stack's own order asks for.
        """
        return await self.observe(world)


async def _on_each(world: World, carriers: tuple[Carrier, ...], act: Callable[[Carrier], Coroutine[Any, Any, object]]) -> None:
    """Acts on every carrier, at once where the world can. Switches are in order: one node may throw the next one's."""
    if len(carriers) == 1 or any(carrier.kind == "control" for carrier in carriers):
        for carrier in carriers:
            await act(carrier)
    else:
        await world.together(act(carrier) for carrier in carriers)


def unknown_name(what: str, name: str, options: Iterable[str]) -> UsageError:
    """The error for a target that the stack does not have, with the nearest one that it has."""
    return UsageError(f"this stack has no {what} {name!r}", hint=did_you_mean(name, options))


async def node_state(world: World, node: str) -> Mapping[str, Any]:
    """What a node's control plane says of it (`GET /admin/state`, docs/design.md); raises WorldError."""
    return await control_page(world, node, "/admin/state")


async def control_page(world: World, node: str, path: str, query: Mapping[str, str] = EMPTY) -> Mapping[str, Any]:
    """One page of a node's control plane; raises WorldError."""
    response = await world.control(node, Request("GET", path, query))
    if not response.ok or response.body is None:
        raise WorldError(f"{node} answered {response.status} when asked for {path.removeprefix('/admin/')}")
    return response.body


async def client_answer(
    world: World,
    node: str,
    path: str,
    query: Mapping[str, str] = EMPTY,
    *,
    headers: Mapping[str, str] = EMPTY,
    timeout_s: float = 2.0,
) -> Response | None:
    """What a client gets for `GET path` from `node`, None when there is no answer."""
    sent = {"metadata": "true", "user-agent": "brownout-probe", **headers}
    try:
        return await world.client(node, Request("GET", path, query, sent), timeout_s=timeout_s)
    except CallFailed:
        return None


async def token_answer(world: World, node: str, endpoint: str, machine: str, *, timeout_s: float = 2.0) -> Response | None:
    """What a program on a machine gets that asks that endpoint of Azure's for a token, None when there is no answer."""
    request = token_request(endpoint, endpoint_secret(world.spec.control_token, endpoint, machine), machine)
    marked = request.with_headers({"user-agent": "brownout-probe"})
    try:
        return await world.client(node, marked, timeout_s=timeout_s)
    except CallFailed:
        return None
