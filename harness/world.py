"""The world protocol: where a stack runs, and the few ways in which it may be touched.

Three carriers can be put into a faulty state, each named by text:

- `link:SOURCE->TARGET`   by a LinkEffect
- `node:NAME`             by a NodeEffect (brownout.harness.worlds.catalog: which of them each world can do)
- `control:NAME`          by a SwitchThrow, which the node itself keeps (docs/design.md, the control plane of a node)

The effects are in brownout.harness.effects.

Laws. A carrier keeps its *set* of holds by fault id and its state is computed from the whole set, so releasing one never
lifts another. `hold` with an id that it already has replaces that hold. `release` of an id that it does not have is
success. An empty set is the baseline. Hence every undo is `release`, which may run twice, in any order, from any process.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from brownout.harness.effects import Effect
from brownout.harness.errors import WorldError

# Names of the service that are part of this protocol: faults import them from here.
from brownout.identity.azure.hosts.flaws import FLAWS as FLAWS
from brownout.identity.azure.hosts.flaws import NOT_WHOLE as NOT_WHOLE
from brownout.identity.azure.hosts.probes import token_request as token_request
from brownout.identity.core.messages import Request as Request
from brownout.identity.core.messages import Response
from brownout.identity.core.settings import BUILDS as BUILDS
from brownout.identity.core.settings import NODE_CONFIG as NODE_CONFIG
from brownout.identity.core.settings import Settings as Settings
from brownout.identity.core.topology import DEPLOYER as DEPLOYER
from brownout.identity.core.topology import DIRECTORY as DIRECTORY
from brownout.identity.core.topology import DOOR_KINDS, PROXY_DOOR, STS_DOOR, door_url
from brownout.identity.core.topology import EDGE_NODE as EDGE_NODE
from brownout.identity.core.topology import HOST as HOST
from brownout.identity.core.topology import MANAGEMENT as MANAGEMENT
from brownout.identity.core.topology import STORE as STORE
from brownout.identity.core.topology import TOKEN as TOKEN
from brownout.identity.core.topology import VAULT as VAULT
from brownout.identity.core.topology import MachineSpec as MachineSpec
from brownout.identity.core.topology import StackSpec as StackSpec
from brownout.identity.names import endpoint_names as endpoint_names
from brownout.identity.names import led_to as led_to

if TYPE_CHECKING:
    from brownout.harness.load.arrivals import LoadPlan

T = TypeVar("T")
STATE_PATH = "/admin/state"
CarrierKind = Literal["link", "node", "control"]


@dataclass(frozen=True, slots=True, order=True)
class Carrier:
    """A thing that can be put into a faulty state."""

    kind: CarrierKind
    name: str

    @classmethod
    def parse(cls, text: str) -> Carrier:
        """`kind:name`; raises ValueError."""
        kind, colon, name = text.partition(":")
        if not colon or kind not in ("link", "node", "control") or not name:
            raise ValueError(f"{text!r} is not a carrier (link:, node: or control: and a name)")
        return cls(kind, name)  # type: ignore[arg-type]  # narrowed by the test above

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What an independent look at one link saw: `ok`, `refused`, `reset` or `timeout`, and how long it took."""

    outcome: Literal["ok", "refused", "reset", "timeout"]
    latency_ms: float


class LoadHandle(Protocol):
    """Load under way."""

    async def stop(self) -> None:
        """Stops issuing, waits for what is under way, and leaves complete request logs behind."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """`planned`, `issued`, `lag_p99_ms`, `cpu_share` so far: the generator's own health, for the gates."""
        ...

    def problems(self) -> tuple[str, ...]:
        """Anything that makes its records untrustworthy (a worker lost, a log torn), each a sentence."""
        ...


