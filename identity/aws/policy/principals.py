"""The Principal element: whom a resource-based policy or a trust policy speaks of, and how far its permission reaches.

Naming an account hands the decision to that account's own policies. Naming a role gives the permission to the role, whose
boundary and session policies still limit it. Naming a user, a session or all principals gives it directly.
Wire facts: docs/reference/aws-wire.md#principals-in-policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from brownout.identity.aws.policy.context import RequestPrincipal


class PermissionReach(IntEnum):
    """How far a permission of a resource-based policy reaches for one principal, within the resource's account."""

    NONE = 0
    ACCOUNT = 1  # the principal's own policies must allow it too
    ROLE = 2  # boundary and session policies must allow it too
    DIRECT = 3  # nothing else must


@dataclass(frozen=True, slots=True)
class PrincipalEntry:
    """One principal of the element. `type` is "AWS", "Service", "Federated" or "CanonicalUser"; `value` as written."""

    type: str
    value: str

    def reach(self, principal: RequestPrincipal) -> PermissionReach:
        if self.value == "*" and self.type == "AWS":
            return PermissionReach.DIRECT
        if self.type == "AWS":
            return _aws_reach(self.value, principal)
        kinds = {"Service": "service", "Federated": "federated"}
        is_meant = kinds.get(self.type) == principal.kind and self.value in (principal.arn, "*")
        return PermissionReach.DIRECT if is_meant else PermissionReach.NONE


def _aws_reach(value: str, principal: RequestPrincipal) -> PermissionReach:
    if principal.kind in ("service", "federated", "anonymous"):
        return PermissionReach.NONE
    if value == principal.arn or value == principal.user_id:
        return PermissionReach.DIRECT
    if value in (principal.principal_arn, principal.role_id):
        return PermissionReach.ROLE
    return PermissionReach.ACCOUNT if account_of(value) == principal.account_id else PermissionReach.NONE


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """Principal or NotPrincipal (`is_not`)."""

    entries: tuple[PrincipalEntry, ...]
    is_not: bool = False

    def reach(self, principal: RequestPrincipal) -> PermissionReach:
        """The farthest that one of the entries gives; NotPrincipal gives to all others directly."""
        reach = max((entry.reach(principal) for entry in self.entries), default=PermissionReach.NONE)
        if self.is_not:
            return PermissionReach.DIRECT if reach is PermissionReach.NONE else PermissionReach.NONE
        return reach


_ACCOUNT_ARN = re.compile(r"arn:aws[\w-]*:iam::([0-9]{12}):root")


def account_of(value: str) -> str:
    """The account that `value` names as a whole ("123456789012" or its root ARN), "" for anything else."""
    if len(value) == 12 and value.isascii() and value.isdigit():
        return value
    found = _ACCOUNT_ARN.fullmatch(value)
    return found[1] if found else ""


def principal_element(principals: Iterable[tuple[str, str]], *, is_not: bool) -> PrincipalElement:
    """The element of pairs of type and value."""
    return PrincipalElement(tuple(PrincipalEntry(kind, value) for kind, value in principals), is_not)
