"""Names: regions, zones, roles, nodes, links, and the specification from which every world builds the same stack.

A node's name is `region.role` or, for token nodes, `region.token.zone`: `sydney.store`, `melbourne.token.z2`. The edge, through
which clients reach a stack by name, stands with the clients and in no region: `client.edge`.
A link is a directed path and is named `source->target`, where the source is `region.role` (or `client`) and the target
a node: `melbourne.token->sydney.store`, `client->sydney.host`. A link pattern leaves parts away: `melbourne->sydney`
matches every link from a role of Melbourne to a node of Sydney.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from brownout.identity.core.records import Identity, Json

Vendor = Literal["aws", "azure"]

CLIENT = "client"
DIRECTORY, STORE, TOKEN, HOST, MANAGEMENT, DEPLOYER, VAULT, EDGE = (
    "directory",
    "store",
    "token",
    "host",
    "management",
    "deployer",
    "vault",
    "edge",
)


@dataclass(frozen=True, slots=True)
class Region:
    """One region with the names that the two vendors give it and the region that clients fail over to."""

    name: str
    azure_name: str
    aws_name: str
    pair: str


REGIONS: Mapping[str, Region] = {
    region.name: region
    for region in (
        Region("sydney", "australiaeast", "ap-southeast-2", pair="melbourne"),
        Region("melbourne", "australiasoutheast", "ap-southeast-4", pair="sydney"),
        Region("virginia", "eastus", "us-east-1", pair="dublin"),
        Region("dublin", "northeurope", "eu-west-1", pair="virginia"),
        Region("tokyo", "japaneast", "ap-northeast-1", pair="hongkong"),
        Region("hongkong", "eastasia", "ap-east-1", pair="tokyo"),
        Region("bahrain", "uaenorth", "me-south-1", pair="milan"),
        Region("milan", "italynorth", "eu-south-1", pair="dublin"),
        Region("capetown", "southafricawest", "af-south-1", pair="dublin"),
    )
}

DEFAULT_REGIONS = ("sydney", "melbourne")
ALL_VENDORS: tuple[Vendor, ...] = ("aws", "azure")
DEFAULT_VENDORS: tuple[Vendor, ...] = ("azure",)

# Who calls whom: source role, target role, whether the call may leave the source's region.
CALLS: tuple[tuple[str, str, bool], ...] = (
    (HOST, TOKEN, True),
    (TOKEN, STORE, True),
    (TOKEN, DIRECTORY, True),
    (MANAGEMENT, STORE, True),
    (MANAGEMENT, DIRECTORY, True),
    (MANAGEMENT, HOST, False),
    (MANAGEMENT, MANAGEMENT, True),
    (DIRECTORY, STORE, True),
    (DIRECTORY, TOKEN, True),
    (DIRECTORY, MANAGEMENT, True),
    (DIRECTORY, VAULT, True),
    (VAULT, DIRECTORY, True),
    (VAULT, TOKEN, False),
    (DEPLOYER, TOKEN, True),
    (DEPLOYER, MANAGEMENT, True),
    (DEPLOYER, DIRECTORY, True),
)
CLIENT_FACING: tuple[str, ...] = (HOST, MANAGEMENT, VAULT, TOKEN, EDGE)
EDGE_NODE = f"{CLIENT}.{EDGE}"


class DoorKind(NamedTuple):
    """What a door of the edge leads to: the nodes of `role` in its region, or those behind any name where there is no role.

    Only stacks with `vendor` have it, all stacks where none is named; with `tls` it speaks TLS.
    """

    role: str = ""
    vendor: str = ""
    tls: bool = False


# What the edge opens for clients of each region beside its own port: `proxy.REGION`, `arm.REGION` ...
PROXY_DOOR, STS_DOOR, ARM_DOOR, ENTRA_DOOR, VAULT_DOOR, MACHINES_DOOR = "proxy", "sts", "arm", "entra", "vault", "machines"
DOOR_KINDS: Mapping[str, DoorKind] = {
    PROXY_DOOR: DoorKind(),
    STS_DOOR: DoorKind(TOKEN, "aws"),
    ARM_DOOR: DoorKind(MANAGEMENT, "azure", tls=True),
    ENTRA_DOOR: DoorKind(TOKEN, "azure", tls=True),
    VAULT_DOOR: DoorKind(VAULT, "azure", tls=True),
    MACHINES_DOOR: DoorKind(HOST, "azure", tls=True),
}

# What nodes ask of each other and what the harness asks of them is below this path on every node, and nothing else is. No name
# of a client's own may begin with an underscore (machines, tenants, subscriptions, secrets), so none can mean a page of ours.
CONTROL_PATH = "/_brownout"
HEALTH_PATH = f"{CONTROL_PATH}/healthz"


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node's name taken apart."""

    region: str
    role: str
    zone: str | None = None

    @classmethod
    @lru_cache(maxsize=1024)  # node names are few and are taken apart at every step
    def parse(cls, text: str) -> NodeName:
        """`region.role[.zone]`; raises ValueError for anything else."""
        parts = text.split(".")
        if len(parts) not in (2, 3) or not all(parts):
            raise ValueError(f"{text!r} is not a node name (region.role or region.role.zone)")
        return cls(*parts)

    def __str__(self) -> str:
        return ".".join(part for part in (self.region, self.role, self.zone) if part)


@dataclass(frozen=True, slots=True)
class Link:
    """A directed path from a role of a region (or `client`) to one node."""

    source: str
    target: str

    @classmethod
    def parse(cls, text: str) -> Link:
        source, arrow, target = text.partition("->")
        if not arrow or not source or not target:
            raise ValueError(f"{text!r} is not a link (source->target)")
        return cls(source, target)

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"

    def matches(self, pattern: str) -> bool:
        """True when `pattern` names this link or leaves trailing parts of either end away."""
        wanted = _pattern(pattern)
        return _is_prefix(wanted.source, self.source) and _is_prefix(wanted.target, self.target)


