"""The firewall around Toxiproxy: packet rules in its network namespace, and a small control plane for black holes.

Toxiproxy is on every network, so it is the one container through which traffic could get from one network to another, or
out. These rules limit it:

- outbound: replies on connections that were opened to it; new connections to port 8080 (nodes and probers), 8089 (the load's
  dashboard) and those of the doors of `client.edge` on its own networks; nothing else, so neither the machine nor anything
  beyond is reachable through it;
- inbound: its API, this control plane and the proxies that are the machine's (nodes' control planes, doors) from the machine
  only (the gateway of the network `edge`, from which the engine forwards what is published on loopback); the links' proxies
  from anywhere.

The chain BROWNOUT-HOLES is evaluated before them and holds the black holes. A packet towards a link's port comes from its
source (upstream), a packet from that port goes back to it (downstream). Each hold is one or two DROP rules of its own with
the fault's id as comment: the kernel stores the set, so it outlives any process, and each rule names its fault.

    GET    /holes               {"PORT": {"FAULT ID": "upstream" | "downstream" | "both"}}
    PUT    /holes/PORT/ID       {"direction": ...}; an older hold of that id on that port is replaced
    DELETE /holes/PORT/ID       also where there is none

It also runs a DNS server that answers NXDOMAIN to every query, as the upstream of the engine's own. A container that was
killed has no name until it is back: its clients then get a connection reset at once instead of waiting for a DNS time-out.

Standard library only: the container holds nothing else. Requests need the stack's control token as bearer token.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

API_PORT, OWN_PORT, NODE_PORT, DASHBOARD_PORT, DNS_PORT = 8474, 8475, 8080, 8089, 53
DOOR_PORTS = "8100:8199"  # brownout.identity.server.shared_spec.door_ports: six kinds in each of nine regions at most
DNS_HEADER_BYTES = 12
SPEC = Path("/spec/stack.json")
CONTROL_PORTS_VARIABLE = "BROWNOUT_CONTROL_PORTS"
HOLES, IN, OUT = "BROWNOUT-HOLES", "BROWNOUT-IN", "BROWNOUT-OUT"
SIDES: Mapping[str, frozenset[str]] = {
    "upstream": frozenset({"--dport"}),
    "downstream": frozenset({"--sport"}),
    "both": frozenset({"--dport", "--sport"}),
}
DIRECTIONS = {sides: name for name, sides in SIDES.items()}
FAULT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}")  # as everywhere (brownout.harness.worlds.toxiproxy.holds)
_RULE = re.compile(rf'^-A {HOLES} -p tcp -m tcp (--[ds]port) (\d+) -m comment --comment "?([^" ]+)"? -j DROP$')

Holes = dict[int, dict[str, frozenset[str]]]


class RulesError(Exception):
    """iptables failed; the text is its error message."""


def routes(table: str) -> Iterator[tuple[ipaddress.IPv4Network, str]]:
    """Destination and gateway (empty where there is none) of each row of /proc/net/route."""
    for row in table.splitlines()[1:]:
        _, destination, gateway, _, _, _, _, mask, *_ = row.split()
        network = ipaddress.IPv4Network((_address(destination), _address(mask)))
        yield network, "" if gateway == "00000000" else _address(gateway)


def _address(text: str) -> str:
    """The kernel writes addresses as little-endian hexadecimal."""
    return str(ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(text), "little")))


def rules(networks: Iterable[ipaddress.IPv4Network], gateway: str, control_ports: str) -> tuple[tuple[str, ...], ...]:
    """The arguments of each call of iptables, in order."""
    machine_only = f"{API_PORT},{OWN_PORT},{control_ports}"
    inner = f"{NODE_PORT},{DASHBOARD_PORT},{DOOR_PORTS}"
    new = [("-N", chain) for chain in (HOLES, IN, OUT)]
    inward = [
        (IN, "-i", "lo", "-j", "ACCEPT"),
        (IN, "-p", "tcp", "-m", "multiport", "--dports", machine_only, "!", "-s", gateway, "-j", "REJECT"),
    ]
    outward = [
        (OUT, "-o", "lo", "-j", "ACCEPT"),
        (OUT, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"),
        (OUT, "-d", gateway, "-j", "REJECT"),
        *((OUT, "-p", "tcp", "-m", "multiport", "--dports", inner, "-d", str(net), "-j", "ACCEPT") for net in networks),
        (OUT, "-j", "REJECT"),
    ]
    used = [("INPUT", "-j", HOLES), ("OUTPUT", "-j", HOLES), ("OUTPUT", "-j", OUT), ("INPUT", "-j", IN)]
    return (*new, *(("-A", *rule) for rule in (*inward, *outward, *used)))


def iptables(*arguments: str) -> str:
    """Runs iptables; raises RulesError."""
    done = subprocess.run(["iptables-nft", "-w", "5", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RulesError(done.stderr.strip())
    return done.stdout


class BlackHoles:
    """The holds as rules in the kernel. Changes are serialised by a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def read(self) -> Holes:
        """Which sides of each port each fault id drops; raises RulesError."""
        found: Holes = {}
        for line in iptables("-S", HOLES).splitlines():
            rule = _RULE.match(line)
            if rule is not None:
                held = found.setdefault(int(rule[2]), {})
                held[rule[3]] = held.get(rule[3], frozenset()) | {rule[1]}
        return found

    def put(self, port: int, fault_id: str, sides: frozenset[str]) -> None:
        """Makes the rules of that id drop exactly these sides; the empty set releases the hold. Raises RulesError."""
        with self._lock:
            present = self.read().get(port, {}).get(fault_id, frozenset())
            for side in sorted(sides - present):
                self._change("-A", port, side, fault_id)
            for side in sorted(present - sides):
                self._change("-D", port, side, fault_id)

    @staticmethod
    def _change(verb: str, port: int, side: str, fault_id: str) -> None:
        iptables(verb, HOLES, "-p", "tcp", side, str(port), "-m", "comment", "--comment", fault_id, "-j", "DROP")


