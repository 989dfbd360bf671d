"""Requests as botocore sends them become calls; everything else is refused in the order and the words of the services."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.calls import find_operation, not_built
from brownout.identity.aws.protocol.services import Service, service
from brownout.identity.core.messages import Request
from support.aws_requests import botocore_model, json_call, posted, query_call, read_call, refused, sent
from support.aws_shapes import drawn

STS, IAM, SECRETS = service("sts"), service("iam"), service("secretsmanager")
CASES = [(made_by, name) for made_by in (STS, IAM, SECRETS) for name in made_by.operation_names]
ROUNDS = 12  # drawn inputs per operation
ROLE = "arn:aws:iam::123456789012:role/app"


def native(value: Any) -> Any:
    """A read value in the types in which it was drawn."""
    if isinstance(value, tuple):
        return [native(each) for each in value]
    return {key: native(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(("made_by", "name"), CASES, ids=[f"{made_by.name}-{name}" for made_by, name in CASES])
def test_what_botocore_sends_is_what_is_read(made_by: Service, name: str) -> None:
    """Every operation's drawn inputs survive botocore's serializer and our reading, and break no constraint."""
    operation = made_by.operation(name)
    assert operation is not None
    for seed in range(ROUNDS):
        params = drawn(operation.input, random.Random(f"{name} {seed}"), full=seed == 0) if operation.input else {}
        call = read_call(made_by, sent(botocore_model(made_by.name), name, params))
        assert call.operation is operation
        assert native(call.params) == params


def test_values_have_the_types_of_the_model() -> None:
    """Text is text, a number a number, a list a tuple, a structure a mapping; what was not given is absent."""
    given = {
        "RoleArn": ROLE,
        "RoleSessionName": "session",
        "DurationSeconds": "3600",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "a b",
        "TransitiveTagKeys.member.1": "team",
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    }
    assert read_call(STS, query_call(STS, "AssumeRole", given)).params == {
        "RoleArn": ROLE,
        "RoleSessionName": "session",
        "DurationSeconds": 3600,
        "Tags": ({"Key": "team", "Value": "a b"},),
        "TransitiveTagKeys": ("team",),
        "PolicyArns": ({"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},),
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_presigned_url_is_a_call(method: str) -> None:
    """The query of a GET is as good as a form, and the names of its signature are no parameters."""
    signature = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20300101%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Expires=60"
    )
    request = Request.raw(method, f"/?Action=GetCallerIdentity&Version=2011-06-15&{signature}&X-Amz-SignedHeaders=host")
    call = read_call(STS, request)
    assert (call.operation.action, call.params) == ("sts:GetCallerIdentity", {})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("Action=Nothing&Version=2011-06-15", "Could not find operation Nothing for version 2011-06-15"),
        ("Action=getcalleridentity&Version=2011-06-15", "Could not find operation getcalleridentity for version 2011-06-15"),
        ("Action=GetCallerIdentity&Version=2010-05-08", "Could not find operation GetCallerIdentity for version 2010-05-08"),
        ("Action=GetCallerIdentity", "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"),
        ("Action=GetCallerIdentity&Version=", "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"),
        ("Action=CreateUser&Version=2011-06-15", "Could not find operation CreateUser for version 2011-06-15"),
    ],
)
def test_an_unknown_action_or_version_is_invalid(payload: str, message: str) -> None:
    """The error names what was asked for; each service has its own operations only."""
    error = refused(STS, posted(payload))
    assert (error.code, error.status, error.message) == ("InvalidAction", 400, message)


@pytest.mark.parametrize("request_", [posted("Version=2011-06-15"), posted(""), posted("Action=&A=1"), Request.raw("GET", "/")])
def test_a_request_without_an_action_says_so(request_: Request) -> None:
    """An empty action is none."""
    assert refused(STS, request_).code == "MissingAction"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post", "X"])
def test_other_methods_are_not_allowed(method: str) -> None:
    """A good call in another method is refused in the query protocol; the JSON protocol has no call without POST."""
    request = posted("Action=GetCallerIdentity&Version=2011-06-15", method=method)
    error = refused(STS, request)
    assert (error.code, error.status) == ("MethodNotAllowed", 405)
    given = json_call(SECRETS, "GetSecretValue", '{"SecretId": "s"}')
    other = Request.raw(method, "/", given.raw_headers, given.payload)
    assert refused(SECRETS, other).code == "InvalidAction"


def test_an_operation_is_found_before_its_parameters_are_judged() -> None:
    """A caller is authenticated in between: wrong parameters are no error of `find_operation`."""
    asked = find_operation(STS, query_call(STS, "AssumeRole", {"RoleArn": "x"}))
    assert asked.operation.name == "AssumeRole"
    with pytest.raises(AwsError, match="2 validation errors detected"):
        asked.call()


def test_a_form_that_came_before_is_known_and_a_refusal_is_not() -> None:
    """The same bytes ask for the same, from whoever they come, and are known from the second time on.

    What was wrong with a form is found each time.
    """
    good, bad = (query_call(STS, "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": name}) for name in ("job-9", "x"))
    once, twice, again = (find_operation(STS, Request.raw("POST", "/", good.raw_headers, good.payload)) for _ in range(3))
    assert again is twice
    assert again.call() is twice.call()
    assert once.call() == again.call()
    for _ in range(2):
        assert refused(STS, bad).message.startswith("1 validation error detected")
        assert refused(STS, posted("Action=Nonsense&Version=2011-06-15")).code == "InvalidAction"


@pytest.mark.parametrize("target", ["/?RoleSessionName=job-8", "/other"])
def test_a_form_is_known_by_all_that_says_what_it_asks_for(target: str) -> None:
    """Another service, another type, another method or a query beside it: none is taken for the form that came before."""
    form = query_call(STS, "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "job-7"})
    known = [find_operation(STS, form) for _ in range(2)][-1]
    assert find_operation(STS, form) is known
    assert find_operation(STS, posted(form.payload, target=target)) is not known
    assert refused(IAM, form).code == "InvalidAction"
    assert refused(STS, posted(form.payload, "application/json")).code == "MissingAction"
    assert refused(STS, posted(form.payload, method="GET")).code == "MissingAction"


def test_only_calls_with_proofs_of_their_own_are_unsigned() -> None:
    """Web identity and SAML calls carry their proof; every other call is signed."""
    unsigned = [name for made_by, name in CASES if not made_by.operation(name).is_signed]  # type: ignore[union-attr]  # all exist
    assert unsigned == ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]


def test_an_operation_that_is_not_built_is_unknown_and_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The client sees what the real service says of an unknown action; the node's log names the operation."""
    operation = IAM.operation("CreateDelegationRequest")
    assert operation is not None
    with caplog.at_level(logging.WARNING):
        error = not_built(operation)
    assert (error.code, error.status) == ("InvalidAction", 400)
    assert error.message == "Could not find operation CreateDelegationRequest for version 2010-05-08"
    assert [record.getMessage() for record in caplog.records] == [
        "iam:CreateDelegationRequest is not built: answered as an unknown action"
    ]


