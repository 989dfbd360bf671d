"""What a client model declares: its operations, its needs, its objective, its typical clients, and its script.

A script is a generator that does no I/O. It yields `Call` (a request to a node), is resumed with the node's Response or
with CallFailed raised in it, and returns an `ArrivalResult`. It has no clock: the emulated time is an argument. So the
simulation, the probes of `good share` and Locust's greenlets play the very same scripts (`playing`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from brownout.harness.errors import UsageError
from brownout.harness.load.models.asks import Ask
from brownout.harness.record.history import RequestOutcome
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import CallFailed, Request, Response

Memory = TypeVar("Memory")
On = Literal["machine", "scale set", "nothing"]
HomeOf = Literal["drawn", "machine", "region", "none"]


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """What a user of AWS's console types, the seed of the virtual MFA device in Base32, and the security key's private key."""

    password: str = field(repr=False)
    mfa_seed: str = field(repr=False)
    security_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the clients of a load show who they are with, which only a stack that is up can give.

    `user_token` is a bearer token of an Azure operator, `access_keys` are long-term credentials by the name of the IAM user,
    `console_users` sign in to the console by their names, `endpoint_keys` are by the kind of an endpoint what the secrets of
    that kind are derived from.
    """

    user_token: str = field(default="", repr=False)
    access_keys: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    console_users: Mapping[str, ConsoleUser] = field(default_factory=dict, repr=False)
    endpoint_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose resources the load uses, and what it signs in with."""

    tenant_id: str = ""
    subscription_id: str = ""
    sign_in: SignIn = SignIn()
    aws_account_id: str = ""


class Arrival(NamedTuple):
    """One client that arrives: who it is, when it is due (`at_s`, emulated epoch seconds), where, and what it asks for.

    `machine` is "" for a cohort without machines and `front_end` for a model without front ends. `home` is the home
    region of the identity concerned, "" when none is (`Operation.home`). `number` counts the cohort's arrivals from 0.
    `retry` names how it tries again (brownout.harness.load.retries), "" for not at all.
    `identity` is the resource id of the identity that it names when it asks for a token, "" where it names none.
    `name_cache` is the client's own cache of names, as its requests to the edge tell it, "" for none. `endpoint` is the kind of
    endpoint of its machine by which it gets tokens, "" for a model that has no choice.
    """

    id: str
    at_s: float
    cohort: str
    model: str
    region: str
    machine: str
    operation: str
    home: str
    resource: str
    front_end: str = ""
    number: int = 0
    retry: str = ""
    identity: str = ""
    name_cache: str = ""
    endpoint: str = ""


class Clients:
    """The clients of one load: the account they use, and what they remember from one arrival to the next."""

    def __init__(self, account: Account, seed: int = 0, asks: Mapping[str, Ask] | None = None) -> None:
        self.account = account
        self.asks = asks or {}  # what clients of the user's own application ask it for, by cohort
        self.seed = seed  # of what clients draw by chance, such as the waits between attempts
        self._memory: dict[type, object] = {}

    def memory(self, kind: type[Memory]) -> Memory:
        """The load's one object of the class `kind`, made with `kind()` at the first call."""
        found = self._memory.get(kind)
        if found is None:
            found = self._memory[kind] = kind()
        assert isinstance(found, kind), "an object is kept under its own class"
        return found


class Call(NamedTuple):
    """`request` to `node` over the link `client->node`. `attempt` counts those of an arrival that tries again, from 1.

    `timeout_s` is how long the client waits for this answer, in network time; None waits for as long as the load's deadline.
    """

    node: str
    request: Request
    attempt: int = 0
    timeout_s: float | None = None


class Pause(NamedTuple):
    """Nothing for so many emulated seconds."""

    duration_s: float


class ArrivalResult(NamedTuple):
    """How an arrival ended. `status` is 0 without an HTTP response; `error` is the service's code or the call's failure.

    `trail` names the nodes that served it (`history.RequestRecord`). `home` is the home region of the identity that was asked
    for, from a script that names one by itself; "" leaves the arrival's. `credentials` tells which were wanted, given and shown
    (brownout.harness.record.credentials), without which no invariant about them is exercised.
    """

    status: int
    outcome: RequestOutcome
    error: str = ""
    trail: str = ""
    home: str = ""
    credentials: str = ""


Script = Generator[Call | Pause, Response, ArrivalResult]


