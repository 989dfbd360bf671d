"""An account to call operations of IAM on, as the directory does after authentication and authorization.

Every result is held against the output shape that botocore ships: no member that the model does not have, none missing that it
requires, each of its type. Every change goes through the JSON form of its record, as on the directory's disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

import botocore.session
from botocore.model import ServiceModel, Shape

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.registry import all_operations, reads_only
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.tables import Tables

ACCOUNT = "123456789012"
START_S = 1_767_225_600.0  # 2026-01-01
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"


@cache
def iam_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("iam")


def allow(*actions: str, resource: str = "*") -> str:
    """A policy document with one statement."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: Mapping[str, Any]) -> str:
    """A trust policy with one statement."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


EC2_TRUST = trust({"Service": "ec2.amazonaws.com"})
ALLOW_ALL = allow("*")


class IamAccount:
    """One account. `now_s` may be moved by a test."""

    def __init__(self, records: Iterable[AccountRecord] = ()) -> None:
        self.tables = Tables.of(records)
        self.now_s = START_S
        self._ids = 0
        self.caller = Caller(
            account_id=ACCOUNT,
            kind="root",
            arn=arns.root(ACCOUNT),
            user_id=ACCOUNT,
            principal_arn=arns.root(ACCOUNT),
            access_key_id="AKIAROOT",
            session=None,
            signed_region="us-east-1",
            signed_s=START_S,
        )

    def run(self, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result of an operation, whose changes are kept; raises AwsError and changes nothing."""
        tx = Transaction(
            self.tables,
            ACCOUNT,
            now_s=self.now_s,
            new_uuid=self._new_uuid,
            regions={"sydney": "ap-southeast-2", "melbourne": "ap-southeast-4"},
        )
        result = all_operations()[action](tx, params, self.caller) or {}
        assert not (reads_only(action) and tx.changes), f"{action} only reads"
        output = iam_model().operation_model(action).output_shape
        check_shape(output, result, action) if output is not None else self._nothing(result)
        self.tables = self.tables.with_changes(
            {
                kind: {
                    key: record and kind.from_json(json.loads(json.dumps(record.to_json()))) for key, record in changed.items()
                }
                for kind, changed in tx.changes.items()
            }
        )
        return result

    def __call__(self, action: str, /, **params: Any) -> Mapping[str, Any]:
        return self.run(action, params)

    def refused(self, action: str, /, **params: Any) -> tuple[str, str]:
        """Code and message of the error that the operation raises."""
        before = self.tables
        try:
            self.run(action, params)
        except AwsError as error:
            assert self.tables is before
            return error.code, error.message
        raise AssertionError(f"{action} was not refused")

    def _new_uuid(self) -> str:
        self._ids += 1
        return str(UUID(int=self._ids))

    def _nothing(self, result: Mapping[str, Any]) -> None:
        assert result == {}, "the operation has no output"


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "timestamp": (int, float),
    "blob": bytes,
}


def check_shape(shape: Shape, value: Any, place: str) -> None:
    """Raises AssertionError where the value has not the shape of the service model."""
    if shape.type_name == "structure":
        assert isinstance(value, Mapping), place
        assert set(value) <= set(shape.members), f"{place} has {sorted(set(value) - set(shape.members))}"
        assert set(shape.required_members) <= set(value), f"{place} lacks {sorted(set(shape.required_members) - set(value))}"
        for name, member in value.items():
            check_shape(shape.members[name], member, f"{place}.{name}")
    elif shape.type_name == "list":
        assert isinstance(value, list | tuple), place
        for n, item in enumerate(value):
            check_shape(shape.member, item, f"{place}[{n}]")
    elif shape.type_name == "map":
        for name, item in value.items():
            check_shape(shape.key, name, place)
            check_shape(shape.value, item, f"{place}[{name}]")
    else:
        assert isinstance(value, _TYPES[shape.type_name]), f"{place} is {value!r}"
