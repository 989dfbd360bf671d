"""`python -m brownout.identity.server.container NODE`: one node as the one process of its container.

Two files in the folder of the specification, which is shared by all containers of a stack, say what to do: `stack.json`
(a ServedStack, as spec_file writes it) and `go.json` (the stack's clock). A node imports everything, opens its port and
answers 503 `{"waiting": true}` until `go.json` is there. So the clocks of all nodes begin at one moment, although the
engine starts their containers one after another. A node that is started again later finds both files. The edge opens its
doors with the node.

An old image holds one build and no other; its environment names it (BROWNOUT_IMAGE_BUILD).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from brownout.identity.core.topology import EDGE_NODE
from brownout.identity.server import serve
from brownout.identity.server.http_server import BACKLOG
from brownout.identity.server.shared_spec import GO_NAME, door_ports, read_stack, resolved
from brownout.identity.server.spec_file import ServedStack

IMAGE_BUILD_VARIABLE = "BROWNOUT_IMAGE_BUILD"
SPEC_FOLDER, STATE_FOLDER = Path("/spec"), Path("/state")
PORT = 8080
LOOK_INTERVAL_S = 0.02
_WAITING = b'{"waiting":true}'
_NOT_YET = b"HTTP/1.1 503 Waiting\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"


def main(name: str) -> int:
    """The container's life; returns its exit code."""
    signal.signal(signal.SIGTERM, _stop)  # the first process of a container has no default for it
    with ExitStack() as held:
        listener = held.enter_context(_bound(PORT))
        listener.listen(BACKLOG)
        served = resolved(_await_go(listener, SPEC_FOLDER))
        doors = {door: held.enter_context(_bound(port)) for door, port in _doors_of(name, served).items()}
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(b"g")  # the file was the go; no other process has to be waited for
            image_build = os.environ.get(IMAGE_BUILD_VARIABLE, "")
            serve.run_node(served, name, iter((STATE_FOLDER,)), lambda: (listener, doors), theirs, image_build)
    return 0


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("0.0.0.0", port))  # noqa: S104  # its own network namespace
    return made


def _doors_of(name: str, served: ServedStack) -> Mapping[str, int]:
    """The ports of the doors that the node opens: none but the edge has any, and it needs a certificate for them."""
    return door_ports(served.stack) if name == EDGE_NODE and served.authority is not None else {}


def _stop(number: int, frame: object) -> None:
    os._exit(0)  # what was acknowledged is on disk; an exception here would end in whatever is running, with a traceback


def _await_go(listener: socket.socket, folder: Path) -> ServedStack:
    """The stack, with its clock, once it may begin; requests are answered with 503 until then."""
    while not (folder / GO_NAME).exists():
        ready, _, _ = select.select([listener], [], [], LOOK_INTERVAL_S)
        if ready:
            _answer_waiting(listener)
    return read_stack(folder)


def _answer_waiting(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(1.0)
        try:
            connection.recv(65536)
            connection.sendall(_NOT_YET % (len(_WAITING), _WAITING))
        except OSError:
            return  # it did not wait for its answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
