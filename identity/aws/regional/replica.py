"""A region's copy of the account: the newest that the directory published, fenced against what must not replace it.

Law: a replica never goes back. Three kinds of snapshot are refused, and the answer names which: an *older* one, which a stale
writer sends; an *empty* one, which a writer sends that lost what it had, for no account is without users, roles and keys at
once; a *stranger's*, of another account or region, or from a directory that does not know all that this replica was sent: its
disk was lost, or is an older copy of itself (brownout.identity.core.replication.lines).
"""

from __future__ import annotations

from typing import Literal

from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.aws.records.record import JsonForm
from brownout.identity.core.records import Json
from brownout.identity.core.replication.lines import contains

SnapshotRefusal = Literal["older", "empty", "stranger"]


class AccountReplica:
    """The newest account of `account_id` that was published to `region` (a name of the stack); None before the first."""

    def __init__(self, account_id: str, region: str) -> None:
        self._account_id, self._region = account_id, region
        self.account: PublishedAccount | None = None
        self.raw: Json | None = None  # what the account was read from
        self.version = 0  # the account's, 0 before the first

    def take(self, raw: Json) -> SnapshotRefusal | None:
        """Takes the account in its JSON form, or says why it is refused.

        Raises KeyError, TypeError, ValueError or AttributeError for what is no account.
        """
        if raw is self.raw:
            return None  # publishing goes on when nothing changes, and inside one process it is the same object
        made = raw.value if isinstance(raw, JsonForm) and isinstance(raw.value, PublishedAccount) else None  # of this process
        told: Json = raw if made is None else {"version": made.version, "lines": made.lines}
        version, before = int(told["version"]), self.version
        if version == before and self.account is not None and tuple(told["lines"]) == self.account.lines:
            return None  # one version of one line has one content, so it is not read again
        offered = PublishedAccount.from_json(raw)
        refusal = self._refusal(offered)
        if refusal is None:
            self.account, self.raw, self.version = offered, raw, offered.version
        assert self.version >= before, "a replica never goes back"
        return refusal

    def _refusal(self, offered: PublishedAccount) -> SnapshotRefusal | None:
        if (offered.account_id, offered.region) != (self._account_id, self._region):
            return "stranger"
        if self.account is not None and not contains(offered.lines, self.account.lines, self.version):
            return "stranger"
        if offered.version < self.version:
            return "older"
        if not (offered.users or offered.roles or offered.access_keys):
            return "empty"
        return None
