"""The health checks of containers, against real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from brownout.identity.server import health


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(listening: socket.socket) -> str:
    return str(listening.getsockname()[1])


def test_a_worker_is_well_while_it_is_connected(listener: socket.socket) -> None:
    """The check sees a connection while both ends hold it, and neither a port that only listens nor one that is closed."""
    port = port_of(listener)
    assert not health.main(["joined", port])
    with socket.create_connection(listener.getsockname()) as near:
        far, _ = listener.accept()
        assert health.main(["joined", port])
        near.shutdown(socket.SHUT_RDWR)
        far.close()
    assert not health.main(["joined", port])


@pytest.mark.parametrize(("answer", "well"), [(b"HTTP/1.1 404 Not Found\r\n\r\n", True), (b"hello", False), (b"", False)])
def test_a_page_is_well_when_it_answers_in_http(listener: socket.socket, answer: bytes, well: bool) -> None:
    """Any whole answer of a web server counts; words in another protocol, or none, do not."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        assert health.main(["page", port_of(listener)]) is well
    finally:
        serving.join()


def test_arguments_that_mean_nothing_are_an_error() -> None:
    """A typing mistake in the compose file makes no container look healthy."""
    with pytest.raises(ValueError, match="what is 'joint 5557'"):
        health.main(["joint", "5557"])
