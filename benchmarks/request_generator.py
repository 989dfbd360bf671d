"""`python -m benchmarks.request_generator`: sends prepared requests to one address, over and over, on keep-alive connections.

The job is a line of JSON on its standard input. Every connection has one request under way at a time, and every answer is
read to its end and looked at. At the end a line of JSON (a `Burst`) says how many there were, and how busy every process was.

On one connection the generator is half of every round trip, so it does little between an answer and the next request: plain
sockets without an event loop, and an answer is looked at while the server works on the next one. Nor does it sleep where it has
a core of its own: to wake a core of a virtual machine takes as long as the whole round trip to a server that does nothing, and
it is the server who does that, in its own time, with every answer. What is left of the way there and back is measured with such
a server (benchmarks/bare_server.py).
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import cycle

from pydantic import BaseModel, ConfigDict

from benchmarks.costs import cpu_s
from benchmarks.report import percentile
from benchmarks.stands import ROOT

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")  # in a head of small letters, as the next
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n")
_HEAD_END, _GOOD = b"\r\n\r\n", (b"HTTP/1.1 200", b"HTTP/1.0 200")
_MOST_BYTES = 262_144  # that are read at once
_LOOKS_UP_S = 0.25  # how long it sleeps before it looks at the clock, where it has to share a core with the server
WARM_UP_S = 0.3
START_WITHIN_S = 30.0


class Job(BaseModel):
    """What to do: for how long, on how many connections, and the pids (by name) whose processor time is to be taken.

    `requests` are sent in turn, each as it goes over the wire (as Latin-1). `mark` is what every good answer contains. With
    `once` none is sent a second time: the first moments count then, and the burst is over when all are answered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    requests: tuple[str, ...]
    mark: str
    connections: int
    length_s: float
    pids: Mapping[str, int]
    once: bool = False


