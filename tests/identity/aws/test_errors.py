"""The catalogue of AWS errors."""

from __future__ import annotations

import re

import pytest

from brownout.identity.aws import errors
from brownout.identity.aws.errors import STATUS, AwsError
from support.places import ROOT

OTHERS = ("provisioning", "secrets")
_OF = re.compile(r'AwsError\.of\(\s*"(\w+)"')


@pytest.mark.parametrize(
    ("error", "code", "status", "sender"),
    [
        (errors.missing_authentication_token(), "MissingAuthenticationToken", 403, True),
        (errors.expired_token(), "ExpiredToken", 403, True),
        (errors.throttling(), "Throttling", 400, True),
        (errors.service_unavailable(), "ServiceUnavailable", 503, False),
        (errors.internal_failure(), "InternalFailure", 500, False),
        (errors.no_such_entity("x"), "NoSuchEntity", 404, True),
    ],
)
def test_an_error_has_the_status_of_its_code(error: AwsError, code: str, status: int, sender: bool) -> None:
    """The catalogue gives the status, and the status says who is at fault."""
    assert (error.code, error.status, error.sender) == (code, status, sender)


def test_a_code_of_no_catalogue_is_the_callers_fault() -> None:
    """A JSON service's own codes have 400."""
    assert AwsError.of("ResourceNotFoundException", "x").status == 400


def test_a_denial_names_caller_action_and_resource() -> None:
    """The sentence is the one that people search for, with and without its ends."""
    error = errors.not_authorized("arn:aws:iam::1:user/u", "sts:AssumeRole", "arn:aws:iam::1:role/r", "no policy allows it")
    assert error.message == (
        "User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole"
        " on resource: arn:aws:iam::1:role/r because no policy allows it"
    )
    assert errors.not_authorized("a", "iam:ListUsers").message == "User: a is not authorized to perform: iam:ListUsers"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [("Throttling", 400, "Rate exceeded"), ("ServiceFailure", 500, "unknown error"), ("InternalFailure", 500, "unknown error")],
)
def test_a_service_in_trouble_has_the_words_of_the_code(code: str, status: int, words: str) -> None:
    """Clients and people look for some of them."""
    error = errors.fault_of(code)
    assert (error.code, error.status) == (code, status)
    assert words in error.message


def test_an_error_survives_the_way_between_nodes() -> None:
    """What one node tells another is the same error."""
    told = errors.limit_exceeded("Cannot exceed quota for AccessKeysPerUser: 2")
    heard = AwsError.from_json(told.to_json())
    assert (heard.code, heard.status, heard.message) == (told.code, told.status, told.message)
    assert str(heard) == "LimitExceeded (409): Cannot exceed quota for AccessKeysPerUser: 2"


def test_every_status_is_one_of_http() -> None:
    """No code of the catalogue has a status of success."""
    assert all(400 <= status < 600 for status in STATUS.values())


def test_every_code_that_is_raised_is_of_the_catalogue() -> None:
    """STS, IAM and what they share name no code whose status would be a guess; other services have codes of their own."""
    sources = [path for path in (ROOT / "identity" / "aws").rglob("*.py") if path.parts[-2] not in OTHERS]
    raised = {code for path in sources for code in _OF.findall(path.read_text(encoding="utf-8"))}
    assert len(raised) > 20
    assert raised - STATUS.keys() == {"SerializationException"}
