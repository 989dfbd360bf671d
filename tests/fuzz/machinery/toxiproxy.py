"""What Toxiproxy answers, changed: the adapter returns or raises a WorldError, and it comes to an end.

A server on loopback gives a sound answer for each request, one or two of which a case changes: in its status, its JSON, its
bytes, or by an end of the connection.
"""

from __future__ import annotations

import atexit
import json
import random
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brownout.harness.effects import LinkEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.toxiproxy import client
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from brownout.harness.worlds.toxiproxy.holds import marker_of
from fuzz.civil import Hangs, ends_within
from fuzz.nasty import JSON_VALUES, WORDS
from fuzz.shaken import _value

LIMIT_S, SILENCE_S = 30.0, 0.05
LINK, FAULT = "client->sydney.host", "f-1-link"
SLOW = LinkEffect("slow", "both", 40, 0)
CALLS: Mapping[str, Callable[[Toxiproxy], object]] = {
    "version": Toxiproxy.version,
    "names": Toxiproxy.names,
    "survey": Toxiproxy.survey,
    "read": lambda server: server.read(LINK),
    "hold": lambda server: server.hold(LINK, FAULT, SLOW),
    "refuse": lambda server: server.hold(LINK, FAULT, LinkEffect("refuse")),
    "release": lambda server: server.release(LINK, FAULT),
    "create": lambda server: server.create("a->b", "127.0.0.1:0", "127.0.0.1:1"),
    "ready": lambda server: server.wait_ready(0.0),
}
STATUSES = (200, 200, 201, 204, 299, 301, 400, 404, 409, 418, 500, 503, 999)


class _Change(NamedTuple):
    """Which request's answer is changed, how, and by which seed."""

    number: int
    how: str
    seed: int


class _Server:
    """Toxiproxy's routes with one proxy, that remembers nothing."""

    def __init__(self) -> None:
        self.changes: tuple[_Change, ...] = ()
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        atexit.register(self._listener.close)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the process ends
                return
            with connection:
                connection.settimeout(2.0)
                try:
                    self._answer(connection)
                except OSError:
                    continue  # the client has gone

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (part := connection.recv(65_536)):
                return
            head += part
        method, path, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {path.decode()}")
        number = len(self.asked)
        status, body = _sound(method.decode(), path.decode())
        for change in self.changes:
            if change.number == number:
                self._send_changed(connection, change, status, body)
                return
        connection.sendall(_http(status, json.dumps(body).encode()))

    @staticmethod
    def _send_changed(connection: socket.socket, change: _Change, status: int, body: Any) -> None:
        draw = random.Random(change.seed)
        data = json.dumps(body).encode()
        match change.how:
            case "json":
                connection.sendall(_http(status, json.dumps(_value(draw, body)).encode("utf-8", "surrogatepass")))
            case "other":
                connection.sendall(_http(status, draw.choice((*JSON_VALUES, *WORDS)).encode("utf-8", "surrogatepass")))
            case "status":
                connection.sendall(_http(draw.choice(STATUSES), draw.choice((data, b"", b'{"error": 5}', b"x", b"null"))))
            case "bytes":
                whole = _http(status, data)
                at = draw.randrange(len(whole))
                changed = (
                    whole[:at],
                    whole[:at] + draw.randbytes(3) + whole[at:],
                    draw.randbytes(60),
                    b"HTTP/1.1 200 OK\r\n\r\n",
                )
                connection.sendall(draw.choice(changed))
            case "silence":
                connection.settimeout(10 * SILENCE_S)
                connection.recv(1)
            case _:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _sound(method: str, path: str) -> tuple[int, Any]:
    """What a server with one proxy under one hold answers."""
    marker = {"name": marker_of(FAULT, SLOW), "type": "noop", "stream": "downstream", "toxicity": 1, "attributes": {}}
    toxics = [marker] + [
        {"name": f"{FAULT}|latency|{stream}", "type": "latency", "stream": stream, "toxicity": 1,
         "attributes": {"latency": 40, "jitter": 0}}
        for stream in ("upstream", "downstream")
    ]  # fmt: skip
    proxy = {"name": LINK, "listen": "127.0.0.1:5", "upstream": "127.0.0.1:6", "enabled": True, "toxics": toxics}
    if method == "GET":
        known = {"/version": {"version": "2.12.0"}, "/proxies": {LINK: proxy}}
        return (200, known[path]) if path in known else (200, toxics) if path.endswith("toxics") else (200, proxy)
    if path == "/populate":
        return 201, {"proxies": [{**proxy, "name": "a->b", "upstream": "127.0.0.1:1", "toxics": []}]}
    return (204, None) if method == "DELETE" else (200, proxy)


def _http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status, len(body), body,
    )  # fmt: skip


_server: list[_Server] = []


def attempt(draw: random.Random, work: Path) -> tuple[str, str]:
    """Which call met which answers, and what it raised that it may not; "" for nothing."""
    if not _server:
        client.CONNECT_TIMEOUT_S = client.ANSWER_TIMEOUT_S = SILENCE_S * 4
        _server.append(_Server())
    server, name = _server[0], draw.choice(sorted(CALLS))
    hows = (
        "json",
        "json",
        "json",
        "other",
        "status",
        "bytes",
        "bytes",
        "reset",
        *(("silence",) if draw.randrange(20) == 0 else ()),
    )
    numbers = [draw.choice((1, 1, 2, 3, 5)) for _ in range(draw.choice((1, 1, 2)))]
    server.changes = tuple(_Change(number, draw.choice(hows), draw.randrange(2**32)) for number in numbers)
    server.asked = []
    made = f"{name}: {server.changes}"
    try:
        with ends_within(LIMIT_S):
            CALLS[name](Toxiproxy(server.url))
    except Hangs:
        return made, f"{name}: no end within {LIMIT_S:g} s"
    except WorldError as error:
        return made, "" if error.message.strip() else f"{name}: an error without a word"
    except Exception as error:  # whatever it is: a command would show a traceback
        frames = traceback.extract_tb(error.__traceback__)
        own = next((frame for frame in reversed(frames) if "/harness/" in frame.filename), frames[-1])
        return made, f"{name}: {type(error).__name__} in {Path(own.filename).name}:{own.name}"
    return made, ""
