"""Names in a fault's parameters, looked up in the stack; a name that it does not have is a UsageError with a suggestion."""

from __future__ import annotations

from brownout.harness.fault import unknown_name
from brownout.harness.world import World

DIRECTORY, DEPLOYER, HOST, STORE, VAULT = "directory", "deployer", "host", "store", "vault"


def home(world: World, role: str) -> str:
    """The node of a role that only the home region has."""
    return f"{world.spec.home_region}.{role}"


def in_region(world: World, region: str, role: str) -> str:
    """The one node of a role in a region."""
    return f"{known_region(world, region)}.{role}"


def known_region(world: World, region: str) -> str:
    if region not in world.spec.regions:
        raise unknown_name("region", region, world.spec.regions)
    return region


def known_regions(world: World, regions: tuple[str, ...]) -> tuple[str, ...]:
    """The regions named, all of the stack's when none is."""
    return tuple(known_region(world, region) for region in regions) or world.spec.regions


def known_zone(world: World, zone: str) -> str:
    if zone not in world.spec.zones:
        raise unknown_name("zone", zone, world.spec.zones)
    return zone


def matching_links(world: World, pattern: str) -> tuple[str, ...]:
    """Every link that `pattern` matches: `melbourne->sydney`, `*->sydney.store`, `client->melbourne.host`."""
    links = world.spec.links()
    found = tuple(str(link) for link in links if link.matches(pattern))
    if not found:
        raise unknown_name("link", pattern, map(str, links))
    return found


def matching_nodes(world: World, pattern: str) -> tuple[str, ...]:
    """The node of that name, or every node below it: `sydney.token` names the token nodes of all zones."""
    nodes = world.spec.nodes()
    found = tuple(node for node in nodes if f"{node}.".startswith(f"{pattern}."))
    if not found:
        raise unknown_name("node", pattern, nodes)
    return found


def key_readers(world: World, regions: tuple[str, ...]) -> tuple[str, ...]:
    """The nodes of those regions that hold store keys: token and management nodes, the ones that builds go to."""
    spec = world.spec
    return tuple(node for region in regions for node in (*spec.token_nodes(region), f"{region}.management"))


def link_to(world: World, node: str) -> str | None:
    """A link that ends at `node`, the clients' if they have one; None for a node that nobody calls."""
    return next((str(link) for link in world.spec.links() if link.target == node), None)
