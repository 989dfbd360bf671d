"""Quotas of policy sizes: what counts, and the words of the refusal."""

from __future__ import annotations

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.sizes import (
    PolicyOwner,
    check_inline_size,
    check_managed_size,
    check_trust_size,
    document_size,
)


@pytest.mark.parametrize(("text", "size"), [("", 0), (" \n\t\r ", 0), ('{ "a": "b c" }', 10), ("é", 1)])
def test_white_space_does_not_count(text: str, size: int) -> None:
    """Only characters that are no white space count, inside of text too."""
    assert document_size(text) == size


def test_the_last_character_decides() -> None:
    """A document of exactly the quota passes; one more is LimitExceeded with status 409 and names the quota."""
    check_managed_size("x" * 6144 + " " * 9999)
    check_trust_size("x" * 2048)
    check_trust_size("x" * 4096, limit=4096)
    with pytest.raises(AwsError, match=r"LimitExceeded \(409\): Cannot exceed quota for PolicySize: 6144"):
        check_managed_size("x" * 6145)
    with pytest.raises(AwsError, match=r"LimitExceeded \(409\): Cannot exceed quota for ACLSizePerRole: 2048"):
        check_trust_size("x" * 2049)


@pytest.mark.parametrize(("owner", "limit"), [("user", 2048), ("role", 10240), ("group", 5120)])
def test_inline_policies_count_together(owner: PolicyOwner, limit: int) -> None:
    """All inline policies of one owner share its quota."""
    check_inline_size(owner, "x", ["a" * (limit - 1), "b"])
    with pytest.raises(AwsError, match=f"Maximum policy size of {limit} bytes exceeded for {owner} eve"):
        check_inline_size(owner, "eve", ["a" * limit, "b"])
