"""STS on a token node: AWS's requests at the root path, answered from the region's account alone.

Order of refusals as in the real service: an unknown action, an unknown caller, parameters that break a constraint, what the
caller may not do. Wire facts: docs/reference/aws-wire.md#query-requests.
"""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import iscoroutinefunction

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.names import GLOBAL_STS, host_name
from brownout.identity.aws.protocol.answers import render
from brownout.identity.aws.protocol.calls import AskedOperation, find_operation
from brownout.identity.aws.regional.annex import GLOBAL_REGION, VENDOR
from brownout.identity.aws.regional.query import refusal
from brownout.identity.aws.regional.surface import AwsSurface
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.call import StsCall, StsResult, check_session
from brownout.identity.aws.sts.table import OPERATIONS
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.surface import Served

AT_ONCE = frozenset(name for name, run in OPERATIONS.items() if not iscoroutinefunction(run))


class Sts(AwsSurface):
    """The surface of STS."""

    def __init__(self, node: TokenNode) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, TokenAnnex), "a token node has the account and what STS needs beside it"
        super().__init__(annex, "sts", OPERATIONS)
        self._annex = annex
        self._regional, self._global = (annex.aws_region,), (GLOBAL_REGION,)
        self._clients_have_clocks = annex.node.settings.real_client_clocks

    def at_once(self, request: Request) -> Served | None:
        """The answer of an operation that asks no other node, as nearly all of them: this is `serve` without a coroutine."""
        annex = self._annex
        if annex.node.capacity.on:
            return None
        new_id = annex.node.ports.new_id
        try:
            asked = find_operation(self.service, request)
        except AwsError as refused:
            return Served(refusal(annex, self.service, refused, new_id()), annex.hop())
        if asked.operation.name not in AT_ONCE:
            return None
        request_id = new_id()
        try:
            result, signer = self._run(request, asked)
            assert isinstance(result, dict), asked.operation.name
            response = render(asked.operation, self._in_clients_time(result, signer), request_id)
        except AwsError as refused:
            response = refusal(annex, self.service, refused, request_id)
        return Served(response, annex.hop())

    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        result, signer = self._run(request, asked)
        if isinstance(result, Awaitable):
            result = await result
        return render(asked.operation, self._in_clients_time(result, signer), request_id), ""

    def _run(self, request: Request, asked: AskedOperation) -> tuple[StsResult | Awaitable[StsResult], Caller | None]:
        """What the operation makes of the request, and who signed it; raises AwsError."""
        is_global = host_name(request) == GLOBAL_STS
        signer = None
        if asked.operation.is_signed:
            signer = self._annex.authenticate(request, "sts", self._global if is_global else self._regional)
            check_session(signer, asked.operation.name)
        run = OPERATIONS[asked.operation.name]
        return run(StsCall(self._annex, request, asked.call().params, signer, is_global)), signer

    def _in_clients_time(self, result: StsResult, signer: Caller | None) -> StsResult:
        """The result with the end of its credentials by the clock of the client, where that is another than the stack's."""
        made = result.get("Credentials") if self._clients_have_clocks else None
        if not isinstance(made, dict):
            return result
        ends_s = self._annex.client_time(made["Expiration"], None if signer is None else signer.signed_s)
        if ends_s == made["Expiration"]:
            return result
        return {**result, "Credentials": {**made, "Expiration": ends_s}}
