"""The firewall's rules, DNS answer and control plane, with a kernel that is a list of rules. Needs no engine."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from ipaddress import IPv4Network

import pytest

from brownout.compose import firewall

ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 010015AC 0003 0 0 0 00000000 0 0 0
eth0 000015AC 00000000 0001 0 0 0 0000FFFF 0 0 0
"""
INSIDE = IPv4Network("172.21.0.0/16")
TOKEN = {"authorization": "Bearer secret"}


class Kernel:
    """Stands in for iptables-nft: keeps the rules of the chain of holes and lists them as the program does."""

    def __init__(self) -> None:
        self.rules: list[tuple[str, ...]] = []
        self.error = ""

    def __call__(self, *arguments: str) -> str:
        if self.error:
            raise firewall.RulesError(self.error)
        verb, *rest = arguments
        if verb == "-A":
            self.rules.append(tuple(rest))
        elif verb == "-D":
            self.rules.remove(tuple(rest))
        return "".join(self._line(*rule) for rule in self.rules)

    @staticmethod
    def _line(chain: str, *words: str) -> str:
        _, _, side, port, _, _, _, fault_id, *_ = words
        shown = fault_id if fault_id.isalnum() else f'"{fault_id}"'
        return f"-A {chain} -p tcp -m tcp {side} {port} -m comment --comment {shown} -j DROP\n"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(firewall, "iptables", made)
    return made


@pytest.fixture
def port(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The control plane's port."""
    monkeypatch.setattr(firewall.ControlPlane, "bearer", TOKEN["authorization"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), firewall.ControlPlane)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()


def ask(port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, TOKEN if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_kernels_routes_are_read_in_its_byte_order() -> None:
    """The default route has a gateway; a network of its own has none."""
    assert list(firewall.routes(ROUTES)) == [(IPv4Network("0.0.0.0/0"), "172.21.0.1"), (INSIDE, "")]


def test_the_chain_of_holes_comes_before_what_accepts() -> None:
    """A black hole drops packets of established connections too, so its chain is the first of both."""
    made = firewall.rules([INSIDE], "172.21.0.1", "20005:20024")
    jumps = [rule[1:] for rule in made if rule[1] in ("INPUT", "OUTPUT")]
    assert jumps == [
        ("INPUT", "-j", firewall.HOLES),
        ("OUTPUT", "-j", firewall.HOLES),
        ("OUTPUT", "-j", firewall.OUT),
        ("INPUT", "-j", firewall.IN),
    ]


def test_what_opens_connections_is_rejected_but_for_nodes_and_probers() -> None:
    """The last rule outwards rejects everything, and the gateway is rejected before the networks are accepted."""
    outward = [rule for rule in firewall.rules([INSIDE], "172.21.0.1", "20005:20024") if rule[:2] == ("-A", firewall.OUT)]
    assert outward[-1] == ("-A", firewall.OUT, "-j", "REJECT")
    assert outward.index(("-A", firewall.OUT, "-d", "172.21.0.1", "-j", "REJECT")) < next(
        number for number, rule in enumerate(outward) if str(INSIDE) in rule
    )


def test_a_dns_query_is_answered_with_nxdomain() -> None:
    """The answer has the query's id and question, is marked as an answer, and its code is 3."""
    query = bytes.fromhex("beef01000001000000000000") + b"\x05store\x00\x00\x01\x00\x01"
    answer = firewall.nxdomain(query)
    assert answer[:2] == query[:2]
    assert answer[2] & 0x80
    assert answer[3] & 0x0F == 3
    assert answer[12:] == query[12:]


def test_holds_of_one_port_add_up_and_go_one_by_one(port: int) -> None:
    """Each fault id has rules of its own; releasing one leaves the other, and releasing it twice is success."""
    assert ask(port, "PUT", "/holes/20001/f-1", {"direction": "both"}) == (200, {"20001": {"f-1": "both"}})
    assert ask(port, "PUT", "/holes/20001/f-2", {"direction": "upstream"})[0] == 200
    assert ask(port, "GET", "/holes") == (200, {"20001": {"f-1": "both", "f-2": "upstream"}})
    assert ask(port, "PUT", "/holes/20001/f-1", {"direction": "downstream"})[0] == 200
    for _ in range(2):
        assert ask(port, "DELETE", "/holes/20001/f-2") == (200, {"20001": {"f-1": "downstream"}})


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/holes", None, {}, 401),
        ("PUT", "/holes/20001/f-1", {"direction": "both"}, {"authorization": "Bearer guess"}, 401),
        ("DELETE", "/holes/20001/f-1", None, {}, 401),
        ("PUT", "/holes/20001/f-1", {"direction": "sideways"}, TOKEN, 400),
        ("PUT", "/holes/20001/f%201", {"direction": "both"}, TOKEN, 404),
        ("DELETE", "/holes/x/f-1", None, TOKEN, 404),
    ],
)
def test_what_is_refused_changes_no_rule(
    port: int, kernel: Kernel, method: str, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    """Without the token, with a wrong direction, port or id, the answer is an error and the kernel is left alone."""
    assert ask(port, method, path, body, headers)[0] == status
    assert kernel.rules == []


def test_an_error_of_iptables_is_the_answers(port: int, kernel: Kernel) -> None:
    """A rule that the kernel refuses is a 500 with its words, so that no hold is believed that is not in force."""
    kernel.error = "Permission denied (you must be root)"
    assert ask(port, "PUT", "/holes/20001/f-1", {"direction": "both"}) == (500, {"error": kernel.error})


@pytest.mark.parametrize("header", ["Bearer \xe9", "Bearer " + "x" * 5_000, "\xff"])
def test_a_token_of_odd_characters_is_refused(port: int, kernel: Kernel, header: str) -> None:
    """Not with an exception: a comparison in constant time takes no text outside of ASCII."""
    assert ask(port, "PUT", "/holes/20001/f-1", {"direction": "both"}, {"authorization": header})[0] == 401
    assert kernel.rules == []


@pytest.mark.parametrize(
    ("body", "length"), [(b"[1]", ""), (b"{", ""), (b"[" * 50_000, ""), (b"\xff", ""), (b"{}", "x"), (b"", "-1")]
)
def test_a_body_that_is_none_of_ours_is_refused(port: int, kernel: Kernel, body: bytes, length: str) -> None:
    """Whatever stands in it, and whatever its length is said to be, there is an answer and no change."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"PUT /holes/20001/f-1 HTTP/1.1\r\nauthorization: {TOKEN['authorization']}\r\n"
        connection.sendall(f"{head}content-length: {length or len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().split()[1] == b"400"
    assert kernel.rules == []


def test_nothing_of_a_body_is_read_without_the_token(port: int, kernel: Kernel) -> None:
    """A stranger that announces a body and does not send it is refused at once, and keeps nothing busy."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"PUT /holes/20001/f-1 HTTP/1.1\r\ncontent-length: 99999\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer
