"""Requests as botocore sends them become calls, and everything else a refusal in the service's shape."""

from __future__ import annotations

import random
from functools import cache
from typing import Any
from urllib.parse import urlencode

import botocore.model
import botocore.serialize
import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.calls import read_call
from brownout.identity.aws.protocol.services import Service, load_model, service
from brownout.identity.core.messages import Request
from support.aws_shapes import drawn

FORM = "application/x-www-form-urlencoded; charset=utf-8"
STS, IAM, SECRETS = service("sts"), service("iam"), service("secretsmanager")
CASES = [(made_by, name) for made_by in (STS, IAM, SECRETS) for name in made_by.operation_names]
ROUNDS = 8  # drawn inputs per operation


def posted(payload: str | bytes, media_type: str = FORM, target: str = "/", method: str = "POST") -> Request:
    raw = payload if isinstance(payload, bytes) else payload.encode()
    return Request.raw(method, target, ((b"content-type", media_type.encode()),) if media_type else (), raw)


def query(made_by: Service, action: str, **params: str) -> Request:
    """A form of an operation; `__` in a name stands for a dot."""
    named = {name.replace("__", "."): value for name, value in params.items()}
    return posted(urlencode({"Action": action, "Version": made_by.version, **named}))


@cache
def oracle(name: str) -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(load_model(name, service(name).version), name)


def sent(made_by: Service, name: str, params: dict[str, Any]) -> Request:
    """The request that botocore's serializer makes of the parameters."""
    model = oracle(made_by.name)
    serializer = botocore.serialize.create_serializer(made_by.protocol, include_validation=False)
    made = serializer.serialize_to_request(params, model.operation_model(name))
    payload = made["body"] if isinstance(made["body"], bytes) else urlencode(made["body"])
    headers = [(key.lower().encode(), value.encode()) for key, value in made["headers"].items()]
    return Request.raw("POST", "/", headers, payload if isinstance(payload, bytes) else payload.encode())


def native(value: Any) -> Any:
    """A read value in the types in which it was drawn."""
    if isinstance(value, tuple):
        return [native(each) for each in value]
    if isinstance(value, dict):
        return {key: native(each) for key, each in value.items()}
    return value


def refused(made_by: Service, request: Request) -> AwsError:
    with pytest.raises(AwsError) as caught:
        read_call(made_by, request)
    return caught.value


@pytest.mark.parametrize(("made_by", "name"), CASES, ids=[f"{made_by.name}-{name}" for made_by, name in CASES])
def test_what_botocore_sends_is_what_is_read(made_by: Service, name: str) -> None:
    """Every operation's drawn inputs survive botocore's serializer and our reading, and break no constraint."""
    operation = made_by.operation(name)
    assert operation is not None
    for seed in range(ROUNDS):
        params = drawn(operation.input, random.Random(f"{name} {seed}"), full=seed == 0) if operation.input else {}
        call = read_call(made_by, sent(made_by, name, params))
        assert call.operation is operation
        assert native(call.params) == params
