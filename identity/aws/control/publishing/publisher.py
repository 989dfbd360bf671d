"""How the directory publishes the account: each region's whole edition to each of its nodes, at a constant rate.

The same request goes to all nodes of a region until something changes, so it is encoded once for a version. A node that
refuses it as a stranger's knows something that the directory's disk has lost; then the directory learns from the newest of
such replicas (brownout.identity.aws.control.learning).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from brownout.identity.aws.control.account import AccountState, DirectoryAccount
from brownout.identity.aws.control.publishing.delays import SLOW, PublicationDelays, concerns
from brownout.identity.aws.control.publishing.editions import RegionalEdition
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.core.holds import Switch, Value, nothing_to_undo
from brownout.identity.core.messages import Request
from brownout.identity.core.node import MALFORMED, Node
from brownout.identity.core.nodes.publisher import Rounds
from brownout.identity.core.replication.lines import contains
from brownout.identity.core.topology import REGIONS, NodeName

ACCOUNT_PAGE = "/aws/account"  # where regions take the account, and give it back
GLOBAL_SCOPE = "us-east-1"  # of signatures for IAM and for the global name of STS
PAUSE = "pause-iam-replication"
Learn = Callable[[list[PublishedAccount]], Awaitable[None]]


class AccountPublisher:
    """Publishes one account on behalf of its node, the directory. `learn` takes over from replicas that do not know us."""

    def __init__(self, node: Node, account: DirectoryAccount, learn: Learn) -> None:
        self._node, self._account, self._learn = node, account, learn
        self._rounds = Rounds(node, node.settings.iam_publish_interval_s, self._publish_to)
        self.switches: Mapping[str, Switch] = {
            PAUSE: Switch(self._pause, nothing_to_undo),
            SLOW: Switch(self._slow, nothing_to_undo),
        }
        self.delays = PublicationDelays(node.holds, node.ports.now)
        self._is_learning = False
        self._requests: dict[str, tuple[AccountState, PublishedAccount, Request]] = {}  # by region, made of the latest state
        horizon_days = int(node.settings.key_horizon_days)
        self._editions: Mapping[str, RegionalEdition] = {
            region: RegionalEdition(account.account_id, region, (REGIONS[region].aws_name, GLOBAL_SCOPE), horizon_days)
            for region in node.stack.regions
        }

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return self._rounds.background()

    def readers(self) -> tuple[str, ...]:
        """Every node that is published to."""
        return self._rounds.readers()

    async def publish_now(self) -> dict[str, bool]:
        """Publishes to every node at once, beside the rounds; which of them answered."""
        return {node: await self._publish_to(node) for node in self.readers()}

    def edition(self, region: str) -> PublishedAccount:
        """What the region is sent now."""
        return self._editions[region].of(self._account.durable)

    def request(self, region: str) -> Request:
        """What is sent to each node of the region: the same object until the account changes."""
        known, state = self._requests.get(region), self._account.durable
        if known is not None and known[0] is state:  # as in nearly every round of a node
            return known[2]
        edition = self.edition(region)
        sent = known[2] if known is not None and known[1] is edition else None
        made = sent or self._node.internal("PUT", ACCOUNT_PAGE, edition.to_json())
        self._requests[region] = state, edition, made
        return made

    async def _publish_to(self, node: str) -> bool:
        due = None if self._is_paused(node) else self.delays.due(node, self.request(NodeName.parse(node).region))
        if due is None:
            return True
        answer = await self._rounds.ask(node, due)
        if answer is None or not answer.ok:
            return False
        self.delays.taken(node, due)
        if (answer.body or {}).get("refused") == "stranger" and not self._is_learning:
            await self._learn_from_replicas()
        return True

    def _is_paused(self, node: str) -> bool:
        holds = self._node.holds  # asked in each round of each node, and hardly ever held
        return holds.holds(PAUSE) and any(concerns(value, node) for value in holds.held(PAUSE))

    async def _learn_from_replicas(self) -> None:
        self._is_learning = True  # further rounds meet strangers too
        try:
            request = self._node.internal("GET", ACCOUNT_PAGE)
            answers = [await self._rounds.ask(node, request) for node in self.readers()]
            found = [_account(answer.body) for answer in answers if answer is not None and answer.ok and answer.body]
            lines = self._account.durable.lines
            lost = [each for each in found if each and not contains(lines, each.lines, each.version)]
            if lost:
                await self._learn(sorted(lost, key=lambda each: each.version))
        finally:
            self._is_learning = False

    async def _pause(self, fault_id: str, value: Value) -> Value:
        """Publication looks at the holds; here only what cannot be meant is refused."""
        known = {"regions": self._node.stack.regions, "nodes": self.readers()}
        found = {name: list(value.get(name) or ()) for name in known}
        for name, named in found.items():
            for each in named:
                if each not in known[name]:
                    raise ValueError(f"{name} has {each!r}, which is not among {', '.join(known[name])}")
        if not any(found.values()):
            raise ValueError("regions or nodes have to be named")
        return found

    async def _slow(self, fault_id: str, value: Value) -> Value:
        """As `_pause`, with a delay; what is published from now on is late."""
        found: Value = {**await self._pause(fault_id, value), "delay_s": seconds_of(value, "delay_s")}
        for node in self.readers():
            if concerns(found, node):
                self.delays.begin(node, self.request(NodeName.parse(node).region))
        return found


def seconds_of(value: Value, name: str) -> float:
    """The time of that name in a switch's value; raises KeyError, TypeError or ValueError for what is no time."""
    found = float(value[name])
    if not 0 <= found < float("inf"):
        raise ValueError(f"{name} is a time in seconds, not {found:g}")
    return found


def _account(raw: Mapping[str, Any]) -> PublishedAccount | None:
    """The account that a replica holds, None for one that holds nothing."""
    try:
        return PublishedAccount.from_json(raw)
    except MALFORMED:
        return None