def above_zero(weights: Mapping[str, float]) -> Mapping[str, float]:
    """The weights that count."""
    return {name: weight for name, weight in weights.items() if weight > 0}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a model's clients ask for. `weight` is its share in a cohort without a `mix`.

    `home` says which home region the log has for it, because objectives select requests by what was really asked for: `drawn`
    from the cohort's `homes`, where the script asks for an identity of `arrival.home`; that of the `machine`'s own identity,
    where it asks as the machine; the `region` that is called, where an identity is made there; or `none`. Where it is not
    given, an operation that needs a machine asks as that machine, and any other for an identity of `arrival.home`.
    """

    name: str
    weight: float = 0.0
    needs_machine: bool = False
    home: HomeOf | None = None

    @property
    def home_of(self) -> HomeOf:
        """Whose home region the log has."""
        return self.home or ("machine" if self.needs_machine else "drawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typical:
    """Clients that each region has while no experiment says who its clients are.

    `cohort` is their name in a load by hand and `share` their part of a region's arrivals. `probe` is their name in
    `good share`, which asks for the model's default operation. `on` is the kind of machine that they need.
    """

    cohort: str
    share: float
    probe: str
    on: On
    mix: Mapping[str, float] = field(default_factory=dict)
    front_ends: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientModel:
    """A kind of client, complete: everything else reads this object and knows no model by name.

    `vendor` is the one whose half of the service it uses. `target` is the share of requests that must be good within
    `within_ms` where no experiment has objectives, and `fresh_target` that of clients on machines that were never seen before.
    The first of `front_ends` is the default, and so is the first of `endpoints`: the kinds of endpoints by which its clients
    can get tokens.
    `needs_user_token`, `needs_access_keys`, `needs_console_users`: its clients sign in with these. `caches_at_host`: its
    machines hold tokens in their host's cache, so that a run which begins after days of steady use begins with tokens of every
    age. `by_name`: its clients find the service by name, through the edge, so they may have caches of names.
    `needs_subject`: its clients are those of the user's own application, so there have to be one; `vendor` is "" then.
    """

    name: str
    operations: tuple[Operation, ...]
    script: Callable[[Arrival, Clients, float], Script]
    target: float
    fresh_target: float = 0.99
    within_ms: float = 1000.0
    front_ends: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    vendor: str = "azure"
    needs_user_token: bool = False
    needs_access_keys: bool = False
    needs_console_users: bool = False
    caches_at_host: bool = False
    by_name: bool = False
    needs_subject: bool = False
    typical: tuple[Typical, ...] = ()

    def __post_init__(self) -> None:
        """Raises UsageError for a model that has no operation by default."""
        if not any(operation.weight > 0 for operation in self.operations):
            raise UsageError(f"client model {self.name!r}: at least one operation needs a weight above 0")

    def can_sign_in(self, sign_in: SignIn) -> bool:
        """Whether `sign_in` has what its clients need."""
        lacks_token = self.needs_user_token and not sign_in.user_token
        lacks_users = self.needs_console_users and not sign_in.console_users
        return not (lacks_token or lacks_users or (self.needs_access_keys and not sign_in.access_keys))

    @property
    def needs_sign_in(self) -> bool:
        return self.needs_user_token or self.needs_access_keys or self.needs_console_users

    @property
    def default_operation(self) -> str:
        """The first operation with a weight."""
        return next(operation.name for operation in self.operations if operation.weight > 0)

    def endpoint_of(self, wanted: str | None) -> str:
        """The kind of endpoint of a cohort that wants this one, the default where it wants none; "" for a model without any."""
        return wanted or (self.endpoints[0] if self.endpoints else "")

    def weights(self, mix: Mapping[str, float]) -> Mapping[str, float]:
        """The weights of operations above 0: those of a cohort's `mix`, or the model's own where it has none."""
        return above_zero(mix) or above_zero({operation.name: operation.weight for operation in self.operations})

    def needs_machine(self, operations: tuple[str, ...]) -> bool:
        """Whether one of these operations is about a machine, or asked for by one."""
        return any(operation.needs_machine for operation in self.operations if operation.name in operations)


def unanswered(failed: CallFailed) -> ArrivalResult:
    """The result of an arrival whose call failed: only a refused connection certainly did nothing."""
    outcome: RequestOutcome = "refused" if failed.failure == "refused" else "unknown"
    return ArrivalResult(0, outcome, failed.failure)
