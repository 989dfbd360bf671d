"""What surfaces of AWS's query protocol share: which requests are theirs, and how they refuse."""

from __future__ import annotations

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.answers import render_error
from brownout.identity.aws.protocol.services import Service
from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.regional.denials import DENIAL_HEADER, AccessDeniedError, seal_message
from brownout.identity.core.messages import Request, Response


def is_query_request(request: Request) -> bool:
    """True for a request of the query protocol: any to the root path, and any that is signed as AWS's are."""
    return request.path in ("/", "") or request.headers.get("authorization", "").startswith("AWS4-")


def refusal(annex: RegionalAnnex, service: Service, refused: AwsError, request_id: str) -> Response:
    """The error's answer; with a denial comes the message that DecodeAuthorizationMessage reads."""
    response = render_error(service, refused, request_id)
    if not isinstance(refused, AccessDeniedError):
        return response
    ports = annex.node.ports
    message = seal_message(refused, annex.index.account, ports.now(), ports.new_id)
    return response if message is None else response.with_headers({DENIAL_HEADER: message})
