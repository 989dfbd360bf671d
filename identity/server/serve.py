"""One node as one process: its ports, its HTTP server, its background tasks.

The process ends, with a traceback in its log, when the node cannot start or a background task ends. A node that worked only in
part would make a defect of the harness look like a failure of the service.

Theory. A process can play several *lives* of its node, one after the other. Nothing of a life is kept for the next: the node,
its ports, its sockets, its event loop and its file of records are made anew, and the code keeps nothing that is a node's (a
simulation has always run one stack after the other in one process). What is spared is what only a new process has to do: it
copies each page that it shares with its parent when it first writes to it, which takes several times as long as the start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from brownout.identity.core.edge.node import Edge
from brownout.identity.core.node import Node
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import DIRECTORY, EDGE_NODE, NodeSpec
from brownout.identity.roles import build_node
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.edge.doors import Doors
from brownout.identity.server.edge.server_context import tell_of_bad_names
from brownout.identity.server.ending import EndAsked
from brownout.identity.server.http_server import HttpServer, run_server
from brownout.identity.server.log_lines import start_logging
from brownout.identity.server.ports import SocketPorts
from brownout.identity.server.signing import Algorithm, JwtSigner
from brownout.identity.server.spec_file import END, ENDED, PREPARE, READY, ServedStack

END_TIMEOUT_S = 1.0
TELL_S, TELL_INTERVAL_S = 2.0, 0.002
log = logging.getLogger("brownout.identity.server")

Opening = Callable[[], tuple[socket.socket, Mapping[str, socket.socket]]]


class BackgroundEndedError(Exception):
    """A background task, which must run as long as the node does, has ended."""


def run_node(
    served: ServedStack,
    name: str,
    folders: Iterator[Path],
    opening: Opening,
    starting: socket.socket,
    image_build: str = "",
) -> None:
    """Serves node `name` until the process is ended; the durable records of each of its lives are in the next of `folders`.

    `opening` blocks until a life may begin and returns its bound socket, and those of the edge's doors, which no other node
    has. READY is sent on `starting` once connections are accepted. Background tasks start when one byte comes back, so that no
    node calls another that does not accept connections yet. A second READY says, within TELL_S, that the node is ready.

    From then on two words are understood. By PREPARE what the next life will surely need is made while this one goes on; the
    next folder has to be there, and new. By END this life ends at once, whatever it is doing: its sockets are closed, ENDED is
    sent, and the next one waits for its `opening`.
    """
    start_logging()
    if name == EDGE_NODE:
        tell_of_bad_names()
    spec = NodeSpec(name, served.stack, image_build)
    over: list[DurableRecords] = []
    lives = (_Life(served, spec, folder, starting, over) for folder in folders)
    life: _Life | None = next(lives)
    while life is not None:
        life = run_server(life.run(*opening(), lives))
        if life is not None:
            starting.setblocking(True)
            starting.sendall(ENDED)


class _Life:
    """One life of a node, with its file of records and the maker of its keys."""

    def __init__(
        self, served: ServedStack, spec: NodeSpec, folder: Path, starting: socket.socket, over: list[DurableRecords]
    ) -> None:
        """`over` are files of lives before, which all lives share: they are closed when there is time for it."""
        self._served, self._spec, self._starting, self._over = served, spec, starting, over
        self._signer = JwtSigner(_algorithm(served))
        self._records = DurableRecords(folder / f"{spec.name}.sqlite")
        self._next: _Life | None = None

    async def run(
        self, listener: socket.socket, listeners: Mapping[str, socket.socket], lives: Iterator[_Life]
    ) -> _Life | None:
        """Lives, and returns the life that is to follow; None where the process was asked to end."""
        ports = SocketPorts(
            clock=self._served.clock,
            addresses=self._served.addresses_for(self._spec.name),
            signer=self._signer,
            records=self._records,
        )
        node = build_node(self._spec, ports)
        await node.start()
        await node.annexes.start()
        doors = Doors(node, self._served) if isinstance(node, Edge) and listeners else None
        if doors is not None:
            await doors.open(listeners)
        server, asked = HttpServer(node, node.surfaces, at_once=True, seen=node.seen), EndAsked()
        await server.open(listener)
        self._starting.sendall(READY)
        ending = asyncio.create_task(asked.wait())
        patience_s = END_TIMEOUT_S
        try:
            ended = await _first_ended(ending, asyncio.create_task(_released(self._starting)))
            if ended is not ending:
                telling = asyncio.create_task(_tell_ready(node, self._starting))
                renewing = asyncio.create_task(self._follow(lives))
                work = (*node.background(), *node.annexes.background())
                ended = await _first_ended(ending, renewing, *map(asyncio.create_task, work))
                telling.cancel()
                patience_s = 0.0 if ended is renewing else END_TIMEOUT_S
        finally:
            await server.close(patience_s=patience_s)
            if doors is not None:
                doors.close()
            ports.close()
            asked.close()
        if ended is ending:
            self._records.close()
            return None
        if ended is not renewing:
            raise BackgroundEndedError(f"{self._spec.name}: {ended.get_coro()} ended")
        self._over.append(self._records)
        return self._next or next(lives)

    async def _follow(self, lives: Iterator[_Life]) -> None:
        """Does what is asked for on `starting`; returns once this life is to end."""
        loop = asyncio.get_running_loop()
        while (word := await loop.sock_recv(self._starting, 1)) != END:
            if word == PREPARE and self._next is None:
                self._next = next(lives)
                await asyncio.to_thread(self._next.prepare)
            elif not word:  # there is no parent any more that could ask
                await loop.create_future()

    def prepare(self) -> None:
        """Makes what this life will surely need before it begins, and clears away what is left of those that are over."""
        try:
            self._records.open_ahead()
        except sqlite3.Error as failed:  # it is tried again at the begin, and ends the node then
            log.warning("the records of the next life cannot be made: %s", failed)
        if self._spec.parsed.role == DIRECTORY:
            self._signer.make_ahead()
        while self._over:
            self._over.pop().close()
        gc.collect()


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
    """Says on `starting` when the node is ready; not for ever, because it is asked over HTTP too."""
    until_s = time.monotonic() + TELL_S
    with suppress(BrokenPipeError):
        while not (node.ready and node.annexes.ready) and time.monotonic() < until_s:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(TELL_INTERVAL_S)
        if node.ready and node.annexes.ready:
            starting.send(READY)


def _algorithm(served: ServedStack) -> Algorithm:
    algorithms: dict[str, Algorithm] = {"ES256": "ES256", "RS256": "RS256"}
    return algorithms[Settings.of(served.stack.settings).token_alg]
