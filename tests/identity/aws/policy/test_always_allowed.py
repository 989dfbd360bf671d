"""What policies allow whatever a request says is what they allow to each request, however odd."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from brownout.identity.aws.policy.context import RequestContext
from brownout.identity.aws.policy.document import PolicyDocument
from brownout.identity.aws.policy.evaluate import Asker, allows_always, evaluate, lets_in_always
from brownout.identity.aws.policy.parse import parse_document
from support.aws_policies import OTHER_ACCOUNT, ROLE_ARN, SESSION, USER, USER_ARN, allow, deny, document

from .test_policy_oracle import ASKED_ACTIONS, ASKED_RESOURCES, random_keys, random_policy

CASES = 2000


def decided(
    policies: tuple[PolicyDocument, ...], boundary: PolicyDocument | None, action: str, resource: str, seed: int
) -> set[bool]:
    """What `evaluate` says of requests for it that differ in caller and condition keys."""
    rng = Random(seed)
    contexts = [RequestContext(action, resource, rng.choice((USER, SESSION)), random_keys(rng)) for _ in range(8)]
    return {evaluate(context, policies, boundary=boundary).allowed for context in contexts}


def test_what_is_always_allowed_is_allowed_to_each_request() -> None:
    """Random policies; where none asks for anything but the resource the two never differ."""
    rng = Random(20_261_130)
    found = 0
    for seed in range(CASES):
        policies = tuple(parse_document(random_policy(rng), "identity") for _ in range(rng.randint(0, 3)))
        boundary = parse_document(random_policy(rng), "identity") if rng.random() < 0.3 else None
        action, resource = rng.choice(ASKED_ACTIONS), rng.choice(ASKED_RESOURCES)
        always, asked = allows_always(policies, boundary, action, resource), decided(policies, boundary, action, resource, seed)
        documents = policies if boundary is None else (*policies, boundary)
        if all(each.asks_nothing_more(action.lower()) for each in documents):
            assert asked == {always}
        assert not always or asked == {True}
        found += always
    assert found > 30


def test_whom_a_resource_always_lets_in_is_let_in_by_each_request() -> None:
    """Random policies of a user and of a role, for callers who differ in all that a policy can speak of."""
    rng = Random(20_261_131)
    found = 0
    for _ in range(CASES):
        policies = tuple(parse_document(random_policy(rng), "identity") for _ in range(rng.randint(0, 3)))
        boundary = parse_document(random_policy(rng), "identity") if rng.random() < 0.3 else None
        trust = parse_document(random_policy(rng, is_trust=True), "trust")
        action = rng.choice(ASKED_ACTIONS[:2])
        user = replace(
            USER, **rng.choice(({}, {"account_id": OTHER_ACCOUNT}, {"arn": f"{USER_ARN}2", "principal_arn": f"{USER_ARN}2"}))
        )
        who = Asker("user", user.account_id, user.arn, user.principal_arn, user.user_id)
        always = lets_in_always(policies, boundary, trust, who, action, ROLE_ARN)
        asked = {
            evaluate(context, policies, boundary=boundary, resource_policy=trust, resource_must_allow=True).allowed
            for context in (RequestContext(action, ROLE_ARN, user, random_keys(rng)) for _ in range(8))
        }
        documents = (*policies, trust) if boundary is None else (*policies, trust, boundary)
        if all(each.asks_nothing_more(action.lower()) for each in documents):
            assert asked == {always}
        assert not always or asked == {True}
        found += always
    assert found > 30


ALL = document(allow())


@pytest.mark.parametrize(
    ("policies", "boundary"),
    [
        ((), None),
        ((document(deny()), ALL), None),
        ((ALL,), document(allow("iam:*"))),
        ((ALL,), document(deny())),
        ((document(allow("iam:*")),), ALL),
        ((document(allow(Condition={"Bool": {"aws:SecureTransport": "true"}})),), None),
        ((ALL, document(deny(Condition={"Bool": {"aws:SecureTransport": "false"}}))), None),
        ((ALL,), document(allow(Condition={"Bool": {"aws:SecureTransport": "true"}}))),
        ((document(allow(resource="arn:aws:s3:::${aws:username}")),), None),
    ],
)
def test_what_a_policy_refuses_or_asks_for_is_not_always_allowed(
    policies: tuple[PolicyDocument, ...], boundary: PolicyDocument | None
) -> None:
    """A deny, a layer without an allow, a condition, a variable."""
    assert not allows_always(policies, boundary, "s3:GetObject", "arn:aws:s3:::a")
    assert allows_always((ALL,), ALL, "s3:GetObject", "arn:aws:s3:::a")
