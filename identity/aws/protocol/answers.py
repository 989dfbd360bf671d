"""Answers in a service's own shape: results and errors, in XML or JSON.

Wire facts: docs/reference/aws-wire.md#query-results, docs/reference/aws-wire.md#query-errors,
docs/reference/aws-wire.md#json-results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.services import AwsOperation, Params, Service, service
from brownout.identity.aws.protocol.xml_results import escaped
from brownout.identity.core.messages import Response, encode_json

UNKNOWN_OPERATION = "UnknownOperationException"  # says nothing more
REQUEST_ID = b"x-amzn-requestid"

# By code of the query protocol: the code that JSON services use for the same, whose status is 400 but for their own faults.
JSON_CODES: Mapping[str, str] = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InternalFailure": "InternalServiceError",
    "InvalidAction": UNKNOWN_OPERATION,
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "ServiceUnavailable": "ServiceUnavailableException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
    "ValidationError": "ValidationException",
}
# Codes of the layer that verifies signatures, which spells the message's name with a small letter.
SIGNATURE_CODES = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def render(operation: AwsOperation, result: Params | None, request_id: str) -> Response:
    """The answer of an operation that succeeded; `result` is its output by the model's names, None for no output."""
    made_by = service(operation.service)
    written = operation.write(result or {})
    if made_by.protocol == "json":
        return _answer(made_by, 200, encode_json(written), request_id)
    name = operation.name
    text = (
        f'<{name}Response xmlns="{made_by.namespace}">{written}'
        f"<ResponseMetadata><RequestId>{escaped(request_id)}</RequestId></ResponseMetadata></{name}Response>"
    )
    return _answer(made_by, 200, text.encode(), request_id)


def render_error(made_by: Service, error: AwsError, request_id: str) -> Response:
    """The answer of a request that was refused, in the shape of the service that was asked."""
    if made_by.protocol == "json":
        return _json_error(made_by, error, request_id)
    message = f"<Message>{escaped(error.message)}</Message>" if error.message else ""
    text = (
        f'<ErrorResponse xmlns="{made_by.namespace}"><Error><Type>{"Sender" if error.sender else "Receiver"}</Type>'
        f"<Code>{escaped(error.code)}</Code>{message}</Error>"
        f"<RequestId>{escaped(request_id)}</RequestId></ErrorResponse>"
    )
    return _answer(made_by, error.status, text.encode(), request_id)


def _json_error(made_by: Service, error: AwsError, request_id: str) -> Response:
    code = JSON_CODES.get(error.code, error.code)
    status = 400 if error.sender else error.status
    body: dict[str, Any] = {"__type": code}
    if error.message and code != UNKNOWN_OPERATION:
        body["message" if code in SIGNATURE_CODES else "Message"] = error.message
    return _answer(made_by, status, encode_json(body), request_id)


def _answer(made_by: Service, status: int, payload: bytes, request_id: str) -> Response:
    number = request_id.encode("latin-1")
    answer = Response.raw(status, ((REQUEST_ID, number), made_by.type_line), payload)
    if number.replace(b"-", b"").isalnum():  # as all that nodes make: these lines need no check
        answer.header_block = b"%b: %b\r\n%b: %b\r\n" % (REQUEST_ID, number, *made_by.type_line)
    return answer