_pattern = lru_cache(maxsize=256)(Link.parse)  # one pattern is compared with each link of a stack


def _is_prefix(wanted: str, actual: str) -> bool:
    return wanted == "*" or actual == wanted or actual.startswith(wanted + ".")


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """An emulated machine, or with `scale_set` every machine called `name_<digits>`.

    `identities` are names of identities of the stack; `resource_id` is that of the machine or of its scale set; `scope` is
    what its name is unique within; `instances` of a scale set's machines are there from the beginning (0: they come and go).
    """

    name: str
    region: str
    zone: str
    resource_id: str
    identities: tuple[str, ...]
    scale_set: bool = False
    scope: str = ""
    instances: int = 0

    def names(self) -> tuple[str, ...]:
        """The machines that are there from the beginning: itself, or the scale set's first."""
        return tuple(f"{self.name}_{number}" for number in range(self.instances)) if self.scale_set else (self.name,)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """The specification of one node: its name, the stack with its settings, and the one build that its image holds.

    `image_build` is empty where the node's code knows every build, as it does outside of old container images.
    """

    name: str
    stack: StackSpec
    image_build: str = ""

    @property
    def parsed(self) -> NodeName:
        return NodeName.parse(self.name)


@dataclass(frozen=True, slots=True)
class StackSpec:
    """A whole stack as data: the same in every world, serialisable, decided by the seed alone.

    `settings` is the flat table of `identity.core.settings`; `store_keys` holds each region's first, manual key secret;
    `control_token` opens the control plane of every node of this stack and is made for the run; `control_path` is where that
    is, "" in stacks of earlier versions, which are still driven; `vendors` are those whose surfaces clients find; `edge` says
    whether clients can reach it by name; `details` has, by an identity's name, a vendor's own with which it begins.
    """

    seed: int
    tenant_id: str
    subscription_id: str
    home_region: str
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    identities: tuple[Identity, ...]
    machines: tuple[MachineSpec, ...]
    settings: Json
    store_keys: Mapping[str, str]
    control_token: str
    control_path: str = ""
    public_urls: Mapping[str, str] = field(default_factory=dict)
    vendors: tuple[str, ...] = DEFAULT_VENDORS
    edge: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def nodes(self) -> tuple[str, ...]:
        """Every node's name, in the order in which they start."""
        return _nodes(self.home_region, self.regions, self.zones, has_edge=self.edge)

    def doors(self) -> tuple[str, ...]:
        """What clients who stand in a region connect to at the edge, `KIND.REGION` of each kind that the vendors need."""
        kinds = [name for name, kind in DOOR_KINDS.items() if kind.vendor in ("", *self.vendors)] if self.edge else ()
        return tuple(f"{kind}.{region}" for kind in kinds for region in self.regions)

    def token_nodes(self, region: str) -> tuple[str, ...]:
        return tuple(f"{region}.{TOKEN}.{zone}" for zone in self.zones)

    def links(self) -> tuple[Link, ...]:
        """Every link of the stack: clients to what faces them, then node to node."""
        return _links(self.nodes(), self.regions, self.home_region)

    def identity(self, name: str) -> Identity:
        """The identity of that name; raises KeyError. A caller that looks up many takes `by_name`."""
        return self.by_name()[name]

    def by_name(self) -> Mapping[str, Identity]:
        """The identities by their names, made at each call."""
        return {identity.name: identity for identity in self.identities}


@lru_cache(maxsize=64)  # as for links
def _nodes(home_region: str, regions: tuple[str, ...], zones: tuple[str, ...], *, has_edge: bool) -> tuple[str, ...]:
    """The name of every node of a stack."""
    found = [f"{home_region}.{DIRECTORY}", f"{home_region}.{DEPLOYER}"]
    for region in regions:
        tokens = (f"{region}.{TOKEN}.{zone}" for zone in zones)
        found += (f"{region}.{STORE}", *tokens, f"{region}.{HOST}", f"{region}.{MANAGEMENT}", f"{region}.{VAULT}")
    return (*found, EDGE_NODE) if has_edge else tuple(found)


@lru_cache(maxsize=64)  # a run asks again and again, and the stacks of a process differ in little else
def _links(names: tuple[str, ...], regions: tuple[str, ...], home_region: str) -> tuple[Link, ...]:
    """Every link between these nodes, and from clients to them."""
    nodes = [(name, NodeName.parse(name)) for name in names]
    found = [Link(CLIENT, name) for name, target in nodes if target.role in CLIENT_FACING]
    for source_role, target_role, leaves_region in CALLS:
        targets = [(name, target.region) for name, target in nodes if target.role == target_role]
        for source_region in (home_region,) if source_role in (DIRECTORY, DEPLOYER) else regions:
            source = f"{source_region}.{source_role}"
            reached = (name for name, region in targets if leaves_region or region == source_region)
            found += [Link(source, name) for name in reached if name != source]
    return tuple(found)


def door_url(door: str, address: str) -> str:
    """The base URL of a door at `host:port`. The one with TLS names localhost, as its certificate does."""
    if not DOOR_KINDS[door.partition(".")[0]].tls:
        return f"http://{address}"
    return f"https://localhost:{address.rpartition(':')[2]}"


def link_between(source_node: str, target_node: str) -> Link:
    """The link that a call from one node to another travels on (the source's zone does not matter).

    The edge calls for clients, over their links.
    """
    source = NodeName.parse(source_node)
    return Link(CLIENT if source.role == EDGE else f"{source.region}.{source.role}", target_node)
