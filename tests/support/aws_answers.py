"""Answers as AWS's services send them, for scripts of client models that are fed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.answers import render, render_error
from brownout.identity.aws.protocol.services import service
from brownout.identity.core.messages import Response

HOUR_S = 3600.0


def answer(service_name: str, action: str, result: Mapping[str, Any] | None = None) -> Response:
    """The answer to an action that succeeded."""
    operation = service(service_name).operation(action)
    assert operation is not None, action
    return render(operation, result, "request-1")


def refusal(service_name: str, code: str, status: int = 400) -> Response:
    """An error of that code."""
    return render_error(service(service_name), AwsError(code, status, "x"), "request-1")


def assumed(expires_s: float, action: str = "AssumeRole") -> Response:
    """Credentials of STS that end at `expires_s` (emulated epoch seconds)."""
    keys = {"AccessKeyId": "ASIA" + "A" * 16, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expires_s}
    return answer("sts", action, {"Credentials": keys})


def instance_answers(expires: str, **changes: Any) -> tuple[Response, ...]:
    """What IMDS answers to the three requests for a role's credentials."""
    keys = {"Code": "Success", "AccessKeyId": "ASIA" + "B" * 16, "SecretAccessKey": "s", "Token": "t", "Expiration": expires}
    return (
        Response.raw(200, ((b"content-type", b"text/plain"),), b"imds-session"),
        Response.raw(200, ((b"content-type", b"text/plain"),), b"web"),
        Response(200, {**keys, **changes}),
    )