class World(Protocol):
    """Where a stack runs. All methods are coroutines that work on the world's own clock."""

    name: str
    abilities: frozenset[str]
    rate: float
    spec: StackSpec

    def now(self) -> float:
        """Emulated epoch seconds."""
        ...

    async def sleep_until(self, at_s: float) -> None:
        """Waits until emulated time `at_s` (returns at once when it is past)."""
        ...

    async def start(self) -> None:
        """Brings the whole stack up and returns when every node answers; raises WorldError, leaving nothing behind."""
        ...

    async def stop(self) -> None:
        """Takes everything down that `start` brought up. May run twice."""
        ...

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        """Adds a hold, verifies by reading back, and returns what the carrier reports.

        Raises Defended when the system refuses it, WorldError when it cannot be done, also for an effect that this world or
        this kind of carrier cannot have.
        """
        ...

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        """Removes a hold, verified by reading back; raises WorldError."""
        ...

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        """The carrier as it is: at least `{"holds": {fault_id: the effect's JSON}}`; raises WorldError."""
        ...

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Runs calls of this world, at once where it can, and returns their results in order.

        When some raise WorldError the others are carried out all the same; then the first error is raised.
        """
        ...

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        """One independent request over `link`, from the source's side, to the target's health page."""
        ...

    async def control(self, node: str, request: Request) -> Response:
        """One authenticated request to a node's control plane, beside the links; raises WorldError if there is no answer."""
        ...

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        """What each node says of itself, in order and at once where it can; None for one that does not.

        It is `GET /admin/state`, or of that page at least the versions and keys that nodes hold (`Node.holdings`).
        """
        ...

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        """One request as a client sends it, over the link `client->node`; raises identity's CallFailed."""
        ...

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        """Starts the plan's arrivals; every request ends as a line of a `requests*.jsonl` in `folder`."""
        ...


def misplaced(carrier: Carrier, effect: Effect) -> WorldError:
    """The error for an effect that this kind of carrier cannot have."""
    return WorldError(f"{carrier} cannot be held by a {type(effect).__name__} ({effect.to_json()})")


async def one_after_another(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """`World.together` for a world that does one thing at a time."""
    results: list[T] = []
    errors: list[WorldError] = []
    for call in calls:
        try:
            results.append(await call)
        except WorldError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return results


class Askable(Protocol):
    """The part of a World by which control planes are asked."""

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]: ...
    async def control(self, node: str, request: Request) -> Response: ...


async def control_pages(world: Askable, asked: Iterable[tuple[str, str]]) -> list[Mapping[str, Any] | None]:
    """Pages of nodes' control planes by node and path, in order and together where the world can; None for one that fails."""

    async def page(node: str, path: str) -> Mapping[str, Any] | None:
        try:
            answer = await world.control(node, Request("GET", path))
        except WorldError:
            return None
        return answer.body if answer.ok else None

    return await world.together([page(node, path) for node, path in asked])


