"""Delegation requests over the days that they last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from brownout.identity.aws.control.operations.providers.delegation import OWNED_S, UNASSIGNED_S
from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.tables import Tables
from support.aws_directories import caller

ACCOUNT = "111122223333"
CREATED = {
    "Description": "d",
    "Permissions": {"PolicyTemplateArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    "RequestorWorkflowId": "workflow",
    "NotificationChannel": f"arn:aws:sns:us-east-1:{ACCOUNT}:partner",
    "SessionDuration": 900,
}


class Days:
    """An account to which one operation after another happens, at times of its own."""

    def __init__(self) -> None:
        self.tables, self.ids = Tables({}), (f"id-{number}" for number in count())

    def call(self, action: str, now_s: float, **params: object) -> dict[str, object]:
        ids: Iterator[str] = self.ids
        tx = Transaction(self.tables, ACCOUNT, now_s=now_s, new_uuid=lambda: next(ids), regions={})
        result = all_operations()[action](tx, params, caller())
        self.tables = self.tables.with_changes(tx.changes)
        return dict(result or {})

    def state(self, request_id: object, now_s: float) -> str:
        told = self.call("GetDelegationRequest", now_s, DelegationRequestId=request_id)["DelegationRequest"]
        assert isinstance(told, dict)
        return str(told["State"])


def test_a_request_expires_and_each_step_gives_it_new_days() -> None:
    """Nobody's request is there for a day, one with an owner for seven; what has expired is not moved on."""
    days = Days()
    request_id = days.call("CreateDelegationRequest", 0.0, **CREATED)["DelegationRequestId"]
    assert days.state(request_id, UNASSIGNED_S - 1) == "UNASSIGNED"
    assert days.state(request_id, UNASSIGNED_S) == "EXPIRED"
    with pytest.raises(AwsError, match="is in state EXPIRED"):
        days.call("AssociateDelegationRequest", UNASSIGNED_S, DelegationRequestId=request_id)
    days.call("AssociateDelegationRequest", UNASSIGNED_S - 1, DelegationRequestId=request_id)
    later_s = UNASSIGNED_S - 1 + OWNED_S - 1
    days.call("AcceptDelegationRequest", later_s, DelegationRequestId=request_id)
    assert days.state(request_id, later_s + OWNED_S - 1) == "ACCEPTED"
    assert days.state(request_id, later_s + OWNED_S) == "EXPIRED"
