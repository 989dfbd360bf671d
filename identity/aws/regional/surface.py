"""What the surfaces of AWS's services share: one order of steps, one way to refuse.

A request is found to ask for an operation; the service answers it or raises AwsError. Whatever is refused, also for its size,
is refused in the shape of the service that was asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container

from brownout.identity.aws.errors import AwsError, request_entity_too_large, service_unavailable, throttling
from brownout.identity.aws.protocol.answers import render_error
from brownout.identity.aws.protocol.calls import AskedOperation, find_operation, not_built
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.regional.query import is_query_request, refusal
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.surface import Overloaded, Served


class AwsSurface(ABC):
    """The surface of the service of that name, of which `built` operations are there."""

    def __init__(self, annex: RegionalAnnex, name: str, built: Container[str]) -> None:
        self._account, self._built = annex, built
        self.service = service(name)

    takes = staticmethod(is_query_request)

    def too_large(self, request: Request, text: str) -> Response:
        return render_error(self.service, request_entity_too_large(text), self._account.node.ports.new_id())

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        error = throttling() if refusal.status == 429 else service_unavailable()
        return render_error(self.service, error, self._account.node.ports.new_id())

    async def serve(self, request: Request) -> Served:
        request_id = self._account.node.ports.new_id()
        try:
            asked = find_operation(self.service, request)
            if asked.operation.name not in self._built:
                raise not_built(asked.operation)
            response, inner = await self.answer(request, asked, request_id)
        except AwsError as refused:
            return Served(refusal(self._account, self.service, refused, request_id), self._account.hop())
        return Served(response, self._account.hop(), inner)

    @abstractmethod
    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        """The answer and the trail of the nodes that were asked for it; raises AwsError."""