async def states_asked(world: Askable, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
    """`World.states` for a world whose nodes are asked over their control planes."""
    return await control_pages(world, ((node, STATE_PATH) for node in nodes))


class AsksForStates:
    """The part of such a world."""

    async def states(self: Askable, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        return await states_asked(self, nodes)


@dataclass(frozen=True, slots=True)
class Inside:
    """How containers of one's own use a stack: the network that they join, and the base URLs there of what clients use.

    `compose_variables` is the file that `docker compose --env-file` needs to add to the stack, `dashboard_url` where the load's
    web page then is, on loopback.
    """

    network: str
    urls: Mapping[str, str]
    compose_variables: Path
    dashboard_url: str


@dataclass(frozen=True, slots=True)
class EdgeDoors:
    """The doors of a stack's edge: `urls` are base URLs by the door's kind and the region in which a client stands.

    Clients trust the authority in the file `ca_bundle`. The file `trust_bundle` has it beside the authorities that the machine
    trusts, for processes that have to do with others too. `thumbprint` is the SHA-1 of the edge's certificate, in hex.
    """

    urls: Mapping[str, Mapping[str, str]]
    ca_bundle: Path
    trust_bundle: Path
    thumbprint: str

    @classmethod
    def of(cls, doors: Mapping[str, str], ca_bundle: Path, trust_bundle: Path, thumbprint: str) -> EdgeDoors:
        """From `host:port` by door (`proxy.REGION`, `arm.REGION`)."""
        urls: dict[str, dict[str, str]] = {kind: {} for kind in DOOR_KINDS}
        for door, address in doors.items():
            kind, _, region = door.partition(".")
            urls[kind][region] = door_url(door, address)
        return cls(urls, ca_bundle, trust_bundle, thumbprint)

    @property
    def proxies(self) -> Mapping[str, str]:
        """Values for HTTPS_PROXY."""
        return self.urls[PROXY_DOOR]

    @property
    def sts(self) -> Mapping[str, str]:
        """Base URLs of STS, balanced over a region's token nodes; empty in a stack without AWS's half."""
        return self.urls[STS_DOOR]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a stack that is up is reached from this machine: base URLs on loopback.

    `clients`: of each node that clients use, over the link `client->NODE`. `control`: of each node's control plane, beside the
    links. `toxiproxy`: the API of the stack's Toxiproxy. `inside`: for containers of one's own, None in a world without any.
    `edge`: how clients reach it by name, None for a stack without an edge.
    """

    clients: Mapping[str, str]
    control: Mapping[str, str]
    toxiproxy: str
    inside: Inside | None = None
    edge: EdgeDoors | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """All carriers of a stack as one look saw them.

    `holds`: the holds by id of each carrier that has any. `foreign`: what other programs did to the stack, a sentence each.
    `silent`: what did not answer, a sentence each; its holds are not known.
    """

    holds: Mapping[Carrier, Mapping[str, Any]]
    foreign: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


class Shortages:
    """What parts of a stack ran out of: open files, ports, memory, disk space. Finds nothing where a world does not say how."""

    def look(self) -> None:
        """Looks, in a few milliseconds, whether a part has no open files left; what was found is kept."""

    def found(self) -> tuple[str, ...]:
        """All that was found so far, a sentence each."""
        return ()


class LiveWorld(World, Protocol):
    """A world whose stacks are real and outlive the process that brought them up: everything about one is in `folder`."""

    folder: Path
    shortages: Shortages

    @classmethod
    def look(cls, say: Callable[[str], None]) -> None:
        """Looks up what every stack of this world needs of the machine and says what is used; raises BrownoutError."""
        ...

    @classmethod
    def prepare(cls, say: Callable[[str], None]) -> None:
        """The same, and builds what is missing where it can."""
        ...

    @classmethod
    def create(cls, spec: StackSpec, *, folder: Path, epoch_s: float, rate: float) -> Self:
        """A world over a stack that is not up; its clock shows `epoch_s` when its nodes start. Call `prepare` first."""
        ...

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """A world over the stack that another process brought up in `folder`; raises StackGone when there is none."""
        ...

    def alive(self) -> bool:
        """False when the process or the containers that held the stack together have ended; `stop` then removes the rest."""
        ...

    def clock_record(self) -> Mapping[str, float]:
        """How another process turns its monotonic clock into this stack's time: `epoch_s`, `monotonic_s`, `rate`."""
        ...

    def endpoints(self) -> Endpoints:
        """Where the stack is reached; raises WorldError when it is not up."""
        ...

    async def status(self) -> Mapping[str, Any]:
        """`nodes` by name, each with `state` (`running`, `paused`, `down`, `dead`, ...) and `pid`; raises WorldError."""
        ...

    async def repair(self) -> str:
        """Starts again what carries the links, where that has ended by itself, with every link and without holds.

        Returns a sentence that says what had ended and was repaired, "" where nothing had; raises WorldError when it cannot be
        repaired.
        """
        ...

    async def end_loads(self) -> tuple[str, ...]:
        """Ends the loads that run as parts of the stack, of which no process of this machine knows, and returns their names.

        Returns within seconds once they have ended; raises WorldError. What a command of this machine runs is not its business.
        """
        ...

    async def reset(self) -> None:
        """Has every node as it was when the stack came up: what clients and operators made since is gone, keys are new.

        What clients connect to stays where it is, and the clock goes on. The faults are undone before. Raises WorldError, and
        UsageError in a world that cannot.
        """
        ...

    async def survey(self, *, switches: bool = True) -> Survey:
        """Every carrier's holds, and what others did to the stack, in few requests; without `switches` no node is asked.

        Changes nothing, and takes a bounded time whatever does not answer. Raises WorldError when nothing can be seen at all.
        """
        ...
