"""The specification that all containers of a stack share: two files in one folder, and addresses instead of names.

`stack.json` is a ServedStack as spec_file writes it, `go.json` the stack's clock, which comes once every node waits for it.
`sign-in.json` has what a load signs in with, and may be missing.

In its container the edge has each of its doors at a port of its own (`door_ports`), behind a proxy that leads there.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson

from brownout.identity.core.topology import StackSpec
from brownout.identity.server.clock import Clock
from brownout.identity.server.spec_file import ServedStack, read_served, split_address

SPEC_NAME, GO_NAME, SIGN_IN_NAME = "stack.json", "go.json", "sign-in.json"
LOOK_INTERVAL_S = 0.02
RESOLVE_TIMEOUT_S = 60.0
FIRST_DOOR_PORT = 8100  # the firewall lets Toxiproxy connect to these ports


def door_ports(stack: StackSpec) -> Mapping[str, int]:
    """The port of each door of the edge in its container."""
    return {door: FIRST_DOOR_PORT + number for number, door in enumerate(stack.doors())}


def read_stack(folder: Path) -> ServedStack:
    """The stack with its clock; raises OSError or ValueError."""
    served = read_served(folder / SPEC_NAME)
    return replace(served, clock=Clock(**orjson.loads((folder / GO_NAME).read_bytes())))


def resolved(served: ServedStack) -> ServedStack:
    """The same stack with addresses instead of names in its links, looked up once: a name server is no part of a link.

    Raises OSError when a name is not known after RESOLVE_TIMEOUT_S.
    """
    hosts = {split_address(address)[0] for address in served.links.values()}
    known = {host: _resolve(host) for host in hosts}
    links = {link: f"{known[split_address(at)[0]]}:{split_address(at)[1]}" for link, at in served.links.items()}
    return replace(served, links=links)


def _resolve(host: str) -> str:
    deadline_s = time.monotonic() + RESOLVE_TIMEOUT_S
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(LOOK_INTERVAL_S)  # its container may be starting
