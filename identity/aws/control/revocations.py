"""Access keys that faults take away, as a switch of the directory and as records of the account.

The records follow the holds: each hold has one under its fault's id. So what regions are sent has a version as any other
change has, and undoing one fault gives back only what no other takes away.
"""

from __future__ import annotations

from brownout.identity.aws.control.account import AccountState, DirectoryAccount
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import ACTIVE, AccessKey, Revocation
from brownout.identity.aws.records.principals import Role, User
from brownout.identity.core.holds import HoldSet, Switch, Value
from brownout.identity.core.records import Json

REVOKE = "revoke-access-keys"
_TOLD = (Role, User, AccessKey, Revocation)  # whom there is follows from these


class Revocations:
    """The switch."""

    def __init__(self, holds: HoldSet, account: DirectoryAccount) -> None:
        self._holds, self._account = holds, account
        self.switch = Switch(self._engage, self._disengage)

    def follow(self, tx: Transaction) -> None:
        """Makes the records those of the holds."""
        wanted = {id_: _revocation(id_, hold.value) for id_, hold in self._holds.items() if hold.switch == REVOKE}
        for known in tx.table(Revocation).values():
            if known.fault_id not in wanted:
                tx.delete(known)
        for fault_id, record in wanted.items():
            if tx.get(Revocation, fault_id) != record:
                tx.put(record)

    async def _engage(self, fault_id: str, value: Value) -> Value:
        """Raises ValueError for a user or key that does not exist."""
        wanted, tx = _revocation(fault_id, value), self._account.begin()
        keys = sorted(key.access_key_id for key in tx.table(AccessKey).values() if wanted.concerns(key))
        if wanted.access_key_id and not keys:
            raise ValueError(f"no access key {wanted.access_key_id!r}")
        if not wanted.access_key_id and tx.get(User, wanted.user_name.lower()) is None:
            raise ValueError(f"no user {wanted.user_name!r}")
        self.follow(tx)
        await self._account.commit(tx)
        return {"access_key_ids": keys}

    async def _disengage(self, fault_id: str, value: Value) -> None:
        tx = self._account.begin()
        self.follow(tx)
        await self._account.commit(tx)


def principals_of(state: AccountState) -> Json:
    """Who there is at the state's version, without secrets: ARNs by unique id, and access keys by id, True for one of use."""
    revocations = tuple(state.tables.table(Revocation).values())
    return {
        "version": state.version,
        "roles": {role.role_id: role.arn for role in state.tables.table(Role).values()},
        "users": {user.user_id: user.arn for user in state.tables.table(User).values()},
        "access_keys": {
            key.access_key_id: key.status == ACTIVE and not any(revocation.concerns(key) for revocation in revocations)
            for key in state.tables.table(AccessKey).values()
        },
    }


class ToldPrincipals:
    """`principals_of` one state after the other, most of which differ from the last in when something was last used."""

    def __init__(self) -> None:
        self._known: tuple[AccountState, Json] | None = None

    def of(self, state: AccountState) -> Json:
        known = self._known
        if known is None or state.tables.differs(known[0].tables, _TOLD):
            told = principals_of(state)
        else:
            told = {**known[1], "version": state.version}
        self._known = state, told
        return told


def _revocation(fault_id: str, value: Value) -> Revocation:
    """The record of a hold; raises ValueError unless it names either a user or a key."""
    user, key_id = str(value.get("user") or ""), str(value.get("access_key_id") or "")
    if bool(user) == bool(key_id):
        raise ValueError("either a user or an access_key_id has to be named")
    return Revocation(fault_id, user, key_id)
