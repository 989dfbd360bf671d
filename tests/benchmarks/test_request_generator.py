"""The generator of requests: each answer is read whole and looked at, and a job's requests are sent as it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

import pytest

from benchmarks.bare_server import HOST, standing_bare_server
from benchmarks.request_generator import Connection, Job, answer_to, burst, burst_apart

REQUEST = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"


@contextmanager
def a_connection(requests: Iterable[bytes], mark: bytes) -> Iterator[tuple[Connection, list[socket.socket]]]:
    """A connection of the generator, and the server's end of each that it made."""
    ends: list[socket.socket] = []

    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ends.append(theirs)
        return ours

    connection = Connection(iter(requests), mark, connect)
    try:
        yield connection, ends
    finally:
        connection.close()
        for end in ends:
            end.close()


@contextmanager
def a_server_that_hangs_up() -> Iterator[int]:
    """The port of a server that ends each connection with its first request."""

    def hang_up() -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(len(REQUEST))

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answers_of(*chunks: bytes) -> tuple[int, int]:
    """How many answers a connection of the generator takes these bytes for, and how many of them are bad."""
    with a_connection(repeat(b"?"), b";hit") as (connection, (server,)):
        for chunk in chunks:
            server.sendall(chunk)
            connection.take()
        return len(connection.latencies_ms), connection.bad


def test_the_generator_connects_again_where_the_server_ends_connections() -> None:
    """After an answer that says so the next request goes over another connection, and over the same otherwise."""
    with a_connection((b"one", b"two", b"three"), b"") as (connection, ends):
        ends[0].sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        connection.take()
        ends[0].sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.take()
        assert [end.recv(100) for end in ends] == [b"onetwo", b"three"]
        assert (len(connection.latencies_ms), connection.bad, connection.alive) == (2, 0, True)


def test_a_connection_that_the_server_ends_in_between_is_bad() -> None:
    """It counts as a bad answer, and the connection asks no more."""
    with a_connection(repeat(b"?"), b"") as (connection, (server,)):
        server.close()
        connection.take()
        assert (connection.bad, connection.alive) == (1, False)


def test_the_generator_stops_where_nothing_is_left_to_send() -> None:
    """With the last answer the connection has nothing to wait for any more."""
    with a_connection((b"one", b"two"), b"") as (connection, (server,)):
        found = []
        for _ in range(2):
            found.append(connection.alive)
            server.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            connection.take()
        assert (found, connection.alive, connection.bad) == ([True, True], False, 0)


def test_the_generator_reads_answers_whole() -> None:
    """An answer counts once all of its body is there, however it was cut, and only one with its mark is good."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-brownout-trail: sydney.host;1.0;;;%b\r\n\r\n"
    assert answers_of(head % b"hit" + b"ab") == (0, 0)
    assert answers_of(head[:30], (head % b"hit")[30:] + b"ab", b"cd") == (1, 0)
    assert answers_of(head % b"miss" + b"abcd") == (1, 1)
    assert answers_of(head.replace(b"HTTP/1.1", b"HTTP/1.0") % b"hit" + b"abcd") == (1, 0)
    assert answers_of(head.replace(b"200 OK", b"503 No") % b"hit" + b"abcd") == (1, 1)


def the_job(
    port: int, *, connections: int, requests: int = 1, mark: str = "good", once: bool = False, length_s: float | None = None
) -> Job:
    return Job(
        host=HOST,
        port=port,
        requests=(REQUEST,) * requests,
        mark=mark,
        connections=connections,
        length_s=length_s if length_s is not None else 30.0 if once else 0.05,
        pids={},
        once=once,
    )


@pytest.mark.parametrize("connections", [1, 3])
def test_a_bare_server_answers_a_burst(connections: int) -> None:
    """Its one answer is good for each request on every connection, and bad where another one was expected."""
    with standing_bare_server(ANSWER) as (port, _):
        assert answer_to(HOST, port, REQUEST.encode()) == ANSWER
        good, bad = burst(the_job(port, connections=connections)), burst(the_job(port, connections=connections, mark="bad"))
    assert (good.bad, bad.bad) == (0, bad.requests)
    assert min(good.requests, bad.requests) > 0


@pytest.mark.parametrize("connections", [1, 3])
def test_a_burst_of_requests_that_are_sent_once_ends_with_the_last_answer(connections: int) -> None:
    """Each is answered once, long before the job's time is over."""
    with standing_bare_server(ANSWER) as (port, _):
        found = burst(the_job(port, connections=connections, requests=7, once=True))
    assert (found.requests, found.bad) == (7, 0)
    assert found.took_s < 30.0


@pytest.mark.parametrize("connections", [1, 3])
def test_a_burst_waits_for_an_answer(connections: int) -> None:
    """Where the first answer takes longer than the whole burst, that one is its figure: a burst of none has no latency."""
    with standing_bare_server(ANSWER) as (port, _):
        found = burst(the_job(port, connections=connections, requests=7, once=True, length_s=0.0))
    assert (found.requests > 0, found.bad) == (True, 0)


@pytest.mark.parametrize("connections", [1, 3])
def test_a_burst_without_an_answer_is_refused(connections: int) -> None:
    """A server that ends every connection unanswered gives an error that counts the bad answers."""
    with a_server_that_hangs_up() as port, pytest.raises(RuntimeError, match=f"{connections} of 0 answers were not good"):
        burst_apart(the_job(port, connections=connections, requests=connections, once=True))
