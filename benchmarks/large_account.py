"""What an AWS account of many principals costs in the simulation: memory, writes, reads, and time without a change."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.costs import in_new_process, own_memory_mb
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, rounded, text
from benchmarks.stands import SEED
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.calls import IamCall
from brownout.identity.aws.records.seed import account_of
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.publisher import REPLICATED
from brownout.identity.core.topology import NodeName

EPOCH_S = 1_720_742_400.0
DIRECTORY = "sydney.directory"
PUBLISHED_S = 1.5  # emulated: a change is in every replica by then
QUIET_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`users` of each account that is tried, each in a process of its own, whose growth is its memory."""

    users: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    writes: int = 20


class AccountSize(Part):
    """One account. `write_ms` is a tag set on a user, `spread_ms` that write on its way into every replica.

    `quiet_minute_ms` is real time for an emulated minute without a change, sixty rounds of publishing to each replica included.
    """

    users: int
    mb_per_1000: float
    made_s: float
    write_ms: Spread
    spread_ms: Spread
    read_ms: Spread
    quiet_minute_ms: Spread


class LargeAccount(Figures):
    """`replicas` is how many nodes keep the account."""

    replicas: int
    accounts: tuple[AccountSize, ...]


class Directory:
    """The directory of a simulated stack, asked as front ends and the harness ask it."""

    def __init__(self) -> None:
        spec = build_stack(seed=SEED, vendors=("aws",))
        self.world = SimulationWorld(spec, epoch_s=EPOCH_S)
        self.world.run(self.world.start())
        account = account_of(spec)
        admin = arns.user(account, "/", "admin")
        self._caller = Caller(account, "user", admin, "AIDA", admin, "AKIA", None, "us-east-1", 0.0)

    def post(self, path: str, body: Mapping[str, Any]) -> Response:
        answer = self.world.run(self.world.control(DIRECTORY, Request("POST", path, body=body)))
        assert answer.ok, answer
        return answer

    def call(self, action: str, **params: Any) -> None:
        """A call of IAM; raises AssertionError for one that is refused."""
        answer = self.post("/aws/call", IamCall(action, params, self._caller, "request").to_json())
        assert "error" not in (answer.body or {}), answer

    def wait(self, duration_s: float) -> None:
        self.world.run(self.world.sleep_until(self.world.now() + duration_s))


def measure(settings: Settings) -> LargeAccount:
    accounts = tuple(in_new_process(_account, users, settings.writes) for users in settings.users)
    nodes = build_stack(seed=SEED, vendors=("aws",)).nodes()
    return LargeAccount(replicas=sum(NodeName.parse(name).role in REPLICATED for name in nodes), accounts=accounts)


def _account(users: int, writes: int) -> AccountSize:
    gc.collect()
    directory, before = Directory(), own_memory_mb()
    made_s = _took_ms(directory.post, "/admin/aws/crowd", {"users": users}) / 1000
    directory.wait(PUBLISHED_S)
    grown = own_memory_mb() - before
    write_ms, spread_ms, read_ms = list[float](), list[float](), list[float]()
    for number in range(writes):
        name = f"crowd-user-{number * users // writes}"
        write_ms.append(_took_ms(directory.call, "TagUser", UserName=name, Tags=[{"Key": "k", "Value": "v"}]))
        spread_ms.append(_took_ms(directory.wait, PUBLISHED_S))
        read_ms.append(_took_ms(directory.call, "GetUser", UserName=name))
    quiet_ms = [_took_ms(directory.wait, QUIET_S) for _ in range(3)]
    directory.world.kernel.close()
    spreads = [Spread.of(each) for each in (write_ms, spread_ms, read_ms, quiet_ms)]
    return AccountSize(
        users=users,
        mb_per_1000=rounded(grown / users * 1000),
        made_s=rounded(made_s),
        write_ms=spreads[0],
        spread_ms=spreads[1],
        read_ms=spreads[2],
        quiet_minute_ms=spreads[3],
    )


def _took_ms(act: Callable[..., Any], *args: Any, **named: Any) -> float:
    started_s = time.perf_counter()
    act(*args, **named)
    return (time.perf_counter() - started_s) * 1000


def rows(figures: LargeAccount) -> tuple[Row, ...]:
    found = []
    for account in figures.accounts:
        users = f"{account.users:,} users"
        found += [
            Row(f"{users}: memory for each 1,000, all {figures.replicas} replicas included", f"{account.mb_per_1000:.3g} MB"),
            Row(f"- a user is tagged, {users}", text(account.write_ms, "ms")),
            Row(f"- that change is published to every replica, {users}", text(account.spread_ms, "ms")),
            Row(f"- a user is shown, {users}", text(account.read_ms, "ms")),
            Row(f"- a minute in which nothing changes, {users}", text(account.quiet_minute_ms, "ms")),
        ]
    return tuple(found)


BENCHMARK = Benchmark(
    name="large_account",
    title="A write among a million principals costs what it costs among a thousand",
    about="Each account inside one process of its own: the directory of a simulated stack of two regions, with every replica "
    "that it publishes to.",
    figures=LargeAccount,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(users=(50,), writes=2),
)
