"""What an index knows goes on to the index of the next version, where the tables that it follows from are the very same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyVersion
from brownout.identity.aws.records.principals import Group, Role, User
from brownout.identity.aws.records.published import PublishedAccount, PublishedKey
from brownout.identity.aws.records.settings import SealingKey
from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.regional.index import AccountIndex
from support.aws_roles import allow, deny, document, role, trust, user
from support.simulated_aws import SimulatedAws, refusal, temporary

ACTION, WHO = "sts:AssumeRole", "alice"
Change = Callable[[SimulatedAws, Role], tuple[Any, ...]]


def group_of(aws: SimulatedAws, *statements: dict[str, Any]) -> Group:
    inline = {"own": document(*statements)} if statements else {}
    return Group("all", "AGPA1", arns.group(aws.maker.account_id, "/", "all"), 0.0, inline=inline)


def managed_of(aws: SimulatedAws, *statements: dict[str, Any]) -> ManagedPolicy:
    arn = arns.policy(aws.maker.account_id, "/", "managed")
    return ManagedPolicy("managed", "ANPA1", arn, 0.0, 0.0, (PolicyVersion("v1", document(*statements), 0.0),))


def alice(aws: SimulatedAws, *statements: dict[str, Any]) -> User:
    attached = (managed_of(aws).arn,)
    return user(aws.maker.account_id, WHO, *statements, groups=("all",), attached=attached)


def stand(aws: SimulatedAws) -> Role:
    """`alice`, who may do everything with STS by three policies, and a role that trusts the account."""
    account = aws.maker.account_id
    aws.maker.key_of(WHO)
    made = role(account, "job", trust({"AWS": arns.root(account)}), inline={"own": document(allow("sts:*"))})
    may = allow("sts:*")
    put(aws, alice(aws, may), group_of(aws, may), managed_of(aws, may), made)
    return made


def put(aws: SimulatedAws, *records: Any) -> None:
    aws.maker.put(*records)
    aws.publish()


def assume(aws: SimulatedAws, made: Role) -> Any:
    return aws.client("sts", aws.maker.key_of(WHO)).assume_role(RoleArn=made.arn, RoleSessionName="job")


def refused(aws: SimulatedAws, made: Role) -> str:
    client = aws.client("sts", aws.maker.key_of(WHO))
    return refusal(client.assume_role, RoleArn=made.arn, RoleSessionName="job").code


def index_of(aws: SimulatedAws) -> AccountIndex:
    annex = aws.node().annexes["aws"]
    assert isinstance(annex, RegionalAnnex)
    return annex.index


def key_of_alice(aws: SimulatedAws) -> PublishedKey:
    return aws.maker.account("sydney").access_keys[aws.maker.key_of(WHO).access_key_id]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda aws, _: (alice(aws, allow("sts:*"), deny(ACTION)),), "AccessDenied"),
        (lambda aws, _: (group_of(aws, deny(ACTION)),), "AccessDenied"),
        (lambda aws, _: (managed_of(aws, deny(ACTION)),), "AccessDenied"),
        (lambda _, made: (replace(made, trust=document(trust({"AWS": "123456789012"}))),), "AccessDenied"),
        (lambda aws, _: (replace(key_of_alice(aws), revoked=True),), "InvalidClientTokenId"),
        (lambda aws, _: (replace(key_of_alice(aws), status="Inactive"),), "InvalidClientTokenId"),
        (lambda aws, _: (SealingKey("sealing-1", bytes(32), aws.now_s, aws.now_s, aws.now_s),), "ServiceUnavailable"),
    ],
    ids=["user", "group", "managed", "trust", "revoked", "inactive", "sealing"],
)
def test_a_change_of_what_a_decision_follows_from_counts_at_once(aws: SimulatedAws, change: Change, code: str) -> None:
    """Also where another change, which concerns nothing of it, came in between and all that was known went on."""
    made = stand(aws)
    assume(aws, made)
    put(aws, role(aws.maker.account_id, "other", trust({"AWS": "123456789012"})))
    assume(aws, made)
    put(aws, *change(aws, made))
    assert refused(aws, made) == code


def test_a_change_of_another_role_leaves_known_what_was_known(aws: SimulatedAws) -> None:
    """Signers, what is settled and put together policies; the account that is asked is the new one."""
    made = stand(aws)
    assume(aws, made)
    before = index_of(aws)
    assert len(before.signers) == 1
    put(aws, role(aws.maker.account_id, "other", trust({"AWS": "123456789012"})))
    after = index_of(aws)
    assert after is not before
    assert after.account.version > before.account.version
    assert after.signers is before.signers
    assert after.remembered.settled == before.remembered.settled != {}
    assert after.remembered.permissions == before.remembered.permissions != {}


def test_a_settled_role_is_the_one_that_the_account_has_now(aws: SimulatedAws) -> None:
    """What sessions are made of is read from the newest record, though its trust policy is the one that was asked."""
    made = stand(aws)
    assume(aws, made)
    put(aws, replace(made, role_id="AROANEW"))
    assert assume(aws, made)["AssumedRoleUser"]["AssumedRoleId"] == "AROANEW:job"
    aws.maker.remove(made)
    aws.publish()
    assert refused(aws, made) == "AccessDenied"


def test_a_sessions_permissions_are_those_that_its_role_has_now(aws: SimulatedAws) -> None:
    """A role is compared as a record, because roles change while users and keys stay."""
    made = stand(aws)
    session = aws.client("sts", temporary(assume(aws, made)))
    session.assume_role(RoleArn=made.arn, RoleSessionName="chained")
    put(aws, replace(made, inline={"own": document(deny("sts:*"))}))
    assert refusal(session.assume_role, RoleArn=made.arn, RoleSessionName="chained").code == "AccessDenied"


def test_the_same_records_in_other_tables_carry_nothing_over(aws: SimulatedAws) -> None:
    """As in a process of its own, where each version is read anew: only what is the very same is known to be the same."""
    account = aws.maker.account("sydney")
    received = PublishedAccount.from_json(dict(account.to_json()) | {"records": dict(account.to_json()["records"])})
    before = AccountIndex(account)
    assert AccountIndex(account, before).signers is before.signers
    assert AccountIndex(received, before).signers is not before.signers
    assert AccountIndex(replace(account, region="melbourne"), before).signers is not before.signers
