"""Whatever bytes come, what goes back is a well-formed answer in the shape of the service that was asked."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brownout.identity.aws.errors import STATUS, AwsError
from brownout.identity.aws.protocol.answers import render_error
from brownout.identity.aws.protocol.calls import AwsCall
from brownout.identity.aws.protocol.services import Service, service
from brownout.identity.core.messages import Request
from support.aws_requests import FORM, botocore_model, query_call, read_call, sent
from support.aws_shapes import drawn, spoilt

STS, IAM, SECRETS = service("sts"), service("iam"), service("secretsmanager")
WORDS = (
    "Action",
    "Version",
    "Tags",
    "member",
    "entry",
    "1",
    "0",
    "2",
    "key",
    "Key",
    "Value",
    "RoleArn",
    "",
    "x",
    "DurationSeconds",
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "\u00e9"])
TYPES = st.sampled_from([FORM, "application/x-amz-json-1.1", "text/plain", "", "\u00ff;;="])
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(made_by: Service, request: Request) -> AwsCall | AwsError:
    """The call or the error, which must be well formed."""
    try:
        return read_call(made_by, request)
    except AwsError as error:
        refused = error
    answer = render_error(made_by, refused, "id")
    assert 400 <= answer.status < 500
    if made_by.protocol == "json":
        assert json.loads(answer.payload)["__type"]
        return refused
    assert refused.code in STATUS
    found = ET.fromstring(answer.payload)
    assert (found.findtext(".//{*}Code"), found.findtext("{*}RequestId")) == (refused.code, "id")
    return refused


@QUICK
@given(METHODS, TYPES, st.text(), st.binary())
def test_any_bytes_are_answered(method: str, media_type: str, target: str, payload: bytes) -> None:
    """Any target and any payload, announced as anything."""
    headers = ((b"content-type", media_type.encode("latin-1")), (b"x-amz-target", target.encode("utf-8", "replace")))
    for made_by in (STS, SECRETS):
        outcome(made_by, Request.raw(method, f"/?{target}", headers, payload))


NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(".".join)


@QUICK
@given(st.sampled_from(IAM.operation_names), st.dictionaries(NAMES, st.text(max_size=30), max_size=8))
def test_any_parameters_of_any_operation_are_answered(action: str, params: dict[str, str]) -> None:
    """Names of the protocol's own words in any order, values of any text."""
    outcome(IAM, query_call(IAM, action, {name: value.encode("utf-8", "replace").decode() for name, value in params.items()}))


KEYS = st.sampled_from(["SecretId", "Tags", "Key", "SecretBinary", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@QUICK
@given(st.sampled_from(SECRETS.operation_names), st.dictionaries(KEYS, JSON))
def test_any_json_is_answered(action: str, value: dict[str, object]) -> None:
    """Values of any type in any place, numbers that JSON has no word for included."""
    target = f"secretsmanager.{action}".encode()
    outcome(SECRETS, Request.raw("POST", "/", ((b"x-amz-target", target),), json.dumps(value).encode()))


@pytest.mark.parametrize("made_by", [STS, IAM], ids=["sts", "iam"])
def test_good_calls_that_were_spoilt_are_answered(made_by: Service) -> None:
    """A good form with a few bytes changed, cut, doubled or moved."""
    chance = random.Random("spoilt")
    refusals = 0
    for name in made_by.operation_names:
        operation = made_by.operation(name)
        assert operation is not None
        params = drawn(operation.input, chance) if operation.input else {}
        good = sent(botocore_model(made_by.name), name, params)
        for _ in range(6):
            bad = Request.raw("POST", "/", good.raw_headers, spoilt(good.payload, chance))
            refusals += isinstance(outcome(made_by, bad), AwsError)
    assert refusals > len(made_by.operation_names), "spoiling spoils"
