"""Bytes at the doors of the edge: requests to the CONNECT proxy, and TLS with any server name or none, changed.

The edge is real, the nodes behind it echo. Each answer is HTTP, TLS or an end of the connection. The edge logs no error, keeps
no files open, and goes on leading sound clients.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import socket
import ssl
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from brownout.identity.server.edge.server_context import tell_of_bad_names
from fuzz.nasty import WORDS
from fuzz.shaken import HEADERS, VALUES
from support.edge_bench import EdgeBench, edge_bench

PATIENCE_S, OPEN_MORE, SOUND_EVERY = 20.0, 40, 20
REGION, NAME = "sydney", "sts.ap-southeast-2.amazonaws.com"
NAMES = (
    NAME, "sts.amazonaws.com", NAME.upper(), f"{NAME}.", f".{NAME}", "localhost", "127.0.0.1", "[::1]", "169.254.169.254",
    "example.com", "", "*", f"*.{NAME}", "a" * 300, "xn--", "é.com", "a b", "user@sts.amazonaws.com", f"{NAME}\0.x", "%00",
)  # fmt: skip
PORTS = (":443", ":443", ":443", ":80", ":0", ":99999", ":-1", ":", "", ":443:443", ":٣", ":4 43")
ENDS = (
    b"\r\n\r\n",
    b"\r\n\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n",
    b"",
    b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\x16\x03\x01",
)


class _Errors(logging.Handler):
    """What the edge logs as an error: a connection that was not served because of a mistake of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(f"{record.getMessage()[:60]}: {type(error).__name__}: {str(error)[:60]}")


class _Edge:
    """One edge for all cases of the process."""

    def __init__(self) -> None:
        stack = ExitStack()
        atexit.register(stack.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.bench: EdgeBench = stack.enter_context(edge_bench(folder, regions=(REGION, "melbourne"), vendors=("aws", "azure")))
        self.errors = _Errors()
        for name in ("brownout.identity.server", "asyncio"):
            logging.getLogger(name).addHandler(self.errors)
        sys.unraisablehook = lambda told: self.errors.found.append(f"{type(told.exc_value).__name__} that nothing could catch")
        tell_of_bad_names()  # as a node's process does
        self.hello = _hello(NAME)
        self.tries = 0
        assert self.sound() == "", "the edge leads before anything is tried"
        self.files = _open_files()

    def talk(self, door: str, data: bytes) -> bytes:
        """What comes back until the edge closes; raises TimeoutError."""
        with socket.create_connection(("127.0.0.1", self.bench.ports[door]), timeout=PATIENCE_S) as connection:
            found = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65_536):
                    found += part
            except TimeoutError:
                raise
            except OSError:  # the edge ended the connection while we were talking, which it may
                return found
            return found

    def sound(self) -> str:
        """Why a sound client is not led to its node, "" when it is."""
        context = ssl.create_default_context(cafile=str(self.bench.ca_bundle))
        try:
            with socket.create_connection(("127.0.0.1", self.bench.ports[f"proxy.{REGION}"]), timeout=PATIENCE_S) as plain:
                plain.sendall(f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode())
                if not plain.recv(1_000).startswith(b"HTTP/1.1 200 "):
                    return "a sound client gets no way"
                with context.wrap_socket(plain, server_hostname=NAME) as secured:
                    secured.sendall(f"GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n".encode())
                    return "" if secured.recv(1_000).startswith(b"HTTP/1.1 200 ") else "a sound client gets no answer"
        except (OSError, ssl.SSLError) as failed:
            return f"a sound client is not led: {type(failed).__name__}"


_edge: list[_Edge] = []


def attempt(draw: random.Random, work: Path) -> tuple[str, str]:
    """What was sent to which door, and which promise the edge broke; "" for none."""
    if not _edge:
        _edge.append(_Edge())
    edge = _edge[0]
    edge.tries += 1
    edge.errors.found.clear()
    if draw.randrange(2):
        door, data, wanted = f"proxy.{REGION}", _connect(draw), (b"HTTP/1.1 ",)
    else:
        door = draw.choice([door for door in sorted(edge.bench.ports) if not door.startswith("proxy.")])
        data, wanted = _tls(draw, edge.hello), (b"HTTP/1.1 ", b"\x15\x03", b"\x16\x03")
    sent = f"{door}: {data[:400]!r}"
    try:
        answer = edge.talk(door, data)
    except TimeoutError:
        return sent, f"no end within {PATIENCE_S:g} s"
    if answer and not answer.startswith(wanted):
        return sent, f"answered with what is neither HTTP nor TLS: {answer[:40]!r}"
    if edge.errors.found:
        return sent, f"logged {edge.errors.found[0]}"
    if edge.tries % SOUND_EVERY == 0 and (worse := edge.sound()):
        return sent, worse
    more = _open_files() - edge.files
    return sent, f"{more} files more are open" if more > OPEN_MORE else ""


def _connect(draw: random.Random) -> bytes:
    method = draw.choice(("CONNECT", "CONNECT", "CONNECT", "connect", "GET", "POST", "PRI", "", "CONNECT "))
    target = draw.choice(NAMES) + draw.choice(PORTS) if draw.randrange(4) else draw.choice(WORDS)
    version = draw.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.", "", "x" * 17_000))
    lines = [f"{method} {target} {version}".encode("utf-8", "surrogatepass")]
    lines += [draw.choice(HEADERS).encode() + b": " + draw.choice(VALUES) for _ in range(draw.choice((0, 0, 1, 4)))]
    return _cut(draw, draw.choice((b"\r\n", b"\r\n", b"\n")).join(lines) + draw.choice(ENDS))


def _tls(draw: random.Random, hello: bytes) -> bytes:
    """A first message of TLS with another name, other octets or other lengths; or none at all."""
    match draw.randrange(5):
        case 0:
            name = draw.choice(NAMES)
            try:
                return _hello(name)
            except (ValueError, TypeError, OSError):  # no client could send it
                return name.encode()
        case 1:
            return hello.replace(NAME.encode(), draw.randbytes(len(NAME)))
        case 2:
            return draw.choice((b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16", b"\x80\x2e\x01", draw.randbytes(200), b""))
    changed = bytearray(hello)
    for _ in range(draw.choice((1, 2, 8))):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return _cut(draw, bytes(changed))


def _cut(draw: random.Random, data: bytes) -> bytes:
    match draw.randrange(6):
        case 0:
            return data[: draw.randrange(len(data) + 1)]
        case 1:
            at = draw.randrange(len(data) + 1)
            return data[:at] + draw.randbytes(draw.choice((1, 4, 200))) + data[at:]
    return data


def _hello(name: str) -> bytes:
    """The first message of a client that names this server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name or None)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake needs an answer")


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are all that is needed
