"""One published account, indexed for requests: whose permissions count, and which policies they are.

What is found is remembered for as long as the account is the newest, so a principal's policies are put together once for each
change of the account and not for each request. Inside one process a new version shares with the one before all tables that did
not change: then what was found by these alone is good for it too. A policy that stands in the account was checked before it was
written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf

from brownout.identity.aws.arns import Arn
from brownout.identity.aws.auth.account import SealingKeyView
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.known_signers import KnownSigners
from brownout.identity.aws.auth.sealing import SealingSpan
from brownout.identity.aws.errors import invalid_client_token_id
from brownout.identity.aws.policy import managed
from brownout.identity.aws.policy.context import EMPTY, RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.evaluate import Asker, allows_always, lets_in_always
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import Group, Role, User
from brownout.identity.aws.records.published import PublishedAccount, PublishedKey
from brownout.identity.aws.records.settings import SealingKey
from brownout.identity.aws.records.tables import RecordKind

Tags = dict[str, str]
Settled = tuple[str, str, str]  # the caller's ARN, the action, the role's ARN
SETTLED_MAX = PERMISSIONS_MAX = 4096
# What is remembered of users, and of keys, follows from these. Roles change often; theirs are compared one by one.
_REMEMBERED_OF: tuple[RecordKind, ...] = (User, Group, ManagedPolicy, PublishedKey, SealingKey)
ALLOW_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


@dataclass(frozen=True, slots=True)
class Permissions:
    """What hangs on a user or role: identity-based policies (of groups too), the boundary, its own tags."""

    policies: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None
    tags: Tags = field(default_factory=dict)


class Remembered:
    """What was found in an account by users, keys and policies, and of roles with the records that it was found by."""

    def __init__(self) -> None:
        self.permissions: dict[str, tuple[User | Role, Permissions]] = {}  # by ARN of user or role, with its record
        self.principals: dict[str, RequestPrincipal] = {}  # of long-term keys, by ARN
        self.sealing = SealingSpan(None, inf, -inf)
        self.settled: dict[Settled, Role] = {}
        self.signers = KnownSigners()


class AccountIndex:
    """What requests ask of one account. `before` is the index of the region's account until now, which is not used again."""

    def __init__(self, account: PublishedAccount, before: AccountIndex | None = None) -> None:
        self.account = account
        goes_on = before is not None and _shares_what_is_remembered(account, before.account)
        self.remembered: Remembered = before.remembered if before is not None and goes_on else Remembered()
        self.signers = self.remembered.signers

    def sealing_key(self, now_s: float) -> SealingKeyView | None:
        """The key to seal session tokens with at `now_s`; None when the region has none that is valid."""
        if not self.remembered.sealing.from_s <= now_s < self.remembered.sealing.until_s:
            self.remembered.sealing = SealingSpan.at(self.account.sealing_keys.values(), now_s)
        return self.remembered.sealing.key

    def settled_role(self, caller: Caller, action: str, arn: str) -> Role | None:
        """The role of that ARN when the caller may do the action to it, whatever else a request without tags says; else None.

        That is known of a long-term key once such a request was allowed and no policy that has the action asked for more than
        who asks for which role: then all that could change the decision is another trust policy, which is looked at here, or
        other users or policies, for which there is an index that knows of nothing settled.
        """
        known = None if caller.session is not None else self.remembered.settled.get((caller.arn, action, arn))
        if known is None:
            return None
        role = self.account.roles.get(known.table_key)
        return role if role is not None and role.arn == arn and role.trust == known.trust else None

    def settle(self, caller: Caller, action: str, role: Role, trust: PolicyDocument) -> bool:
        """True, which is remembered, when the caller may do that to the role, whose policy is `trust`, whatever a request says.

        The caller is then a user with a long-term key. Where it is False the request has to be looked into.
        """
        if caller.session is not None or caller.kind != "user":
            return False
        held = self.permissions(caller)
        who = Asker(caller.kind, caller.account_id, caller.arn, caller.principal_arn, caller.user_id)
        if not lets_in_always(held.policies, held.boundary, trust, who, action, role.arn):
            return False
        if len(self.remembered.settled) >= SETTLED_MAX:
            self.remembered.settled.clear()
        self.remembered.settled[caller.arn, action, role.arn] = role
        return True

    def permissions(self, caller: Caller) -> Permissions:
        """What hangs on the caller's user or role; raises AwsError InvalidClientTokenId when there is none of that id."""
        if caller.kind == "root":
            return Permissions()
        if caller.session is None and caller.principal_arn in self.remembered.permissions:
            return self.remembered.permissions[caller.principal_arn][1]  # authentication has found the user of a long-term key
        if caller.kind == "assumed-role":
            role = self.account.roles.get(caller.principal_name.lower())
            if role is None or caller.session is None or role.role_id != caller.session.principal_id:
                raise invalid_client_token_id()
            return self.of(role)
        if caller.kind == "federated-user" and Arn.parse(caller.principal_arn).kind == "root":
            return Permissions((parse_document(ALLOW_ALL, "identity"),))
        user = self.account.user(caller.principal_name)
        if user is None or (caller.session is not None and user.user_id != caller.session.principal_id):
            raise invalid_client_token_id()
        return self.of(user)

    def check_alive(self, caller: Caller) -> None:
        """Raises AwsError InvalidClientTokenId when the caller's user or role is gone."""
        if caller.session is not None:  # authentication has looked for the user of a long-term key
            self.permissions(caller)

    def of(self, holder: User | Role) -> Permissions:
        """What hangs on the user or role."""
        known = self.remembered.permissions.get(holder.arn)
        if known is not None and known[0] is holder:
            return known[1]
        boundary = self.policy(holder.boundary, "boundary") if holder.boundary else None
        found = Permissions(tuple(self._policies(holder)), boundary, dict(holder.tags))
        if len(self.remembered.permissions) >= PERMISSIONS_MAX:
            self.remembered.permissions.clear()
        self.remembered.permissions[holder.arn] = holder, found
        return found

    def _policies(self, holder: User | Role) -> Iterator[PolicyDocument]:
        holders: list[User | Role | Group] = [holder]
        if isinstance(holder, User):
            groups = (self.account.groups.get(name.lower()) for name in holder.groups)
            holders.extend(group for group in groups if group is not None)
        for each in holders:
            yield from (parse_document(text, "identity") for text in each.inline.values())
            attached = (self.policy(arn, "managed") for arn in each.attached)
            yield from (document for document in attached if document is not None)

    def policy_text(self, arn: str) -> str | None:
        """The document in force of a managed policy, of the account or of AWS; None for none."""
        found = self.account.policies.get(arn) or managed.aws_managed_policies().get(arn)
        return None if found is None else found.document

    def policy(self, arn: str, kind: PolicyKind) -> PolicyDocument | None:
        text = self.policy_text(arn)
        return None if text is None else parse_document(text, kind)

    def session_policies(self, caller: Caller) -> tuple[PolicyDocument, ...] | None:
        """The policies of the caller's session; None where there are none and the session may do what its principal may.

        A managed policy that has been deleted since allows nothing.
        """
        session = caller.session
        if session is None or not (session.session_policies or session.policy_arns or session.kind == "federated-user"):
            return None
        found = [parse_document(text, "session") for text in session.session_policies]
        attached = (self.policy(arn, "managed") for arn in session.policy_arns)
        return (*found, *(document for document in attached if document is not None))

    def is_always_allowed(self, caller: Caller, action: str, resource: str) -> bool:
        """True when the caller may do that whatever else the request says; False where it has to be looked into.

        For a resource without a policy of its own. Raises AwsError as `permissions` does.
        """
        session = caller.session
        if caller.kind not in ("user", "assumed-role"):
            return False
        if session is not None and (session.session_policies or session.policy_arns or session.scopes):
            return False
        held = self.permissions(caller)
        return allows_always(held.policies, held.boundary, action, resource)

    def principal(self, caller: Caller) -> RequestPrincipal:
        """The caller as policies see it; raises AwsError as `permissions` does."""
        session = caller.session
        if session is None:
            known = self.remembered.principals.get(caller.arn)
            if known is None:
                known = self.remembered.principals[caller.arn] = self._plain(caller)
            return known
        own = {} if caller.kind == "federated-user" else self.permissions(caller).tags
        return replace(
            self._plain(caller),
            tags={**own, **session.tags},
            token_issued_s=session.issued_s,
            mfa_authenticated_s=session.mfa_s,
            source_identity=session.source_identity,
            federated_provider=next(iter(session.facts.get("aws:FederatedProvider", ())), ""),
        )

    def _plain(self, caller: Caller) -> RequestPrincipal:
        name = caller.principal_name if caller.kind == "user" else ""
        tags = self.permissions(caller).tags if caller.kind == "user" else EMPTY
        return RequestPrincipal(caller.kind, caller.account_id, caller.arn, caller.principal_arn, caller.user_id, name, tags)


def _shares_what_is_remembered(account: PublishedAccount, before: PublishedAccount) -> bool:
    """True when the tables that remembered things follow from are the very same, which they are inside one process alone."""
    same = (account.account_id, account.region) == (before.account_id, before.region)
    return same and not account.tables.differs(before.tables, _REMEMBERED_OF)
