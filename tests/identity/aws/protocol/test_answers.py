"""Answers as botocore's parsers read them, and errors in the shape of the service that was asked."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from brownout.identity.aws import errors
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.answers import JSON_CODES, render, render_error
from brownout.identity.aws.protocol.services import Service, service
from support.aws_requests import botocore_model, received
from support.aws_shapes import drawn

STS, IAM, SECRETS = service("sts"), service("iam"), service("secretsmanager")
CASES = [(made_by, name) for made_by in (STS, IAM, SECRETS) for name in made_by.operation_names]
ROUNDS = 6  # drawn results per operation
ID = "00000000-0000-4000-8000-000000000001"
ODD = "a&b <c> \"d\" 'e' é漢😀 \t\r\n %20 ]]>"


def epoch_times(value: Any) -> Any:
    """What the parser found, its times in seconds."""
    if isinstance(value, dict):
        return {key: epoch_times(each) for key, each in value.items()}
    if isinstance(value, list):
        return [epoch_times(each) for each in value]
    return int(value.timestamp()) if isinstance(value, datetime) else value


@pytest.mark.parametrize(("made_by", "name"), CASES, ids=[f"{made_by.name}-{name}" for made_by, name in CASES])
def test_what_is_answered_is_what_botocore_reads(made_by: Service, name: str) -> None:
    """Every operation's drawn results survive our writing and botocore's parser, and the request's id comes with them."""
    operation = made_by.operation(name)
    assert operation is not None
    for seed in range(ROUNDS):
        result = drawn(operation.output, random.Random(f"{name} {seed}"), full=seed == 0) if operation.output else {}
        answer = render(operation, result, ID)
        found = received(botocore_model(made_by.name), name, answer)
        assert found.pop("ResponseMetadata")["RequestId"] == ID
        assert epoch_times(found) == result
        assert answer.headers["x-amzn-requestid"] == ID


