"""Two changes of one thing at the same time are refused to the operations whose model says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.identity.aws.control.concurrency import REFUSED, check_concurrent
from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.tables import Tables
from support.aws_directories import DIRECTORY, AwsStack, on_aws_stack
from support.iam_account import iam_model


def test_the_operations_are_those_of_the_model() -> None:
    """Of all that is built, those that model the error and no others."""
    errors = {name: iam_model().operation_model(name).error_shapes for name in iam_model().operation_names}
    modelled = {name for name, shapes in errors.items() if "ConcurrentModificationException" in [each.name for each in shapes]}
    assert modelled >= REFUSED
    assert modelled & set(all_operations()) <= REFUSED


def user(name: str, path: str = "/") -> User:
    return User(name, "id", "arn", 0.0, path)


def changing(base: Tables, *records: Any) -> Transaction:
    tx = Transaction(base, "1", now_s=0.0, new_uuid=str, regions={})
    tx.put(*records)
    return tx


def test_only_what_is_under_way_is_refused() -> None:
    """A change of a thing whose last change is not durable; not of other things, and not by other operations."""
    durable = Tables.of([user("a"), user("b"), PolicyUse("p", 1)])
    accepted = durable.with_changes({User: {"a": user("a", "/x/")}, PolicyUse: {"p": PolicyUse("p", 2)}})
    with pytest.raises(AwsError) as refused:
        check_concurrent("TagUser", changing(accepted, user("a", "/y/")), durable)
    assert (refused.value.code, refused.value.status) == ("ConcurrentModification", 409)
    check_concurrent("TagUser", changing(accepted, user("b", "/y/")), durable)
    check_concurrent("TagUser", changing(durable, user("a", "/y/")), durable)
    check_concurrent("CreateUser", changing(accepted, user("c"), PolicyUse("p", 3)), durable)
    check_concurrent("AttachUserPolicy", changing(accepted, user("a", "/y/")), durable)


def test_the_second_of_two_is_refused_on_a_slow_disk() -> None:
    """Two tags for one user at once: one is set, the other gets the error and may be tried again."""

    async def story(stack: AwsStack) -> list[str]:
        await stack.call("CreateUser", UserName="a")
        ports: Any = stack.node(DIRECTORY).ports
        persist = ports.persist

        async def slow(key: str, record: Mapping[str, Any] | None) -> None:
            await ports.sleep(0.2)
            await persist(key, record)

        ports.persist = slow
        outcomes: list[str] = []

        async def tag(value: str) -> None:
            answer = await stack.answer("TagUser", UserName="a", Tags=[{"Key": "k", "Value": value}])
            outcomes.append(answer.error.code if answer.error else value)

        for value in ("first", "second"):
            stack.world.kernel.spawn(tag(value))
        await stack.wait(2)
        await tag("again")
        return outcomes

    assert on_aws_stack(story) == ["ConcurrentModification", "first", "again"]
