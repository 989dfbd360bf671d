"""Requests to AWS's services as bytes, and botocore's own models, serializers and parsers as oracles."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlencode

import botocore.model
import botocore.parsers
import botocore.serialize
import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.calls import AwsCall, find_operation
from brownout.identity.aws.protocol.services import Service, load_model, service
from brownout.identity.core.messages import Request, Response

FORM = "application/x-www-form-urlencoded; charset=utf-8"


def posted(payload: str | bytes, media_type: str = FORM, target: str = "/", method: str = "POST") -> Request:
    """A request with a payload; "" for no media type."""
    raw = payload if isinstance(payload, bytes) else payload.encode()
    return Request.raw(method, target, ((b"content-type", media_type.encode()),) if media_type else (), raw)


def query_call(made_by: Service, action: str, params: dict[str, str] | None = None) -> Request:
    """A form with the parameters as they stand on the wire."""
    return posted(urlencode({"Action": action, "Version": made_by.version, **(params or {})}))


def json_call(made_by: Service, action: str, payload: str | bytes = "{}") -> Request:
    """A request of the JSON protocol."""
    raw = payload if isinstance(payload, bytes) else payload.encode()
    target = f"{made_by.target_prefix}.{action}".encode()
    return Request.raw("POST", "/", ((b"x-amz-target", target), (b"content-type", made_by.media_type.encode())), raw)


@cache
def botocore_model(name: str) -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(load_model(name, service(name).version), name)


def sent(model: botocore.model.ServiceModel, name: str, params: dict[str, Any]) -> Request:
    """The request that botocore's serializer makes of an operation's parameters."""
    serializer = botocore.serialize.create_serializer(model.metadata["protocol"], include_validation=False)
    made = serializer.serialize_to_request(params, model.operation_model(name))
    payload = made["body"] if isinstance(made["body"], bytes) else urlencode(made["body"]).encode()
    headers = [(key.lower().encode(), value.encode()) for key, value in made["headers"].items()]
    return Request.raw("POST", "/", headers, payload)


def received(model: botocore.model.ServiceModel, name: str, answer: Response) -> dict[str, Any]:
    """What botocore's parser makes of an operation's answer."""
    parser = botocore.parsers.create_parser(model.metadata["protocol"])
    raw = {"status_code": answer.status, "headers": answer.headers, "body": answer.payload}
    shape = model.operation_model(name).output_shape
    found: dict[str, Any] = parser.parse(raw, shape)
    return found


def read_call(made_by: Service, request: Request) -> AwsCall:
    """The call that a request makes; raises AwsError for a request that makes none."""
    return find_operation(made_by, request).call()


def refused(made_by: Service, request: Request) -> AwsError:
    """The error that a request is refused with."""
    with pytest.raises(AwsError) as caught:
        read_call(made_by, request)
    return caught.value
