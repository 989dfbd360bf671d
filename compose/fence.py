"""The fence around Toxiproxy: packet rules in its network namespace, and a process that keeps the container there.

Toxiproxy is on every network, so it is what could be used to get from one to another, or out. Here is what it may do:

- out: answers to whoever connected to it; new connections to port 8080 on its own networks, which is where nodes and
  probers listen; nothing else, so neither the machine nor anything beyond it can be reached through it;
- in: its API and the proxies of control planes from the machine only (that is the client network's gateway, from which the
  engine passes on what was published on loopback); the links' proxies from anywhere on its networks.

The chain BROWNOUT-HOLES comes before all that. It is empty here; black holes are put there from outside, each with the
id of its fault as comment (harness.worlds.packet_filter).
"""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

API_PORT, NODE_PORT = 8474, 8080
CONTROL_PORTS_VARIABLE = "BROWNOUT_CONTROL_PORTS"
HOLES, IN, OUT = "BROWNOUT-HOLES", "BROWNOUT-IN", "BROWNOUT-OUT"


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
    new = [("-N", chain) for chain in (HOLES, IN, OUT)]
    inward = [
        (IN, "-i", "lo", "-j", "ACCEPT"),
        (IN, "-p", "tcp", "-m", "multiport", "--dports", f"{API_PORT},{control_ports}", "!", "-s", gateway, "-j", "REJECT"),
    ]
    outward = [
        (OUT, "-o", "lo", "-j", "ACCEPT"),
        (OUT, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"),
        (OUT, "-d", gateway, "-j", "REJECT"),
        *((OUT, "-p", "tcp", "--dport", str(NODE_PORT), "-d", str(network), "-j", "ACCEPT") for network in networks),
        (OUT, "-j", "REJECT"),
    ]
    used = [("INPUT", "-j", HOLES), ("OUTPUT", "-j", HOLES), ("OUTPUT", "-j", OUT), ("INPUT", "-j", IN)]
    return (*new, *(("-A", *rule) for rule in (*inward, *outward, *used)))


def main() -> None:
    """Puts the rules in place and waits to be stopped."""
    found = tuple(routes(Path("/proc/net/route").read_text(encoding="ascii")))
    gateway = next(via for _, via in found if via)
    networks = [network for network, via in found if not via]
    for rule in rules(networks, gateway, os.environ[CONTROL_PORTS_VARIABLE]):
        subprocess.run(["iptables-nft", "-w", "5", *rule], check=True)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pause()


if __name__ == "__main__":
    main()
