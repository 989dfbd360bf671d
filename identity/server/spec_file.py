"""The specification of a served stack, as one file that only its owner can read: it holds the run's secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from brownout.identity.core.records import Identity
from brownout.identity.core.topology import MachineSpec, StackSpec, door_url, link_between
from brownout.identity.server.clock import Clock

# What a node's process and its parent tell each other, a byte at a time; what each means is said by `serve.run_node`.
GO, END, PREPARE = b"g", b"x", b"p"  # to the node
READY, ENDED = b"r", b"e"  # from it


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A helper process that starts and ends with the stack, such as the proxy server.

    `port` is what it binds itself, so that no node takes it first; 0 for none.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0


@dataclass(frozen=True, slots=True)
class Authority:
    """All in PEM: the authority that clients of a stack trust, and the certificate with its key that the edge shows.

    `thumbprint` is the certificate's SHA-1 in hex, by which clients of Service Fabric know it.
    """

    ca: str
    certificate: str
    key: str
    thumbprint: str = ""


@dataclass(frozen=True, slots=True)
class ServedStack:
    """A stack and where it is served.

    `links` maps each link (`melbourne.token->sydney.store`) to the `host:port` of its proxy; `doors` each door of the edge to
    the `host:port` at which clients reach it; `authority` is what they trust there.
    """

    stack: StackSpec
    clock: Clock
    links: Mapping[str, str] = field(default_factory=dict)
    sidecars: tuple[Sidecar, ...] = ()
    doors: Mapping[str, str] = field(default_factory=dict)
    authority: Authority | None = None

    def with_doors(self, doors: Mapping[str, str], authority: Authority) -> ServedStack:
        """The same stack with the doors of its edge at these `host:port`, which nodes tell clients of, and what they show."""
        public = {**self.stack.public_urls, **{door: door_url(door, address) for door, address in doors.items()}}
        return replace(self, stack=replace(self.stack, public_urls=public), doors=doors, authority=authority)

    def addresses_for(self, node: str) -> Mapping[str, str]:
        """Where `node` reaches each node that it may call: link addresses and nothing else."""
        others = (target for target in self.stack.nodes() if target != node)
        found = {target: self.links.get(str(link_between(node, target))) for target in others}
        return {target: address for target, address in found.items() if address is not None}


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def serialized(served: ServedStack) -> bytes:
    """The file's content. It holds secrets, so the file is its owner's alone."""
    return orjson.dumps(asdict(served), option=orjson.OPT_INDENT_2)


def read_served(path: Path) -> ServedStack:
    """Reads a file with what `serialized` gave; raises OSError, or ValueError that names the file."""
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no regular file")
    raw = orjson.loads(path.read_bytes())
    try:
        rows = raw["sidecars"] if "sidecars" in raw else raw["companions"]  # as earlier versions called them
        sidecars = tuple(Sidecar(**{**row, "argv": tuple(row["argv"])}) for row in rows)
        stack, clock = stack_from(raw["stack"]), Clock(**raw["clock"])
        authority = Authority(**raw["authority"]) if raw.get("authority") else None  # earlier versions had none
        return ServedStack(stack, clock, _addresses(raw["links"]), sidecars, _addresses(raw.get("doors", {})), authority)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"{path} is not a stack's specification: {type(wrong).__name__}: {wrong}") from wrong


def _addresses(raw: Mapping[str, str]) -> Mapping[str, str]:
    """Names with their `host:port`; raises ValueError, or AttributeError for what is no such mapping."""
    for address in raw.values():
        split_address(address)
    return raw


def stack_from(raw: Mapping[str, Any]) -> StackSpec:
    """A StackSpec from plain data as JSON gives it; raises KeyError or TypeError for anything else."""
    plain = StackSpec(**raw)
    machines = (MachineSpec(**{**row, "identities": tuple(row["identities"])}) for row in raw["machines"])
    return replace(
        plain,
        regions=tuple(plain.regions),
        zones=tuple(plain.zones),
        vendors=tuple(plain.vendors),
        identities=tuple(Identity(**row) for row in raw["identities"]),
        machines=tuple(machines),
    )