@pytest.mark.parametrize(
    "target",
    ["", "GetSecretValue", "secretsmanager.Nothing", "Secretsmanager.GetSecretValue", "x.secretsmanager.GetSecretValue", "."],
)
def test_a_target_that_names_no_operation_is_unknown(target: str) -> None:
    """Prefix and name are those of the model, to the letter; the answer calls it an unknown operation."""
    request = Request.raw("POST", "/", ((b"x-amz-target", target.encode()),), b"{}")
    error = refused(SECRETS, request)
    assert (error.code, error.status) == ("InvalidAction", 400)


@pytest.mark.parametrize("payload", [b"{", b"[]", b"\xff", b'"x"', b"NaN", b"[" * 100_000, b'{"SecretId": "\\ud800"}'])
def test_a_payload_that_is_no_json_object_cannot_be_read(payload: bytes) -> None:
    """Anything but an object is a SerializationException, which says something of lists only."""
    error = refused(SECRETS, json_call(SECRETS, "GetSecretValue", payload))
    assert error.code == "SerializationException"
    assert error.message == ("Start of list found where not expected" if payload[:1] == b"[" else "")


def test_no_payload_is_an_empty_object() -> None:
    """A call without parameters needs no braces."""
    assert read_call(SECRETS, json_call(SECRETS, "GetRandomPassword", b"")).params == {}


def test_constraints_hold_in_json_too() -> None:
    """The words are the same; a null is no value."""
    error = refused(SECRETS, json_call(SECRETS, "GetSecretValue", '{"SecretId": null, "VersionId": "x"}'))
    assert error.message.startswith("2 validation errors detected: Value null at 'secretId' failed to satisfy constraint: ")
