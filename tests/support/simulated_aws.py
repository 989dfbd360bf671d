"""A simulated stack whose nodes hold a made-up account, and real boto3 clients that talk to it on its virtual clock.

There is no directory behind the account: tests publish it themselves, so they decide what each node knows and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.topology import MANAGEMENT, REGIONS, TOKEN, VAULT, NodeName
from support.published_accounts import AccountMaker

EPOCH_S = 1_735_689_600.0  # 2025-01-01T00:00:00Z
HOLDERS = (TOKEN, MANAGEMENT, VAULT)
STS_NODE = "sydney.token.z1"
DAY_S = 86_400.0
PATIENCE_S = 60.0  # as a boto3 client has


class SimulatedAws:
    """One world. `maker` makes its account; `publish` sends it."""

    def __init__(self, world: SimulationWorld) -> None:
        self.world = world
        self.maker = AccountMaker(world.spec, world.now())
        self.answers: list[Response] = []  # of the clients, with their headers

    @property
    def now_s(self) -> float:
        return self.world.now()

    def time(self) -> datetime:
        """The stack's time, as botocore asks for it."""
        return datetime.fromtimestamp(self.now_s, UTC)

    def node(self, name: str = STS_NODE) -> Node:
        node = self.world._nodes[name].node
        assert node is not None, f"{name} is down"
        return node

    def holders(self) -> Iterable[str]:
        """The nodes that keep the account and know about AWS."""
        return [
            name
            for name in self.world.spec.nodes()
            if "aws" in self.node(name).annexes and NodeName.parse(name).role in HOLDERS
        ]

    def publish(self, *names: str) -> list[Response]:
        """Sends the account as it is now to these nodes, or to all that keep it."""
        return [
            self.put_account(name, self.maker.account(NodeName.parse(name).region).to_json())
            for name in names or self.holders()
        ]

    def put_account(self, name: str, raw: Any) -> Response:
        return self.internal(name, "PUT", "/aws/account", raw)

    def internal(self, name: str, method: str, path: str, body: Any = None) -> Response:
        """What another node gets from that one."""
        node = self.node(name)
        return self.world.run(node.handle(node.internal(method, path, body)))

    def control(self, name: str, method: str, path: str, body: Any = None) -> Response:
        return self.world.run(self.world.control(name, Request(method, f"/admin{path}", body=body)))

    def hold(self, name: str, switch: str, fault_id: str = "f1", **value: Any) -> None:
        assert self.control(name, "PUT", f"/holds/{fault_id}", {"switch": switch, "value": value}).ok

    def release(self, name: str, fault_id: str = "f1") -> None:
        assert self.control(name, "DELETE", f"/holds/{fault_id}").ok

    def sleep(self, duration_s: float) -> None:
        self.world.run(self.world.sleep_until(self.now_s + duration_s))

    def client(
        self,
        service: str,
        credentials: Credentials | None,
        node: str = STS_NODE,
        *,
        region: str = "",
        host: str = "",
        **config: Any,
    ) -> Any:
        """A boto3 client of a service at a node, with no retries unless `config` says so.

        `host` is the name that it believes to talk to; `credentials` may be what another client's call returned.
        """
        keys = credentials or Credentials("", "")
        made = boto3.client(
            service,
            region_name=region or REGIONS[NodeName.parse(node).region].aws_name,
            endpoint_url=f"http://{host or '127.0.0.1:1'}",
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token or None,
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )
        made.meta.events.register_first("before-send.*.*", lambda request, **_: self._send(node, request))
        return made

    def _send(self, node: str, prepared: AWSPreparedRequest) -> AWSResponse:
        response = self.world.run(self.world.client(node, wire_request(prepared), timeout_s=PATIENCE_S))
        self.answers.append(response)
        headers = {name.decode(): value.decode() for name, value in response.raw_headers}
        return AWSResponse(prepared.url, response.status, headers, StreamedBody(response.payload))


class StreamedBody:
    """A response's body as botocore reads it."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._payload


def wire_request(prepared: AWSPreparedRequest) -> Request:
    """The request that botocore would have put on the wire."""
    parts = urlsplit(prepared.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [(b"Host", parts.netloc.encode())]
    for name, value in prepared.headers.items():
        lines.append((name.encode(), value if isinstance(value, bytes) else str(value).encode("latin-1")))
    body = prepared.body or b""
    return Request.raw(prepared.method, target, lines, body if isinstance(body, bytes) else body.encode())


@dataclass(frozen=True, slots=True)
class AwsRefusal:
    """What a boto3 client was refused with."""

    code: str
    status: int
    message: str
    exception: str


def refusal(call: Callable[..., Any], **params: Any) -> AwsRefusal:
    """The error that a client's method raises."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    told = refused.value.response
    status = told["ResponseMetadata"]["HTTPStatusCode"]
    assert told["ResponseMetadata"]["RequestId"], "every answer has a request id"
    return AwsRefusal(told["Error"]["Code"], status, told["Error"]["Message"], type(refused.value).__name__)


def temporary(answer: Any) -> Credentials:
    """The credentials that an operation of STS returned."""
    made = answer["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


@contextmanager
def simulated_aws(**settings: Any) -> Iterator[SimulatedAws]:
    """A stack that is up and whose nodes have the account; botocore's clock is the stack's.

    Nothing of Azure's half changes in these stories, so that is published once a day.
    """
    spec = build_stack(seed=3, settings={"publish_interval_s": DAY_S, **settings}, vendors=("aws", "azure"))
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    try:
        world.run(_start(world))
        aws = SimulatedAws(world)
        aws.publish()
        with mock.patch("botocore.auth.get_current_datetime", new=aws.time):
            yield aws
    finally:
        world.kernel.close()


async def _start(world: SimulationWorld) -> None:
    """Boots every node without waiting for those that have no account yet."""
    world._is_up = True
    for node in world._nodes.values():
        await node.boot()
    await world.kernel.sleep(1)
