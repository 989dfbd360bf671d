"""The policies that an entity's permissions come from: its own, and for a user those of its groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from brownout.identity.aws import arns
from brownout.identity.aws.control.operations.entities import PolicyHolder, known_group, known_role, known_user
from brownout.identity.aws.control.operations.policies.known import known_policy
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import invalid_input, no_such_entity
from brownout.identity.aws.policy.sizes import PolicyOwner
from brownout.identity.aws.records.principals import Group, User


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """One policy and through whom it applies; `arn` is "" for an inline one."""

    name: str
    arn: str
    document: str
    holder_kind: PolicyOwner
    holder_name: str

    @property
    def source_id(self) -> str:
        """What a simulation calls it: the name of a managed policy, an inline one with its holder before it."""
        return self.name if self.arn else f"{self.holder_kind}_{self.holder_name}_{self.name}"


def applied_policies(tx: Transaction, holder: PolicyHolder) -> Iterator[AppliedPolicy]:
    """The inline and attached policies of a user, group or role, then those of a user's groups."""
    kind = kind_of(holder)
    for name, document in sorted(holder.inline.items()):
        yield AppliedPolicy(name, "", document, kind, holder.name)
    for arn in holder.attached:
        policy = known_policy(tx, arn)
        yield AppliedPolicy(policy.name, arn, policy.document, kind, holder.name)
    if isinstance(holder, User):
        for group in holder.groups:
            yield from applied_policies(tx, known_group(tx, group))


def kind_of(holder: PolicyHolder) -> PolicyOwner:
    if isinstance(holder, User):
        return "user"
    return "group" if isinstance(holder, Group) else "role"


def holder_of_arn(tx: Transaction, text: str) -> PolicyHolder:
    """The user, group or role with that ARN; raises InvalidInput for another kind of ARN, NoSuchEntity."""
    try:
        arn = arns.Arn.parse(text)
    except ValueError:
        raise invalid_input(f"Invalid Entity Arn: {text}") from None
    if arn.service != "iam" or arn.kind not in _FIND:
        raise invalid_input(f"Invalid Entity Arn: {text}")
    found = _FIND[arn.kind](tx, arn.name)
    if found.arn != text:
        raise no_such_entity(f"The {arn.kind} with name {arn.name} cannot be found.")
    return found


_FIND: Mapping[str, Callable[[Transaction, str], PolicyHolder]] = {
    "user": known_user,
    "group": known_group,
    "role": known_role,
}
