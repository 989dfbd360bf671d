"""Random policies: the compiled evaluator decides as the simple one does, and keeps the laws of its language."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from brownout.identity.aws.policy.conditions import Clause, clause, split_operator
from brownout.identity.aws.policy.context import RequestContext, RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.evaluate import evaluate
from brownout.identity.aws.policy.parse import parse_document
from support.aws_policies import ACCOUNT, FEDERATED, OTHER_ACCOUNT, ROLE_ARN, SESSION, SESSION_ARN, USER, USER_ARN
from support.slow_policies import Keys, condition_holds, decide

CASES, CLAUSES = 600, 2500
BASES = (
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"),
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "Bool"),
)
SETS = ("", "", "ForAllValues:", "ForAnyValue:")
KEY_NAMES = ("aws:username", "aws:TagKeys", "x:number", "x:flag")
WANTED = (
    *("a", "b", "ab", "A", "", "1", "12", "true", "false", "a*", "*", "?", "?b"),
    *("${aws:username}", "${aws:userid}*", "${x:number, 'a'}"),
)
FOUND = ("a", "b", "ab", "A", "", "1", "7", "12", "true", "False")
ASSUMING = ("sts:AssumeRole", "sts:TagSession", "sts:*", "STS:Assume*", "sts:?agSession")
ACTIONS = (*ASSUMING, "*", "*", "s3:GetObject", "s3:get*", "iam:*")
RESOURCES = (
    *("*", "*", "arn:aws:s3:::a", "arn:aws:s3:::*", "arn:aws:s3:::a/?"),
    *("arn:aws:s3:::${aws:username}", "arn:aws:s3:::${aws:userid, 'a'}*"),
)
ASKED_ACTIONS = ("sts:AssumeRole", "sts:TagSession", "s3:GetObject", "iam:GetUser")
ASKED_RESOURCES = ("*", "arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::a/x", "arn:aws:s3:::ab")
PRINCIPALS = (
    *("*", {"AWS": ACCOUNT}, {"AWS": OTHER_ACCOUNT}, {"AWS": USER_ARN}, {"AWS": [ROLE_ARN]}),
    {"AWS": [SESSION_ARN, OTHER_ACCOUNT]},
)


@dataclass(frozen=True)
class Case:
    """A request and the policies that it meets, as texts."""

    action: str
    resource: str
    keys: Keys
    principal: RequestPrincipal
    identity: tuple[str, ...]
    boundary: str | None
    session: tuple[str, ...] | None
    resource_policy: str | None
    must_allow: bool

    def reason(self) -> str:
        """What the service decides."""
        return evaluate(
            RequestContext(self.action, self.resource, self.principal, self.keys),
            [parse_document(text, "identity") for text in self.identity],
            boundary=read(self.boundary, "identity"),
            session_policies=None if self.session is None else [parse_document(text, "session") for text in self.session],
            resource_policy=read(self.resource_policy, "trust"),
            resource_must_allow=self.must_allow,
        ).reason

    def simple_reason(self) -> str:
        caller = (self.principal.account_id, self.principal.arn, self.principal.principal_arn)
        policies = (self.identity, self.boundary, self.session, self.resource_policy)
        return decide(self.action, self.resource, self.keys, caller, *policies, self.must_allow)

    def plus(self, statement: dict[str, Any]) -> Case:
        """The same with one more policy of the identity."""
        return replace(self, identity=(*self.identity, json.dumps({"Version": "2012-10-17", "Statement": statement})))


def read(text: str | None, kind: PolicyKind) -> PolicyDocument | None:
    return None if text is None else parse_document(text, kind)


def some(rng: Random, values: tuple[str, ...], fewest: int = 1) -> Any:
    """One value, or a list of up to three."""
    return rng.choice(values) if rng.random() < 0.5 else rng.choices(values, k=rng.randint(fewest, 3))


def random_operator(rng: Random) -> str:
    if rng.random() < 0.1:
        return "Null"
    return rng.choice(SETS) + rng.choice(BASES) + rng.choice(("", "IfExists"))


def random_keys(rng: Random) -> Keys:
    return {name.lower(): tuple(rng.choices(FOUND, k=rng.choice((0, 1, 1, 2)))) for name in KEY_NAMES if rng.random() < 0.7}


def random_conditions(rng: Random) -> dict[str, Any]:
    return {
        random_operator(rng): {rng.choice(KEY_NAMES): some(rng, WANTED, fewest=0)}
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))
    }


def identity_statement(rng: Random) -> dict[str, Any]:
    return {
        "Effect": rng.choice(("Allow", "Allow", "Allow", "Deny")),
        rng.choice(("Action", "Action", "NotAction")): some(rng, ACTIONS),
        rng.choice(("Resource", "Resource", "NotResource")): some(rng, RESOURCES),
        "Condition": random_conditions(rng),
    }


def trust_statement(rng: Random) -> dict[str, Any]:
    return {
        "Effect": rng.choice(("Allow", "Allow", "Allow", "Deny")),
        "Principal": rng.choice(PRINCIPALS),
        "Action": some(rng, ASSUMING),
        "Condition": random_conditions(rng),
    }


def random_policy(rng: Random, *, is_trust: bool = False) -> str:
    make = trust_statement if is_trust else identity_statement
    version = rng.choice(("2012-10-17", "2012-10-17", "2008-10-17"))
    return json.dumps({"Version": version, "Statement": [make(rng) for _ in range(rng.randint(1, 3))]})


def random_case(rng: Random) -> Case:
    return Case(
        action=rng.choice(ASKED_ACTIONS),
        resource=rng.choice(ASKED_RESOURCES),
        keys=random_keys(rng),
        principal=rng.choice((USER, SESSION, FEDERATED)),
        identity=tuple(random_policy(rng) for _ in range(rng.randint(0, 3))),
        boundary=random_policy(rng) if rng.random() < 0.3 else None,
        session=tuple(random_policy(rng) for _ in range(rng.randint(0, 2))) if rng.random() < 0.3 else None,
        resource_policy=random_policy(rng, is_trust=True) if rng.random() < 0.5 else None,
        must_allow=rng.random() < 0.2,
    )


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same cases in every run."""
    rng = Random(20_261_129)
    return [random_case(rng) for _ in range(CASES)]


