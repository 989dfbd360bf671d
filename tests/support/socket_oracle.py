"""What a plain socket sees on a link, from inside the network where the link begins: no HTTP client, no retries, no pool.

A small program runs in that network's prober and obeys one line at a time. It keeps one connection open from before the
fault and makes a new one during it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROGRAM = """
import json, socket, sys

address, PATIENCE_S = (sys.argv[1], int(sys.argv[2])), 1.0

def whole(got):
    head, end, body = got.partition(b"\\r\\n\\r\\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) >= int(lengths[0])

def heard(connection, patience_s):
    connection.settimeout(patience_s)
    got = b""
    try:
        while not whole(got):
            more = connection.recv(65536)
            if not more:
                return "FIN"
            got += more
        return "answer"
    except TimeoutError:
        return "silence"
    except ConnectionResetError:
        return "RST"

def asked(connection, request):
    try:
        connection.sendall(request.encode())
    except (BrokenPipeError, ConnectionResetError):
        return "RST"
    return heard(connection, PATIENCE_S)

def new(request):
    try:
        connection = socket.create_connection(address, timeout=PATIENCE_S)
    except ConnectionRefusedError:
        return ["refused", ""]
    except TimeoutError:
        return ["never made", ""]
    with connection:
        return ["made", asked(connection, request)]

opened = None
for line in sys.stdin:
    order = json.loads(line)
    if order["do"] == "open":
        opened = socket.create_connection(address, timeout=5)
        told = asked(opened, order["request"])
    elif order["do"] == "unasked":
        told = heard(opened, 0.3)
    elif order["do"] == "ask":
        told = asked(opened, order["request"])
    elif order["do"] == "new":
        told = new(order["request"])
    else:
        told = heard(opened, 8.0)
    print(json.dumps(told), flush=True)
"""


class Oracle:
    """The program in the prober. `open` comes first; every order's result is what the socket saw."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, do: str, request: str = "") -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "request": request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program in the prober ended"
        return json.loads(line)


@contextmanager
def oracle(container: str, address: str) -> Iterator[Oracle]:
    """Runs the program in a container, against `host:port`, for as long as the block lasts."""
    host, _, port = address.rpartition(":")
    command = ["docker", "exec", "--interactive", container, "python3", "-I", "-c", PROGRAM, host, port]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Oracle(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def http(method: str, path: str, headers: dict[str, str], body: Any = None) -> str:
    """A request as text, on a connection that is kept."""
    content = "" if body is None else json.dumps(body)
    lines = {"host": "oracle", **headers, "content-length": str(len(content)), "content-type": "application/json"}
    return f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n" + content
