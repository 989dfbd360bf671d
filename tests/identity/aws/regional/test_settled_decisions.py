"""What a region remembers of decisions and keys is gone the moment that the account, or the time, is another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.auth.sealing import SealingSpan, newest_key
from brownout.identity.aws.records.principals import Role, User
from brownout.identity.aws.records.published import PublishedKey
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.core.nodes.token import TokenNode
from support.aws_roles import allow, deny, document, role, trust, user
from support.aws_signing import KeptSealingKey
from support.simulated_aws import STS_NODE, SimulatedAws, refusal, temporary

ACTION = "sts:AssumeRole"
WHO = "alice"


def put(aws: SimulatedAws, *records: Any) -> None:
    aws.maker.put(*records)
    aws.publish()


def stand(aws: SimulatedAws, *statements: dict[str, Any], trusted: dict[str, Any] | None = None) -> Role:
    """`alice`, who may do what the statements say, and a role that trusts the account."""
    account = aws.maker.account_id
    aws.maker.key_of(WHO)
    made = role(account, "job", trusted or trust({"AWS": arns.root(account)}))
    put(aws, user(account, WHO, *(statements or (allow("sts:*"),))), made)
    return made


def assume(aws: SimulatedAws, made: Role, **params: Any) -> Any:
    client = aws.client("sts", aws.maker.key_of(WHO))
    return client.assume_role(RoleArn=made.arn, RoleSessionName="job", **params)


def refused(aws: SimulatedAws, made: Role, **params: Any) -> str:
    client = aws.client("sts", aws.maker.key_of(WHO))
    return refusal(client.assume_role, RoleArn=made.arn, RoleSessionName="job", **params).code


def is_settled(aws: SimulatedAws, made: Role) -> bool:
    node = aws.node()
    assert isinstance(node, TokenNode)
    annex = node.annexes["aws"]
    assert isinstance(annex, TokenAnnex)
    arn = arns.user(aws.maker.account_id, "/", WHO)
    return annex.index.remembered.settled.get((arn, ACTION, made.arn)) == made


def _alice(aws: SimulatedAws, *statements: dict[str, Any], **fields: Any) -> User:
    return user(aws.maker.account_id, WHO, *statements, **fields)


def _denied(aws: SimulatedAws, made: Role) -> None:
    put(aws, _alice(aws, allow("sts:*"), deny(ACTION)))


def _without_policy(aws: SimulatedAws, made: Role) -> None:
    put(aws, _alice(aws))


def _bounded(aws: SimulatedAws, made: Role) -> None:
    put(aws, _alice(aws, allow("sts:*"), boundary=arns.policy("aws", "/", "job-function/ViewOnlyAccess")))


def _trusts_another(aws: SimulatedAws, made: Role) -> None:
    other = arns.user(aws.maker.account_id, "/", "caller")
    put(aws, replace(made, trust=document(trust({"AWS": other}))))


def _asks_for_an_id(aws: SimulatedAws, made: Role) -> None:
    asks = trust({"AWS": arns.root(aws.maker.account_id)}, Condition={"StringEquals": {"sts:ExternalId": "xx"}})
    put(aws, replace(made, trust=document(asks)))


def _role_gone(aws: SimulatedAws, made: Role) -> None:
    aws.maker.remove(made)
    aws.publish()


def _user_gone(aws: SimulatedAws, made: Role) -> None:
    aws.maker.remove(_alice(aws))
    aws.publish()


def _revoked(aws: SimulatedAws, made: Role) -> None:
    _with_key(aws, revoked=True)


def _inactive(aws: SimulatedAws, made: Role) -> None:
    _with_key(aws, status="Inactive")


def _with_key(aws: SimulatedAws, **changed: Any) -> None:
    known = aws.maker.account("sydney").access_keys[aws.maker.key_of(WHO).access_key_id]
    assert isinstance(known, PublishedKey)
    put(aws, replace(known, **changed))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_denied, "AccessDenied"),
        (_without_policy, "AccessDenied"),
        (_bounded, "AccessDenied"),
        (_trusts_another, "AccessDenied"),
        (_asks_for_an_id, "AccessDenied"),
        (_role_gone, "AccessDenied"),
        (_user_gone, "InvalidClientTokenId"),
        (_revoked, "InvalidClientTokenId"),
        (_inactive, "InvalidClientTokenId"),
    ],
)
def test_a_change_of_the_account_decides_about_the_next_request(
    aws: SimulatedAws, change: Callable[[SimulatedAws, Role], None], code: str
) -> None:
    """However often a role was assumed before, the first request after the change is refused."""
    made = stand(aws)
    for _ in range(3):
        assume(aws, made)
    assert is_settled(aws, made)
    change(aws, made)
    assert refused(aws, made) == code


@pytest.mark.parametrize(
    "statements",
    [
        (allow("sts:*", Condition={"StringEquals": {"sts:ExternalId": "xx"}}),),
        (allow("sts:*"), deny(ACTION, Condition={"StringNotEquals": {"sts:ExternalId": "xx"}})),
    ],
    ids=["allow", "deny"],
)
def test_what_a_policy_asks_of_a_request_is_asked_of_each(aws: SimulatedAws, statements: tuple[dict[str, Any], ...]) -> None:
    """A caller whose policies have conditions for the action is looked at each time."""
    made = stand(aws, *statements)
    for _ in range(2):
        assume(aws, made, ExternalId="xx")
        assert not is_settled(aws, made)
        assert refused(aws, made, ExternalId="yy") == "AccessDenied"


def test_what_a_trust_policy_asks_of_a_request_is_asked_of_each(aws: SimulatedAws) -> None:
    """The same of the role's own conditions."""
    account = arns.root(aws.maker.account_id)
    made = stand(aws, trusted=trust({"AWS": account}, Condition={"StringEquals": {"sts:ExternalId": "xx"}}))
    for _ in range(2):
        assume(aws, made, ExternalId="xx")
        assert refused(aws, made) == "AccessDenied"


