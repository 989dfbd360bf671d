"""What the topology check runs inside a container: attempts connections, and lists the peers of the container's own.

It is handed to `python3 -I -S -c` as text, so it knows the standard library only and nothing of this project. Its one
argument is JSON, `{"targets": ["host:port", ...], "timeout_s": N}`; it prints

    {"open": [the targets that took a connection], "peers": [addresses], "links": {...} or null}

`peers` are the other ends of the container's connections, also of those that ended within the last minute; `links` is
where the container's specification has each link of the stack, null where it has no specification.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SPEC = Path("/spec/stack.json")
RESOLVERS = 16
CONNECTED = ("01", "04", "05", "06", "08")  # established, and the ways to end; the kernel's numbers


def addresses(hosts: set[str]) -> dict[str, str]:
    """The address of each host that has one. The engine's name server is silent about a name that it does not know."""
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    with ThreadPoolExecutor(max_workers=RESOLVERS) as pool:
        found = zip(hosts, pool.map(address, hosts), strict=True)
        return {host: at for host, at in found if at}


def address(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return ""


async def takes(host: str, port: str, timeout_s: float) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), timeout_s)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def open_ones(targets: list[str], timeout_s: float) -> list[str]:
    split = [target.rpartition(":") for target in targets]
    known = addresses({host for host, _, _ in split})
    reachable = [(host, port) for host, _, port in split if host in known]
    found = await asyncio.gather(*(takes(known[host], port, timeout_s) for host, port in reachable))
    return [f"{host}:{port}" for (host, port), taken in zip(reachable, found, strict=True) if taken]


def peers(table: str) -> list[str]:
    """The remote addresses in the kernel's table of TCP connections."""
    found = set()
    for row in table.splitlines()[1:]:
        _, _, remote, state, *_ = row.split()
        if state in CONNECTED:
            found.add(socket.inet_ntoa(bytes.fromhex(remote.partition(":")[0])[::-1]))
    return sorted(found)


def main() -> None:
    wanted = json.loads(sys.argv[1])
    seen = peers(Path("/proc/net/tcp").read_text(encoding="ascii"))
    links = json.loads(SPEC.read_bytes())["links"] if SPEC.exists() else None
    taken = asyncio.run(open_ones(wanted["targets"], wanted["timeout_s"]))
    json.dump({"open": taken, "peers": seen, "links": links}, sys.stdout)


if __name__ == "__main__":
    main()