def test_an_answer_is_laid_out_as_the_services_do() -> None:
    """Namespace, wrapper, members, metadata (docs/reference/aws-wire.md#query-results)."""
    operation = STS.operation("GetCallerIdentity")
    assert operation is not None
    answer = render(operation, {"Arn": "arn:aws:iam::1:user/u", "UserId": "AIDA", "Account": "1"}, ID)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml")
    assert answer.payload.decode() == (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        "<Arn>arn:aws:iam::1:user/u</Arn><UserId>AIDA</UserId><Account>1</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{ID}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


def test_an_operation_without_output_has_metadata_only() -> None:
    """No result element is made, for None and for an empty result."""
    operation = IAM.operation("DeleteUser")
    assert operation is not None
    expected = (
        '<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<ResponseMetadata><RequestId>{ID}</RequestId></ResponseMetadata></DeleteUserResponse>"
    )
    assert render(operation, None, ID).payload.decode() == render(operation, {}, ID).payload.decode() == expected


def test_an_empty_list_is_an_empty_element() -> None:
    """A list that has nothing is there, a member that is None is not."""
    operation = IAM.operation("ListUsers")
    assert operation is not None
    text = render(operation, {"Users": (), "IsTruncated": False, "Marker": None}, ID).payload.decode()
    assert "<ListUsersResult><Users></Users><IsTruncated>false</IsTruncated></ListUsersResult>" in text


@pytest.mark.parametrize("text", [ODD, "".join(map(chr, range(0x20))), "\ud800", "\ufffe\uffff\x7f\x85\u2028"])
def test_any_text_is_well_formed(text: str) -> None:
    """Whatever a client has stored, its answer parses, and is the same where XML can say it at all."""
    operation = IAM.operation("GetUser")
    assert operation is not None
    user = {"Path": "/", "UserName": text, "UserId": "AIDA" + "A" * 17, "Arn": "arn", "CreateDate": 0}
    answer = render(operation, {"User": user}, ID)
    found = ET.fromstring(answer.payload).findtext(".//{*}UserName") or ""
    sayable = all(each in "\t\n\r" or " " <= each < "\ud800" or "\ue000" <= each < "\ufffe" or each > "\uffff" for each in text)
    assert len(found) == len(text)
    assert found == text if sayable else "\ufffd" in found


@pytest.mark.parametrize(("time_s", "text"), [(0, "1970-01-01T00:00:00Z"), (1893456000.999, "2030-01-01T00:00:00Z")])
def test_times_are_whole_seconds_of_utc(time_s: float, text: str) -> None:
    """A fraction is cut: what has not yet come is not told."""
    operation = STS.operation("GetWebIdentityToken")
    assert operation is not None
    assert text in render(operation, {"WebIdentityToken": "x", "Expiration": time_s}, ID).payload.decode()
    assert datetime.fromisoformat(text).tzinfo is UTC


@pytest.mark.parametrize("result", [{"User": {}}, {"Nothing": 1}, {}])
def test_a_handlers_mistake_is_not_sent(result: dict[str, Any]) -> None:
    """A required member that is missing and a member that the model lacks fail an assertion."""
    operation = IAM.operation("GetUser")
    assert operation is not None
    with pytest.raises(AssertionError):
        render(operation, result, ID)
    nothing = IAM.operation("DeleteUser")
    assert nothing is not None
    with pytest.raises(AssertionError):
        render(nothing, {"User": {}}, ID)


@pytest.mark.parametrize("made_by", [STS, IAM], ids=["sts", "iam"])
@pytest.mark.parametrize("code", errors.STATUS)
def test_every_error_is_read_by_botocore(made_by: Service, code: str) -> None:
    """Code, message, who is at fault, the id and the status, for every code of the catalogue."""
    error = AwsError.of(code, ODD.replace("\r", ""))
    name = made_by.operation_names[0]
    found = received(botocore_model(made_by.name), name, render_error(made_by, error, ID))
    assert found["Error"] == {"Code": code, "Message": error.message, "Type": "Sender" if error.sender else "Receiver"}
    assert found["ResponseMetadata"]["RequestId"] == ID
    assert found["ResponseMetadata"]["HTTPStatusCode"] == error.status


@pytest.mark.parametrize("made_by", [STS, IAM], ids=["sts", "iam"])
def test_modelled_errors_have_the_models_status(made_by: Service) -> None:
    """The catalogue agrees with the service models about every code that they state."""
    shapes = (shape for shape in botocore_model(made_by.name).error_shapes if "error" in shape.metadata)
    stated = {shape.metadata["error"]["code"]: shape.metadata["error"]["httpStatusCode"] for shape in shapes}
    assert len(stated) > 10
    assert {code: errors.STATUS.get(code) for code in stated} == stated


def test_an_error_is_laid_out_as_the_services_do() -> None:
    """Type, code and message, then the id (docs/reference/aws-wire.md#query-errors)."""
    answer = render_error(STS, errors.expired_token(), ID)
    assert (answer.status, answer.headers["content-type"], answer.headers["x-amzn-requestid"]) == (403, "text/xml", ID)
    assert answer.payload.decode() == (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredToken</Code>'
        "<Message>The security token included in the request is expired</Message></Error>"
        f"<RequestId>{ID}</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.missing_authentication_token(), "MissingAuthenticationTokenException", 400),
        (errors.invalid_client_token_id(), "UnrecognizedClientException", 400),
        (errors.signature_does_not_match(), "InvalidSignatureException", 400),
        (errors.expired_token(), "ExpiredTokenException", 400),
        (errors.access_denied("no"), "AccessDeniedException", 400),
        (errors.validation_error("x"), "ValidationException", 400),
        (errors.throttling(), "ThrottlingException", 400),
        (errors.internal_failure(), "InternalServiceError", 500),
        (errors.service_unavailable(), "ServiceUnavailableException", 503),
        (
            AwsError.of("ResourceNotFoundException", "not found"),
            "ResourceNotFoundException",
            400,
        ),
    ],
)
def test_a_json_service_has_its_own_codes(error: AwsError, code: str, status: int) -> None:
    """An error that every service knows is spelt as JSON services spell it."""
    answer = render_error(SECRETS, error, ID)
    found = received(botocore_model("secretsmanager"), "GetSecretValue", answer)
    assert (found["Error"]["Code"], answer.status) == (code, status)
    assert found["Error"]["Message"] == error.message
    assert found["ResponseMetadata"]["RequestId"] == ID
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


def test_an_error_without_words_has_no_message() -> None:
    """Some refusals of the real services have a code only."""
    answer = render_error(STS, AwsError.of("MalformedInput", ""), ID)
    assert b"<Code>MalformedInput</Code></Error>" in answer.payload
    found = received(botocore_model("sts"), "GetCallerIdentity", answer)
    assert found["Error"] == {"Type": "Sender", "Code": "MalformedInput"}


def test_every_json_code_is_one_of_the_catalogue() -> None:
    """No code is translated that no one raises."""
    assert JSON_CODES.keys() <= errors.STATUS.keys()


def test_an_unknown_operation_of_a_json_service_has_no_message() -> None:
    """As the real service answers one."""
    answer = render_error(SECRETS, errors.invalid_action("Nothing", "2017-10-17"), ID)
    assert (answer.status, answer.payload) == (400, b'{"__type":"UnknownOperationException"}')