class ControlPlane(BaseHTTPRequestHandler):
    """The HTTP handler of GET, PUT and DELETE /holes, and of GET /healthz, which needs no token."""

    protocol_version = "HTTP/1.1"
    holes = BlackHoles()
    bearer = ""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"ready": True})
        elif self._allowed():
            self._answer(200, _shown(self.holes.read()))

    def do_PUT(self) -> None:
        if self._allowed():
            sides = SIDES.get(self._direction())
            if sides is None:
                self._answer(400, {"error": f"a direction is one of {', '.join(SIDES)}"})
            else:
                self._change(sides)

    def do_DELETE(self) -> None:
        if self._allowed():
            self._change(frozenset())

    def _direction(self) -> str:
        """What the body says; "" for a body that is none of ours."""
        length = self.headers.get("content-length") or "0"
        if not re.fullmatch(r"[0-9]{1,5}", length):
            self.close_connection = True  # what follows cannot be told from the next request
            return ""
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return ""
        return str(body.get("direction")) if isinstance(body, dict) else ""

    def _change(self, sides: frozenset[str]) -> None:
        _, _, port, fault_id = (*self.path.split("/", 3), "", "", "")[:4]
        if not port.isdecimal() or not FAULT_ID.fullmatch(unquote(fault_id)):
            self._answer(404, {"error": "a hole is /holes/PORT/FAULT-ID"})
            return
        try:
            self.holes.put(int(port), unquote(fault_id), sides)
            self._answer(200, _shown(self.holes.read()))
        except RulesError as refused:
            self._answer(500, {"error": str(refused)})

    def _allowed(self) -> bool:
        given = (self.headers.get("authorization") or "").encode("utf-8", "replace")
        allowed = hmac.compare_digest(given, self.bearer.encode())
        if not allowed:
            self.close_connection = True  # the body, if there is one, was not read
            self._answer(401, {"error": "the firewall needs the stack's control token"})
        return allowed

    def _answer(self, status: int, body: Mapping[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


def _shown(holes: Holes) -> dict[str, dict[str, str]]:
    return {str(port): {fault_id: DIRECTIONS[sides] for fault_id, sides in held.items()} for port, held in holes.items()}


def nxdomain(query: bytes) -> bytes:
    """The DNS answer "no such name" (RFC 1035: the query's id and question, response code 3)."""
    return query[:2] + bytes((0x80 | (query[2] & 0x79), 0x03)) + query[4:6] + bytes(6) + query[12:]


def serve_dns() -> None:
    """Answers every DNS query with NXDOMAIN, until the process ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", DNS_PORT))
        while True:
            query, asker = server.recvfrom(4096)
            if len(query) > DNS_HEADER_BYTES:
                server.sendto(nxdomain(query), asker)


def main() -> None:
    """Installs the rules, then serves DNS and the control plane until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    found = tuple(routes(Path("/proc/net/route").read_text(encoding="ascii")))
    gateway = next(via for _, via in found if via)
    networks = [network for network, via in found if not via]
    for rule in rules(networks, gateway, os.environ[CONTROL_PORTS_VARIABLE]):
        iptables(*rule)
    threading.Thread(target=serve_dns, daemon=True).start()
    while not SPEC.exists():
        time.sleep(0.05)  # written by the init container or `brownout up`; there is no event to wait for
    ControlPlane.bearer = f"Bearer {json.loads(SPEC.read_bytes())['stack']['control_token']}"
    ThreadingHTTPServer(("0.0.0.0", OWN_PORT), ControlPlane).serve_forever()  # noqa: S104  # its own network namespace


if __name__ == "__main__":
    main()
