"""STS on a token node: AWS's requests at the root path, answered from the region's account alone.

Order of refusals as in the real service: an unknown action, an unknown caller, parameters that break a constraint, what the
caller may not do. Wire facts: docs/reference/aws-wire.md#query-requests.
"""

from __future__ import annotations

from collections.abc import Awaitable

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError, request_entity_too_large
from brownout.identity.aws.names import GLOBAL_STS
from brownout.identity.aws.protocol.answers import render, render_error
from brownout.identity.aws.protocol.calls import find_operation, not_built
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.regional.annex import GLOBAL_REGION, VENDOR
from brownout.identity.aws.regional.query import is_query_request, refusal
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.call import StsCall, StsResult, check_session
from brownout.identity.aws.sts.table import OPERATIONS
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.surface import Served


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

    def too_large(self, request: Request, text: str) -> Response:
        return render_error(self._service, request_entity_too_large(text), self._node.ports.new_id())

    async def serve(self, request: Request) -> Served:
        request_id = self._node.ports.new_id()
        try:
            response = await self._answer(request, request_id)
        except AwsError as refused:
            response = refusal(self._annex, self._service, refused, request_id)
        return Served(response, self._node.hop())

    async def _answer(self, request: Request, request_id: str) -> Response:
        """Raises AwsError."""
        asked = find_operation(self._service, request)
        run = OPERATIONS.get(asked.operation.name)
        if run is None:
            raise not_built(asked.operation)
        is_global = request.headers.get("host", "").partition(":")[0].lower() == GLOBAL_STS
        signer = None
        if asked.operation.is_signed:
            signer = self._annex.authenticate(request, "sts", self._global if is_global else self._regional)
            check_session(signer, asked.operation.name)
        result = run(StsCall(self._annex, request, asked.call().params, signer, is_global))
        if isinstance(result, Awaitable):
            result = await result
        return render(asked.operation, self._in_clients_time(result, signer), request_id)

    def _in_clients_time(self, result: StsResult, signer: Caller | None) -> StsResult:
        """The result with the end of its credentials by the clock of the client, where that is another than the stack's."""
        made = result.get("Credentials")
        if not isinstance(made, dict):
            return result
        ends_s = self._annex.client_time(made["Expiration"], None if signer is None else signer.signed_s)
        return {**result, "Credentials": {**made, "Expiration": ends_s}}
