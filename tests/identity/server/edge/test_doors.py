"""The doors on sockets: what a proxy refuses, what clients may trust, and pipes that end as their other side ends."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brownout.identity.server.edge.doors import RefusedError, refusal, target_of
from support.edge_bench import EdgeBench, edge_bench

REGIONAL = "sts.eu-west-1.amazonaws.com"
CALL = f"POST / HTTP/1.1\r\nhost: {REGIONAL}\r\ncontent-length: 0\r\n\r\n".encode()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeBench]:
    with edge_bench(tmp_path_factory.mktemp("edge"), regions=("virginia", "dublin")) as bench:
        yield bench


@pytest.fixture
def bench(standing: EdgeBench) -> Iterator[EdgeBench]:
    standing.seen.clear()
    yield standing
    for fault_id in list(standing.edge.holds.shown()):
        standing.release(fault_id)
    standing.edge._out_until_s.clear()


def connection(bench: EdgeBench, door: str = "proxy.dublin") -> socket.socket:
    return socket.create_connection(("127.0.0.1", bench.ports[door]), timeout=10.0)


def said(bench: EdgeBench, text: bytes) -> bytes:
    """All that the proxy says to a client that sends this and waits."""
    with connection(bench) as client:
        client.sendall(text)
        return b"".join(iter(lambda: client.recv(65536), b""))


def tunnel(bench: EdgeBench, name: str = REGIONAL) -> socket.socket:
    client = connection(bench)
    client.sendall(f"CONNECT {name}:443 HTTP/1.1\r\nhost: {name}:443\r\n\r\n".encode())
    assert client.recv(65536) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    return client


def trusting(bench: EdgeBench) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bench.ca_bundle)


@pytest.mark.parametrize(
    "target",
    [
        "example.com:443",
        "127.0.0.1:443",
        "169.254.169.254:80",
        "[::1]:443",
        "localhost:443",
        "sydney.store:443",
        f"{REGIONAL}:80",
        f"{REGIONAL}:8474",
        "ec2.eu-west-1.amazonaws.com:443",
        "sts.ap-northeast-1.amazonaws.com:443",  # a region that this stack does not have
    ],
)
def test_the_proxy_leads_to_names_of_the_stack_only(bench: EdgeBench, target: str) -> None:
    """Any other name, address or port is refused with 403 and a reason, whatever listens there."""
    answer = said(bench, f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 Forbidden: ")
    assert re.search(rb"(name of this stack|names of the stack)", answer)
    assert bench.seen == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET http://sts.amazonaws.com/ HTTP/1.1\r\n\r\n", b"405"),
        (b"CONNECT sts.amazonaws.com:443\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"CONNECT " + b"a" * 20_000, b"400"),
    ],
)
def test_what_is_no_connect_is_refused(bench: EdgeBench, text: bytes, status: bytes) -> None:
    """The proxy answers in HTTP and ends the connection."""
    assert said(bench, text).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(("effect", "words"), [("nxdomain", b"does not exist"), ("empty", b"has no address")])
def test_a_name_without_address_is_said_before_tls(bench: EdgeBench, effect: str, words: bytes) -> None:
    """The reason is in the status line, which is all that most clients show of a proxy's refusal."""
    bench.hold("f", name=REGIONAL, effect=effect)
    line = said(bench, f"CONNECT {REGIONAL}:443 HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n")[0]
    assert line.startswith(b"HTTP/1.1 502 Bad Gateway: ")
    assert words in line


def test_a_slow_name_is_late_and_then_well(bench: EdgeBench) -> None:
    """The connection begins after the delay."""
    bench.hold("f", name=REGIONAL, effect="slow", delay_s=0.4)
    began_s = time.monotonic()
    tunnel(bench).close()
    assert time.monotonic() - began_s >= 0.4


def test_a_client_that_trusts_the_authority_gets_through(bench: EdgeBench) -> None:
    """The certificate is good for every name of the stack; one connection stays with one node."""
    for name in sorted(bench.edge.names):
        with trusting(bench).wrap_socket(tunnel(bench, name), server_hostname=name) as secured:
            for _ in range(2):
                secured.sendall(CALL)
                assert secured.recv(65536).startswith(b"HTTP/1.1 200")
        assert bench.seen[-1].node == bench.seen[-2].node


def test_a_client_that_does_not_trust_it_is_not_fooled(bench: EdgeBench) -> None:
    """Without the authority's file the handshake fails, and the edge goes on serving others."""
    client = tunnel(bench)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(client, server_hostname=REGIONAL)
    client.close()
    with trusting(bench).wrap_socket(tunnel(bench), server_hostname=REGIONAL) as secured:
        secured.sendall(CALL)
        assert secured.recv(65536).startswith(b"HTTP/1.1 200")


def test_connections_are_balanced_over_the_zones(bench: EdgeBench) -> None:
    """Each new connection to the port for STS goes to the next zone; requests on one connection do not."""
    for _ in range(3):
        with connection(bench, "sts.virginia") as client:
            for _ in range(2):
                client.sendall(CALL)
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
    nodes = [seen.node for seen in bench.seen]
    assert nodes[::2] == nodes[1::2]
    assert sorted(nodes[::2]) == [f"virginia.token.z{number}" for number in (1, 2, 3)]


def test_a_large_answer_gets_through_whole(bench: EdgeBench) -> None:
    """Pipelined requests are all answered: a slow reader slows its writer, and nothing is lost."""
    with trusting(bench).wrap_socket(tunnel(bench), server_hostname=REGIONAL) as secured:
        secured.sendall(CALL * 2000)
        received = 0
        while len(bench.seen) < 2000 or received < 2000 * 200:
            received += len(secured.recv(4096))
    assert len(bench.seen) == 2000


def test_a_zone_that_refuses_is_left_out(bench: EdgeBench) -> None:
    """A client does not see that a node is gone, as long as another takes the connection."""
    bench.close_node("virginia.token.z2")
    for _ in range(4):
        with connection(bench, "sts.virginia") as client:
            client.sendall(CALL)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert {seen.node for seen in bench.seen} == {"virginia.token.z1", "virginia.token.z3"}


@pytest.mark.parametrize("head", [b"CONNECT x:443 HTTP/1.1", b"", b"CONNECT  HTTP/1.1\r\n\r\n", b"A B C D\r\n\r\n"])
def test_no_head_is_taken_for_another(head: bytes) -> None:
    """What is not whole, or not a request line, is a bad request."""
    with pytest.raises(RefusedError):
        target_of(head)


def test_a_refusal_is_one_line_of_plain_text() -> None:
    """Nothing that a client wrote can make a header of its own."""
    text = refusal(RefusedError(403, "Forbidden: a\r\nset-cookie: é"))
    assert text.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden: a??set-cookie: ?"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(bench: EdgeBench, before: int) -> bool:
    """Whether every connection of the doors ends, and no file stays open for it, within some seconds."""
    end_s = time.monotonic() + 10.0
    while bench.doors.clients or open_files() > before:
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("door", "sent"),
    [
        ("proxy.dublin", f"CONNECT {REGIONAL}:443 HTTP/1.1\r\n\r\n".encode()),
        ("proxy.dublin", b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"),
        ("sts.dublin", CALL),
        ("sts.dublin", b"no request at all"),
    ],
    ids=["led", "refused", "answered", "not understood"],
)
def test_clients_that_send_no_more_leave_nothing_open(
    bench: EdgeBench, door: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """However early they end their side: neither a connection to a node stays, nor is one called a mistake of the edge."""
    before = open_files()
    for _ in range(60):
        with connection(bench, door) as client, suppress(ConnectionResetError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    assert settled(bench, before)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