class Burst(BaseModel):
    """How it went. `cpu_shares` are of one core, by process name; the generator itself is `generator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    took_s: float
    bad: int
    p50_ms: float
    p99_ms: float
    cpu_shares: Mapping[str, float]

    @property
    def rate_per_s(self) -> float:
        return self.requests / self.took_s


class Connection:
    """One connection; `latencies_ms` and `bad` are of the answers since they were last cleared.

    Where a server ends its connection after an answer, `connect` is asked for another one, which is in no latency. `opened` is
    told of each. It is not `alive` any more when there is nothing left to send, and when the server ended it in between.
    """

    def __init__(
        self,
        requests: Iterator[bytes],
        mark: bytes,
        connect: Callable[[], socket.socket],
        opened: Callable[[Connection], object] = lambda _: None,
    ) -> None:
        self._requests, self._mark, self._connect, self._opened = requests, mark, connect, opened
        self._received = b""
        self._sent_s = 0.0
        self.latencies_ms: list[float] = []
        self.bad = 0
        self._open()

    def _open(self) -> None:
        self._socket = self._connect()
        self._opened(self)
        self._send()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _send(self) -> None:
        request = next(self._requests, None)
        self.alive = request is not None
        self._sent_s = time.perf_counter()
        if request is not None:
            self._socket.sendall(request)

    def take(self) -> None:
        """Reads what came. After a whole answer the next request is sent, and only then the answer is looked at."""
        try:
            came = self._socket.recv(_MOST_BYTES)
        except BlockingIOError:
            return  # nothing yet
        except ConnectionError:
            came = b""
        if not came:
            self.bad, self.alive = self.bad + 1, False
            self._socket.close()
            return
        answer = self._received + came if self._received else came
        head = whole_head(answer)
        if head is None:
            self._received = answer
            return
        self._received, sent_s = b"", self._sent_s
        latency_ms = 1000 * (time.perf_counter() - sent_s)
        if _CLOSE.search(head):
            self._socket.close()
            self._open()
        else:
            self._send()
        self.latencies_ms.append(latency_ms)
        self.bad += not (answer.startswith(_GOOD) and self._mark in answer)

    def clear(self) -> None:
        self.latencies_ms, self.bad = [], 0

    def close(self) -> None:
        self._socket.close()


def whole_head(answer: bytes) -> bytes | None:
    """The head of an answer in small letters; None while the answer is not whole."""
    head_end = answer.find(_HEAD_END)
    if head_end < 0:
        return None
    head = answer[: head_end + 2].lower()
    length = _LENGTH.search(head)
    if length is not None and len(answer) < head_end + len(_HEAD_END) + int(length[1]):
        return None
    return head


def connected(host: str, port: int) -> socket.socket:
    """A connection on which nothing waits. A request is far smaller than what the kernel takes at once."""
    made = socket.create_connection((host, port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


def answer_to(host: str, port: int, request: bytes) -> bytes:
    """The whole answer to one request; raises ConnectionError where there is none."""
    answer = b""
    with closing(socket.create_connection((host, port), timeout=START_WITHIN_S)) as connection:
        connection.sendall(request)
        while whole_head(answer) is None:
            came = connection.recv(_MOST_BYTES)
            if not came:
                raise ConnectionResetError(f"{host}:{port} ended the connection before its answer did")
            answer += came
    return answer


class _Driver:
    """Takes answers of all connections, each as it comes."""

    def __init__(self, job: Job) -> None:
        encoded, mark = [each.encode("latin-1") for each in job.requests], job.mark.encode("latin-1")
        requests = iter(encoded) if job.once else cycle(encoded)
        self._poll, self._by_number = select.epoll(), dict[int, Connection]()
        self.connections = [
            Connection(requests, mark, lambda: connected(job.host, job.port), self._opened) for _ in range(job.connections)
        ]

    def _opened(self, connection: Connection) -> None:
        self._poll.register(connection, select.EPOLLIN)
        self._by_number[connection.fileno()] = connection

    def run(self, length_s: float) -> None:
        """Goes on for so long and at least for one answer, or until no connection has anything to wait for."""
        until_s = time.perf_counter() + length_s
        sleeps_s = 0.0 if len(os.sched_getaffinity(0)) > 1 else _LOOKS_UP_S
        if len(self.connections) == 1 and not sleeps_s:
            (only,) = self.connections
            while only.alive and (time.perf_counter() < until_s or not only.latencies_ms):
                only.take()
            return
        working = sum(connection.alive for connection in self.connections)
        while working and (time.perf_counter() < until_s or not any(each.latencies_ms for each in self.connections)):
            for number, _ in self._poll.poll(sleeps_s):
                connection = self._by_number[number]
                connection.take()
                working -= not connection.alive


def burst(job: Job) -> Burst:
    """Runs the job; what comes in the first moments, while connections are made, is not counted unless it goes `once`."""
    driver = _Driver(job)
    connections: Sequence[Connection] = driver.connections
    if not job.once:
        driver.run(WARM_UP_S)
    before = _busy_s(job)
    for connection in connections:
        connection.clear()
    started_s = time.perf_counter()
    driver.run(job.length_s)
    took_s = time.perf_counter() - started_s
    after = _busy_s(job)
    latencies_ms = [latency for connection in connections for latency in connection.latencies_ms]
    some_ms = latencies_ms or [0.0]  # without an answer all are bad, and `burst_apart` says so
    for connection in connections:
        connection.close()
    return Burst(
        requests=len(latencies_ms),
        took_s=took_s,
        bad=sum(connection.bad for connection in connections),
        p50_ms=percentile(some_ms, 0.5),
        p99_ms=percentile(some_ms, 0.99),
        cpu_shares={name: (after[name] - before[name]) / took_s for name in before},
    )


def _busy_s(job: Job) -> Mapping[str, float]:
    return {"generator": time.process_time()} | {name: cpu_s(pid) for name, pid in job.pids.items()}


def burst_apart(job: Job) -> Burst:
    """The job done in a process of its own; raises RuntimeError when an answer was not good."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.request_generator"],
        input=job.model_dump_json().encode(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=job.length_s + START_WITHIN_S,
        check=True,
    )
    found = Burst.model_validate_json(done.stdout)
    if found.bad or not found.requests:
        raise RuntimeError(f"{found.bad} of {found.requests} answers were not good")
    return found


if __name__ == "__main__":
    print(burst(Job.model_validate_json(sys.stdin.buffer.read())).model_dump_json())
