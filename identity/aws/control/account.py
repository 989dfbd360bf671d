"""The account as the directory keeps it: a value with a version, changed by whole transactions.

There are two states. *Accepted* is what the next transaction builds on; *durable* is what has reached the disk, and it alone is
published, described and acknowledged. So no caller ever sees what a kill could still undo.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from brownout.identity.aws.control.journal import AccountJournal
from brownout.identity.aws.control.past import Past
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.settings import Lineage
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json

PREFIX = "aws"  # of the account's durable records


@dataclass(frozen=True, slots=True)
class AccountState:
    """All records at one version; version 0 is before anything was known."""

    version: int
    tables: Tables

    @property
    def lines(self) -> tuple[str, ...]:
        """The lives of the directory that this state goes back to."""
        lineage = self.tables.table(Lineage).get("")
        return lineage.lines if lineage else ()


NOTHING_YET = AccountState(0, Tables({}))


class DirectoryAccount:
    """One account, owned by the directory."""

    def __init__(self, account_id: str, ports: Ports, regions: Mapping[str, str], *, client_clocks: bool = False) -> None:
        """`regions` maps the names of the stack's regions to AWS's; with `client_clocks` the machine's clock counts too."""
        self.account_id = account_id
        self.regions = regions
        self.durable = NOTHING_YET
        self._accepted = NOTHING_YET
        self._ports, self._client_clocks = ports, client_clocks
        self._journal = AccountJournal(ports, PREFIX)

    def take_up(self, name: str, record: Json) -> bool:
        """Takes up one durable record if it is the account's own."""
        return self._journal.take_up(name, record)

    def start(self) -> None:
        """Goes on from what was taken up."""
        self.durable = self._accepted = AccountState(*self._journal.restored())

    def begin(self) -> Transaction:
        """A transaction on what was accepted last. It must be committed before anything is awaited."""
        return self._transaction(self._accepted)

    def view(self, state: AccountState) -> Transaction:
        """A transaction that only reads `state`."""
        return self._transaction(state)

    def _transaction(self, state: AccountState) -> Transaction:
        ports, now_s = self._ports, self._ports.now()
        client_now_s = ports.machine_time(now_s) if self._client_clocks else None
        return Transaction(
            state.tables,
            self.account_id,
            now_s=now_s,
            new_uuid=ports.new_id,
            regions=self.regions,
            client_now_s=client_now_s,
        )

    async def commit(self, transaction: Transaction, *, at_least: int = 0) -> int:
        """Makes the transaction durable under the next version, `at_least` that one, and returns the version.

        One that changed nothing has no version of its own.
        """
        changes = transaction.changes
        if not changes:
            return self._accepted.version
        assert transaction.base is self._accepted.tables, "nothing was accepted since the transaction began"
        version = max(self._accepted.version + 1, at_least)
        state = self._accepted = AccountState(version, self._accepted.tables.with_changes(changes))
        await self._journal.append(version, changes)
        if version > self.durable.version:
            self.durable = state
        assert self._accepted.version >= self.durable.version, "what is durable was accepted"
        return version

    async def settle(self) -> None:
        """Tidies what is durable; for the background, now and then."""
        await self._journal.settle()


class DescribedAccount:
    """The account as it is described: as it was some time ago while describing lags, and never older than before the lag.

    States are remembered only while there is a lag.
    """

    def __init__(self) -> None:
        self._past: Past[AccountState] = Past()

    def note(self, state: AccountState, now_s: float, lags_s: Iterable[float]) -> AccountState:
        """The state to be described; told of the current one whenever it may have changed, and at each read."""
        lag_s = max(lags_s, default=0.0)
        if lag_s <= 0:
            self._past = Past()
            return state
        self._past.note(state, now_s)
        return self._past.at(now_s - lag_s) or self._past.oldest
