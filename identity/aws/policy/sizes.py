"""How large policies may be. White space does not count.

Wire facts: docs/reference/aws-wire.md#policy-sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from brownout.identity.aws.errors import limit_exceeded

PolicyOwner = Literal["user", "role", "group"]

MANAGED_LIMIT = 6144
TRUST_LIMIT = 2048
INLINE_LIMITS: Mapping[PolicyOwner, int] = {"user": 2048, "role": 10240, "group": 5120}  # all of one owner together


def document_size(text: str) -> int:
    """Characters that are not white space."""
    return sum(map(len, text.split()))


def check_managed_size(text: str) -> None:
    """Raises AwsError LimitExceeded for a managed policy that is too large."""
    if document_size(text) > MANAGED_LIMIT:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {MANAGED_LIMIT}")


def check_trust_size(text: str, limit: int = TRUST_LIMIT) -> None:
    """Raises AwsError LimitExceeded for a trust policy that is too large; the quota can be raised for an account."""
    if document_size(text) > limit:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {limit}")


def check_inline_size(owner: PolicyOwner, name: str, texts: Iterable[str]) -> None:
    """Raises AwsError LimitExceeded when all inline policies of the owner, the new one included, are too large together."""
    limit = INLINE_LIMITS[owner]
    if sum(map(document_size, texts)) > limit:
        raise limit_exceeded(f"Maximum policy size of {limit} bytes exceeded for {owner} {name}")
