"""Doors with TLS, for clients that take a base URL: what they lead to, whom they refuse, and that they go on after it."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

import pytest

from support.edge_bench import EdgeBench, edge_bench

ROLES = {"arm": "management", "entra": "token", "vault": "vault", "machines": "host"}
CALL = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeBench]:
    with edge_bench(tmp_path_factory.mktemp("edge"), regions=("sydney", "melbourne"), vendors=("azure",)) as made:
        yield made


def connection(bench: EdgeBench, door: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", bench.ports[door]), timeout=10.0)


def secured(bench: EdgeBench, door: str, name: str = "localhost", alpn: tuple[str, ...] = ()) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=bench.ca_bundle)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(connection(bench, door), server_hostname=name)


@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("region", ["sydney", "melbourne"])
def test_a_door_leads_to_its_role_in_its_region(bench: EdgeBench, kind: str, region: str) -> None:
    """One connection carries several requests, all to one node."""
    bench.seen.clear()
    with secured(bench, f"{kind}.{region}") as client:
        for _ in range(3):
            client.sendall(CALL)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    (node,) = {seen.node for seen in bench.seen}
    assert re.fullmatch(rf"{region}\.{ROLES[kind]}(\.z\d)?", node)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "management.azure.com", "brownout-sydney.vault.azure.net"])
def test_the_certificate_is_good_for_loopback_and_for_the_names(bench: EdgeBench, name: str) -> None:
    """An address sends no server name, and is verified all the same."""
    with secured(bench, "arm.sydney", name) as client:
        client.sendall(CALL)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_of_several_protocols_it_speaks_http_1_1(bench: EdgeBench) -> None:
    """A client that offers HTTP/2 first gets what the nodes speak."""
    with secured(bench, "arm.sydney", alpn=("h2", "http/1.1")) as client:
        assert client.selected_alpn_protocol() == "http/1.1"


def test_a_server_name_that_is_none_of_the_stacks_is_refused(bench: EdgeBench) -> None:
    """The handshake fails, also where the client would not look at the certificate; others are served on."""
    blind = ssl._create_unverified_context()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        blind.wrap_socket(connection(bench, "arm.sydney"), server_hostname="example.com")
    secured(bench, "arm.sydney").close()


@pytest.mark.parametrize("text", [CALL, b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000])
def test_plain_http_is_told_to_use_https(bench: EdgeBench, text: bytes) -> None:
    """In HTTP, so that a client shows it, and however much it has sent."""
    with connection(bench, "entra.sydney") as client:
        client.sendall(text)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"https" in answer


def test_clients_that_say_nothing_or_go_away_disturb_nobody(bench: EdgeBench) -> None:
    """Neither takes the door from the next one."""
    silent = [connection(bench, "vault.sydney") for _ in range(50)]
    for client in silent[::2]:
        client.close()
    with secured(bench, "vault.sydney") as client:
        client.sendall(CALL)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    for client in silent:
        client.close()


def test_a_client_that_does_not_trust_the_authority_is_not_fooled(bench: EdgeBench) -> None:
    """The handshake fails at its side, and the door goes on."""
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(connection(bench, "arm.sydney"), server_hostname="localhost")
    secured(bench, "arm.sydney").close()


def test_connections_to_entra_are_balanced_over_the_zones(bench: EdgeBench) -> None:
    """Each new connection goes to the next zone."""
    bench.seen.clear()
    for _ in range(3):
        with secured(bench, "entra.melbourne") as client:
            client.sendall(CALL)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert {seen.node for seen in bench.seen} == {f"melbourne.token.z{number}" for number in (1, 2, 3)}
