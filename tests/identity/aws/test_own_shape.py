"""What is sent to AWS's services that is no call at all is refused in their own shape too."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.surface import too_large
from support.aws_directories import AwsStack, on_aws_stack
from support.aws_requests import posted

QUERY_NODES = ("sydney.token.z1", "sydney.management")
JSON_NODE = "sydney.vault"


def answer(node: str, request: Request) -> Response:
    async def story(stack: AwsStack) -> Response:
        return await stack.node(node).handle(request)

    return on_aws_stack(story)


def code(response: Response) -> str:
    """The code of an error in XML, which has an id."""
    found = ET.fromstring(response.payload)
    assert found.tag.partition("}")[2] == "ErrorResponse"
    assert found.findtext("{*}RequestId") == response.headers["x-amzn-requestid"]
    return str(found.findtext(".//{*}Code"))


@pytest.mark.parametrize("node", QUERY_NODES)
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request.raw("GET", "/"), "MissingAction"),
        (Request.raw("GET", "/?x=1"), "MissingAction"),
        (Request.raw("PUT", "/", (), b"x"), "MethodNotAllowed"),
        (Request.raw("HEAD", "/"), "MethodNotAllowed"),
        (Request.raw("OPTIONS", "/"), "MethodNotAllowed"),
        (posted('{"Action": "x"}', "application/json"), "MissingAction"),
        (posted(b"\xff\xfe"), "MalformedQueryString"),
        (Request.raw("GET", "/any/path", ((b"authorization", b"AWS4-HMAC-SHA256 x"),)), "MissingAction"),
    ],
)
def test_a_request_that_is_no_call_is_refused_as_aws_does(node: str, request_: Request, expected: str) -> None:
    """Any method, at the root path, and what is signed as AWS's requests are, at any path."""
    assert code(answer(node, request_)) == expected


def refused_size(node: str, request: Request) -> Response:
    async def story(stack: AwsStack) -> Response:
        return too_large(stack.node(node).surfaces, request, "too large")

    return on_aws_stack(story)


@pytest.mark.parametrize("node", QUERY_NODES)
def test_a_payload_that_is_too_large_is_refused_as_aws_does(node: str) -> None:
    """In XML with an id where the request is AWS's, in the stack's own words where it is nobody's."""
    refused = refused_size(node, posted(b""))
    assert (refused.status, code(refused)) == (413, "RequestEntityTooLarge")
    assert json.loads(refused_size(node, Request.raw("POST", "/elsewhere")).payload)["error"]["code"] == "RequestEntityTooLarge"


def test_a_json_service_has_its_own_shape() -> None:
    """An unknown target, no JSON, and a payload that is too large."""
    target = ((b"x-amz-target", b"secretsmanager.GetSecretValue"),)
    unknown = answer(JSON_NODE, Request.raw("POST", "/", ((b"x-amz-target", b"x.y"),), b"{}"))
    assert (unknown.status, unknown.payload) == (400, b'{"__type":"UnknownOperationException"}')
    assert (
        json.loads(answer(JSON_NODE, Request.raw("POST", "/", target, b"no json")).payload)["__type"]
        == "SerializationException"
    )
    assert json.loads(refused_size(JSON_NODE, Request.raw("POST", "/", target)).payload)["__type"] == "RequestEntityTooLarge"