def test_a_resource_with_a_variable_is_looked_at_each_time(aws: SimulatedAws) -> None:
    """What stands for a variable is the request's, so such a policy settles nothing."""
    made = stand(aws, allow("sts:*", resource=f"arn:aws:iam::{aws.maker.account_id}:role/j${{sts:RoleSessionName, 'ob'}}*"))
    refused(aws, made)
    put(aws, _alice(aws, allow("sts:*", resource="arn:aws:iam::*:role/${aws:username, 'x'}*"), allow("sts:AssumeRole")))
    assume(aws, made)
    assert not is_settled(aws, made)


def test_tags_and_a_source_identity_are_asked_for_though_the_role_was_assumed_without(aws: SimulatedAws) -> None:
    """Each is an action of its own, which nothing settled."""
    made = stand(aws, allow(ACTION))
    assume(aws, made)
    assert is_settled(aws, made)
    assert refused(aws, made, Tags=[{"Key": "a", "Value": "b"}]) == "AccessDenied"
    assert refused(aws, made, SourceIdentity="eve") == "AccessDenied"


def test_a_region_that_is_deactivated_gives_no_session_of_a_settled_role(aws: SimulatedAws) -> None:
    """Nor is a settled role one of another name, or one that is asked for longer than it may last."""
    made = stand(aws)
    for _ in range(2):
        assume(aws, made)
    assert is_settled(aws, made)
    assert refused(aws, replace(made, arn=made.arn.upper().replace("ARN:AWS:IAM", "arn:aws:iam").replace("ROLE", "role"))) == (
        "AccessDenied"
    )
    assert refused(aws, made, DurationSeconds=made.max_session_s + 1) == "ValidationError"
    aws.hold(STS_NODE, "deactivate-sts")
    assert refused(aws, made) == "RegionDisabledException"


def test_what_is_settled_for_a_caller_is_not_for_another(aws: SimulatedAws) -> None:
    """Neither for a user without the permission nor for a session of the same role."""
    made = stand(aws)
    session = assume(aws, made)
    aws.maker.key_of("bob")
    put(aws, user(aws.maker.account_id, "bob"))
    assume(aws, made)
    bob = aws.client("sts", aws.maker.key_of("bob"))
    chained = aws.client("sts", temporary(session))
    for client in (bob, chained):
        assert refusal(client.assume_role, RoleArn=made.arn, RoleSessionName="job").code == "AccessDenied"


def test_the_key_to_seal_with_changes_when_one_begins_or_ends() -> None:
    """A span is good for exactly as long as the key that was found for its time would be found again."""
    keys = [
        KeptSealingKey("old", bytes(32), 0.0, 10.0),
        KeptSealingKey("new", bytes(32), 5.0, 20.0),
        KeptSealingKey("late", bytes(32), 30.0, 40.0),
    ]
    times_s = [-1.0, 0.0, 4.9, 5.0, 9.9, 10.0, 19.9, 20.0, 29.9, 30.0, 39.9, 40.0]
    for at_s in times_s:
        span = SealingSpan.at(keys, at_s)
        assert span.from_s <= at_s < span.until_s
        for other_s in times_s:
            if span.from_s <= other_s < span.until_s:
                assert newest_key(keys, other_s) is span.key


def test_no_session_begins_when_the_newest_key_has_ended(aws: SimulatedAws) -> None:
    """A region that has issued before issues nothing with a key that has ended since."""
    made = stand(aws)
    assume(aws, made)
    aws.sleep(aws.maker.sealing_ends_s + 1)
    assert refused(aws, made) == "ServiceUnavailable"
