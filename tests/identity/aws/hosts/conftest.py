from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from brownout.identity.aws.hosts.annex import HostAnnex
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from support.aws_machines import TokenNodes, host_of

TTL = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "x-aws-ec2-metadata-token"


@dataclass
class Metadata:
    """A host that is asked as machines ask it."""

    nodes: TokenNodes
    node: Node

    @property
    def annex(self) -> HostAnnex:
        annex = self.node.annexes["aws"]
        assert isinstance(annex, HostAnnex)
        return annex

    def ask(self, path: str, method: str = "GET", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self.node.handle(Request(method, path, {}, named)))

    def token(self, machine: str = "web-1", ttl: str = "21600") -> str:
        answer = self.ask(f"/{machine}/latest/api/token", "PUT", **{TTL: ttl})
        assert answer.status == 200, answer
        return answer.payload.decode()

    def hold(self, fault_id: str, **value: Any) -> Response:
        request = self.node.internal("PUT", f"/admin/holds/{fault_id}", {"switch": "metadata-answer", "value": value})
        return asyncio.run(self.node.handle(request))

    def refresh(self) -> None:
        asyncio.run(self.annex.refresh())


@pytest.fixture
def metadata() -> Metadata:
    """Sydney's host with token nodes that answer."""
    nodes = TokenNodes()
    return Metadata(nodes, host_of(nodes))
