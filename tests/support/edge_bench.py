"""The edge with its real doors before servers that stand in for the stack's nodes, for clients in this or another process."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import uvloop

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.edge.node import Edge
from brownout.identity.core.topology import CLIENT, EDGE_NODE, NodeSpec, StackSpec, Vendor
from brownout.identity.names import endpoint_names
from brownout.identity.roles import build_node
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.edge.authority import make_authority
from brownout.identity.server.edge.doors import Doors
from brownout.identity.server.ports import SocketPorts
from brownout.identity.server.signing import JwtSigner
from brownout.identity.server.spec_file import ServedStack

T = TypeVar("T")
REGIONS = ("virginia", "dublin", "tokyo", "hongkong")
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::123456789012:user/admin</Arn><UserId>AIDA</UserId><Account>123456789012</Account>"
    "</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)
USERS = (
    '<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><Users/><IsTruncated>false'
    "</IsTruncated></ListUsersResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ListUsersResponse>"
)


class Seen(NamedTuple):
    """A request as a node got it: the node, the host that the client meant, and the region and service of the signature."""

    node: str
    host: str
    region: str
    service: str


class EdgeBench:
    """One edge. `seen` are the requests that got to a node, in their order."""

    def __init__(
        self, folder: Path, regions: tuple[str, ...], settings: Mapping[str, Any], vendors: tuple[Vendor, ...] = ("aws",)
    ) -> None:
        self.spec: StackSpec = build_stack(seed=1, regions=regions, vendors=vendors, settings=settings)
        self.ca_bundle = folder / "ca.pem"
        self.seen: list[Seen] = []
        self.ports: dict[str, int] = {}
        self._folder = folder
        self._loop = uvloop.new_event_loop()  # as in a node's process
        self.edge: Edge
        self.doors: Doors
        self._servers: dict[str, asyncio.Server] = {}
        self._listeners = {door: _bound() for door in self.spec.doors()}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine beside the edge."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20.0)

    def hold(self, fault_id: str, **value: Any) -> None:
        """Throws the switch for names."""
        self.run(self.edge.holds.put(fault_id, "name", value))

    def release(self, fault_id: str) -> None:
        self.run(self.edge.holds.release(fault_id))

    def close_node(self, node: str) -> None:
        """From now on connections to the node are refused."""
        self._loop.call_soon_threadsafe(self._servers[node].close)

    def environment(self, region: str) -> dict[str, str]:
        """The environment of a client that stands in the region and chooses endpoints by its own rules."""
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.ports[f'proxy.{region}']}",
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }

    async def start(self) -> None:
        links = {}
        for link in self.spec.links():
            if link.source == CLIENT and link.target != EDGE_NODE:
                server = await asyncio.start_server(self._node(link.target), "127.0.0.1", 0)
                self._servers[link.target] = server
                links[str(link)] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        authority = make_authority("bench", endpoint_names(self.spec))
        self.ca_bundle.write_text(authority.ca, encoding="ascii")
        served = ServedStack(self.spec, Clock.starting_now(0.0, 1.0), links=links, authority=authority)
        records = DurableRecords(self._folder / "edge.sqlite")
        ports = SocketPorts(clock=served.clock, addresses=served.addresses_for(EDGE_NODE), signer=JwtSigner(), records=records)
        node = build_node(NodeSpec(EDGE_NODE, self.spec), ports)
        assert isinstance(node, Edge)
        self.edge, self.doors = node, Doors(node, served)
        self.ports = {door: listener.getsockname()[1] for door, listener in self._listeners.items()}
        await self.doors.open(self._listeners)

    async def stop(self) -> None:
        self.doors.close()
        for server in self._servers.values():
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait(others or {asyncio.create_task(asyncio.sleep(0))}, timeout=5.0)
        await asyncio.sleep(0.05)  # transports tell of their end in a later turn of the loop

    def _node(self, name: str) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    length = re.search(r"(?i)content-length: (\d+)", head)
                    await reader.readexactly(int(length.group(1)) if length else 0)
                    body = self._answer(name, head)
                    writer.write(
                        f"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
                    )
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.transport.abort()

        return serve

    def _answer(self, node: str, head: str) -> str:
        host = re.search(r"(?i)\r\nhost: (\S+)", head)
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", head)
        region, service = scope.groups() if scope else ("", "")
        self.seen.append(Seen(node, host.group(1) if host else "", region, service))
        answers = {"iam": USERS, "secretsmanager": '{"Name": "s", "SecretString": "x"}'}
        return answers.get(service, IDENTITY)


def _bound() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@contextmanager
def edge_bench(
    folder: Path, *, regions: tuple[str, ...] = REGIONS, vendors: tuple[Vendor, ...] = ("aws",), **settings: Any
) -> Iterator[EdgeBench]:
    """An edge whose home region is the first of `regions`, served for as long as the block lasts."""
    bench = EdgeBench(folder, regions, settings, vendors)
    loop = bench._loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    with ExitStack() as undo:
        undo.callback(loop.close)
        undo.callback(thread.join, 5.0)
        undo.callback(loop.call_soon_threadsafe, loop.stop)
        bench.run(bench.start())
        undo.callback(lambda: bench.run(bench.stop()))
        yield bench