def test_decisions_are_those_of_the_simple_evaluator(cases: list[Case]) -> None:
    """Both give the same reason, and each reason is common enough for that to mean something."""
    reasons = Counter(case.reason() for case in cases)
    assert min(reasons[reason] for reason in ("allowed", "explicitDeny", "implicitDeny")) > CASES / 10
    assert [case for case in cases if case.reason() != case.simple_reason()] == []


def random_clauses() -> Iterator[tuple[str, str, list[str], Keys]]:
    rng = Random(1)
    for _ in range(CLAUSES):
        yield random_operator(rng), rng.choice(KEY_NAMES), rng.choices(WANTED, k=rng.randint(0, 3)), random_keys(rng)


def compiled(operator: str, key: str, wanted: list[str], *, variables: bool = True) -> Clause:
    name = split_operator(operator)
    assert name is not None, operator
    return clause(name, key, wanted, variables=variables)


def test_clauses_hold_as_for_the_simple_evaluator() -> None:
    """Every operator in every form, with variables and without."""
    for operator, key, wanted, keys in random_clauses():
        for variables in (True, False):
            holds = compiled(operator, key, wanted, variables=variables).holds(keys)
            assert holds == condition_holds(operator, key, wanted, keys, variables), (operator, wanted, keys)


def test_if_exists_is_the_operator_or_no_key() -> None:
    """`OpIfExists` holds exactly when `Op` does or the key is absent; ForAnyValue is not moved by it."""
    for operator, key, wanted, keys in random_clauses():
        plain = operator.removesuffix("IfExists")
        if plain != "Null":
            absent = not keys.get(key.lower()) and not plain.startswith("ForAnyValue")
            expected = compiled(plain, key, wanted).holds(keys) or absent
            assert compiled(f"{plain}IfExists", key, wanted).holds(keys) == expected, (operator, wanted, keys)


def test_a_negated_operator_is_the_negation() -> None:
    """Without set forms and IfExists exactly one of an operator and its negation holds, unless a variable is unknown."""
    for operator, key, wanted, keys in random_clauses():
        negated = operator.removesuffix("IfExists")
        positive = negated.replace("Not", "")
        if positive != negated and ":" not in negated:
            holds = compiled(positive, key, wanted, variables=False).holds(keys)
            assert holds != compiled(negated, key, wanted, variables=False).holds(keys)


def test_every_value_is_no_value_that_does_not() -> None:
    """`ForAllValues:Op` is the negation of `ForAnyValue:NotOp`, for keys with values and without."""
    for operator, key, wanted, keys in random_clauses():
        base = operator.rpartition(":")[2].removesuffix("IfExists")
        if "Not" in base:
            every = compiled(f"ForAllValues:{base.replace('Not', '')}", key, wanted, variables=False).holds(keys)
            assert every != compiled(f"ForAnyValue:{base}", key, wanted, variables=False).holds(keys)


def test_a_deny_always_wins(cases: list[Case]) -> None:
    """One statement that denies everything denies, whatever else there is."""
    everything = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    assert {case.plus(everything).reason() for case in cases} == {"explicitDeny"}


def test_an_allow_takes_nothing_away(cases: list[Case]) -> None:
    """One more allow never turns an allowed request into a refused one, and never undoes an explicit deny."""
    rng = Random(2)
    moves = {(case.reason(), case.plus({**identity_statement(rng), "Effect": "Allow"}).reason()) for case in cases}
    assert {move for move in moves if move[0] != move[1]} == {("implicitDeny", "allowed")}


def test_a_deny_gives_nothing(cases: list[Case]) -> None:
    """One more deny never allows what was refused, and refuses explicitly or not at all."""
    rng = Random(3)
    moves = {(case.reason(), case.plus({**identity_statement(rng), "Effect": "Deny"}).reason()) for case in cases}
    assert {move for move in moves if move[0] != move[1]} == {("allowed", "explicitDeny"), ("implicitDeny", "explicitDeny")}


def test_the_order_of_statements_does_not_matter(cases: list[Case]) -> None:
    """Statements may be shuffled, and policies too."""
    rng = Random(4)

    def shuffled(text: str) -> str:
        policy = json.loads(text)
        return json.dumps({**policy, "Statement": rng.sample(policy["Statement"], len(policy["Statement"]))})

    for case in cases:
        mixed = replace(
            case,
            identity=tuple(map(shuffled, reversed(case.identity))),
            boundary=None if case.boundary is None else shuffled(case.boundary),
            session=None if case.session is None else tuple(map(shuffled, reversed(case.session))),
            resource_policy=None if case.resource_policy is None else shuffled(case.resource_policy),
        )
        assert mixed.reason() == case.reason(), case


def test_limits_only_limit(cases: list[Case]) -> None:
    """What is allowed with boundary and session policies is allowed without."""
    allowed = [replace(case, boundary=None, session=None) for case in cases if case.reason() == "allowed"]
    assert {case.reason() for case in allowed} == {"allowed"}
