"""Signatures of requests that came through a node's own HTTP server: nothing that is signed changes on the way."""

from __future__ import annotations

import asyncio

import pytest

from brownout.identity import wire
from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import Request, Response
from support.aws_signed_requests import generated
from support.aws_signing import MELBOURNE, NOW_S, SYDNEY, account_of
from support.http_nodes import served

ACCOUNTS = {region: account_of(region) for region in (SYDNEY, MELBOURNE, "us-east-1")}


class Verifier:
    """A node that says whether a request is signed for its service and region."""

    service, region = "sts", SYDNEY

    async def handle(self, request: Request) -> Response:
        try:
            authenticate(request, self.service, (self.region,), ACCOUNTS[self.region], NOW_S)
        except AwsError as error:
            return Response(error.status, {"code": error.code, "message": error.message})
        return Response(200, {"code": "good"})


@pytest.mark.parametrize("seed", range(40, 44))
def test_signatures_survive_the_way_to_a_node(seed: int) -> None:
    """Odd paths, escapes, doubled headers, blanks and payloads arrive as they were signed, all on one connection."""

    async def story() -> list[tuple[bytes, Request]]:
        node, wrong = Verifier(), []
        async with served(node) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for request, node.service, node.region in generated(seed):
                writer.write(wire.encode_request(request, "never"))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                body = b"" if request.method == "HEAD" else await reader.readexactly(length)
                if b" 200 " not in head:
                    wrong.append((head + body, request))
            writer.close()
        return wrong

    assert asyncio.run(story()) == []
