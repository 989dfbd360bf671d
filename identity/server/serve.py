"""One node as one process: its ports, its HTTP server, its background tasks.

The process ends, with a traceback in its log, when the node cannot start or a background task ends. A node that worked only in
part would make a defect of the harness look like a failure of the service.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from brownout.identity.core.edge.node import Edge
from brownout.identity.core.node import Node
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import DIRECTORY, NodeSpec
from brownout.identity.roles import build_node
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.edge.doors import Doors
from brownout.identity.server.edge.server_context import tell_of_bad_names
from brownout.identity.server.ending import EndAsked
from brownout.identity.server.http_server import HttpServer, run_server
from brownout.identity.server.log_lines import start_logging
from brownout.identity.server.ports import SocketPorts
from brownout.identity.server.signing import Algorithm, JwtSigner
from brownout.identity.server.spec_file import ServedStack

READY = b"r"
END_TIMEOUT_S = 1.0
TELL_S, TELL_INTERVAL_S = 2.0, 0.002

Opening = Callable[[], tuple[socket.socket, Mapping[str, socket.socket]]]


class BackgroundEndedError(Exception):
    """A background task, which must run as long as the node does, has ended."""


def run_node(
    served: ServedStack,
    name: str,
    folder: Path,
    opening: Opening,
    starting: socket.socket,
    image_build: str = "",
    *,
    ahead: bool = False,
) -> None:
    """Serves node `name` until the process is ended; its durable records are in `folder`.

    `opening` blocks until the node may begin and returns its bound socket, and those of the edge's doors, which no other node
    has. With `ahead` that may last, and `folder` is a new one: the file of records is made meanwhile, and the signing key of a
    directory. Sends one byte on `starting` once connections are accepted. Background tasks start when one byte comes back, so
    that no node calls another that does not accept connections yet. A second byte says, within TELL_S, that the node is ready.
    """
    start_logging()
    run_server(_run(served, NodeSpec(name, served.stack, image_build), folder, opening, starting, ahead))


async def _run(
    served: ServedStack,
    spec: NodeSpec,
    folder: Path,
    opening: Opening,
    starting: socket.socket,
    ahead: bool,
) -> None:
    name = spec.name
    signer, records = JwtSigner(_algorithm(served)), DurableRecords(folder / f"{name}.sqlite")
    ports = SocketPorts(
        clock=served.clock,
        addresses=served.addresses_for(name),
        signer=signer,
        records=records,
    )
    if ahead:
        records.open_ahead()
        build_node(spec, ports)  # never started: the pages that making a node copies are this process's own by its real start
        if spec.parsed.role == DIRECTORY:
            signer.make_ahead()
    listener, listeners = opening()  # blocks: nothing else is in this loop yet
    node = build_node(spec, ports)
    await node.start()
    await node.annexes.start()
    doors = Doors(node, served) if isinstance(node, Edge) and listeners else None
    if doors is not None:
        tell_of_bad_names()
        await doors.open(listeners)
    server, asked = HttpServer(node, node.surfaces, at_once=True, seen=node.seen), EndAsked()
    await server.open(listener)
    starting.sendall(READY)
    ending = asyncio.create_task(asked.wait())
    try:
        ended = await _first_ended(ending, asyncio.create_task(_released(starting)))
        if ended is not ending:
            telling = asyncio.create_task(_tell_ready(node, starting))
            work = (*node.background(), *node.annexes.background())
            ended = await _first_ended(ending, *map(asyncio.create_task, work))
            telling.cancel()
    finally:
        await server.close(patience_s=END_TIMEOUT_S)
        if doors is not None:
            doors.close()
        ports.close()
        asked.close()
    if ended is not ending:
        raise BackgroundEndedError(f"{name}: {ended.get_coro()} ended")


async def _first_ended(*tasks: asyncio.Task[None]) -> asyncio.Task[None]:
    """The first of the tasks to end; raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first = done.pop()
    first.result()
    return first


async def _released(starting: socket.socket) -> None:
    starting.setblocking(False)
    await asyncio.get_running_loop().sock_recv(starting, 1)


async def _tell_ready(node: Node, starting: socket.socket) -> None:
    """Says on `starting` when the node is ready, and closes it; not for ever, because it is asked over HTTP too."""
    until_s = time.monotonic() + TELL_S
    with starting, suppress(BrokenPipeError):
        while not (node.ready and node.annexes.ready) and time.monotonic() < until_s:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(TELL_INTERVAL_S)
        if node.ready and node.annexes.ready:
            starting.send(READY)


def _algorithm(served: ServedStack) -> Algorithm:
    algorithms: dict[str, Algorithm] = {"ES256": "ES256", "RS256": "RS256"}
    return algorithms[Settings.of(served.stack.settings).token_alg]
