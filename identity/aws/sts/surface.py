"""STS on a token node: AWS's requests at the root path, answered from the region's account alone.

Order of refusals as in the real service: an unknown action, an unknown caller, parameters that break a constraint, what the
caller may not do. Wire facts: docs/reference/aws-wire.md#query-requests.
"""

from __future__ import annotations

from collections.abc import Awaitable

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.answers import render, render_error
from brownout.identity.aws.protocol.calls import find_operation, not_built
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.regional.annex import GLOBAL_REGION, VENDOR
from brownout.identity.aws.regional.denials import DENIAL_HEADER, AccessDeniedError, seal_message
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.call import StsCall
from brownout.identity.aws.sts.table import OPERATIONS
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.surface import Served

GLOBAL_HOST = "sts.amazonaws.com"


def is_query_request(request: Request) -> bool:
    """True for a request of AWS's query protocol: a POST to the root path, or a GET that names an action there."""
    if request.path not in ("/", ""):
        return False
    return request.method == "POST" or "Action" in request.query


class Sts:
    """The surface of STS."""

    def __init__(self, node: TokenNode) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, TokenAnnex), "a token node has the account and what STS needs beside it"
        self._node, self._annex = node, annex
        self._service = service("sts")
        self._regional, self._global = (annex.aws_region,), (GLOBAL_REGION,)

    def takes(self, request: Request) -> bool:
        return is_query_request(request)

    async def serve(self, request: Request) -> Served:
        request_id = self._node.ports.new_id()
        try:
            response = await self._answer(request, request_id)
        except AwsError as refused:
            response = self._refused(refused, request_id)
        return Served(response, self._node.hop())

    async def _answer(self, request: Request, request_id: str) -> Response:
        """Raises AwsError."""
        asked = find_operation(self._service, request)
        run = OPERATIONS.get(asked.operation.name)
        if run is None:
            raise not_built(asked.operation)
        is_global = request.headers.get("host", "").partition(":")[0].lower() == GLOBAL_HOST
        signer = None
        if asked.operation.is_signed:
            signer = self._annex.authenticate(request, "sts", self._global if is_global else self._regional)
        result = run(StsCall(self._annex, request, asked.call().params, signer, is_global))
        if isinstance(result, Awaitable):
            result = await result
        return render(asked.operation, result, request_id)

    def _refused(self, refused: AwsError, request_id: str) -> Response:
        """The error's answer; with a denial comes the message that DecodeAuthorizationMessage reads."""
        response = render_error(self._service, refused, request_id)
        if not isinstance(refused, AccessDeniedError):
            return response
        ports = self._node.ports
        message = seal_message(refused, self._annex.index.account, ports.now(), ports.new_id)
        return response if message is None else response.with_headers({DENIAL_HEADER: message})
