"""Names in a fault's parameters, looked up in the stack; a name that it does not have is a UsageError with a suggestion."""

from __future__ import annotations

from brownout.harness.errors import UsageError
from brownout.harness.fault import Vendor, unknown_name
from brownout.harness.world import BUILDS, NODE_CONFIG, MachineSpec, StackSpec


def require_vendor(spec: StackSpec, vendor: Vendor | None, kind: str) -> None:
    """Raises UsageError where the fault of that kind is about a vendor's half that the stack does not have."""
    if vendor is not None and vendor not in spec.vendors:
        problem = f"{kind} is about {vendor}'s half of a stack, and this stack's vendors are {', '.join(spec.vendors)} alone"
        both = ", ".join(sorted((*spec.vendors, vendor)))
        raise UsageError(problem, hint=f"give the stack both halves, vendors: [{both}], or take another fault")


def home(spec: StackSpec, role: str) -> str:
    """The node of a role that only the home region has."""
    return f"{spec.home_region}.{role}"


def in_region(spec: StackSpec, region: str, role: str) -> str:
    """The one node of a role in a region."""
    return f"{known_region(spec, region)}.{role}"


def known_region(spec: StackSpec, region: str) -> str:
    if region not in spec.regions:
        raise unknown_name("region", region, spec.regions)
    return region


def known_build(build: str) -> str:
    """A build that nodes can run, which all stacks have."""
    if build not in BUILDS:
        raise unknown_name("build", build, BUILDS)
    return build


def known_config(name: str) -> str:
    """A configuration that nodes have."""
    if name not in NODE_CONFIG:
        raise unknown_name("configuration", name, NODE_CONFIG)
    return name


def known_regions(spec: StackSpec, regions: tuple[str, ...]) -> tuple[str, ...]:
    """The regions named, all of the stack's when none is."""
    return tuple(known_region(spec, region) for region in regions) or spec.regions


def known_zone(spec: StackSpec, zone: str) -> str:
    if zone not in spec.zones:
        raise unknown_name("zone", zone, spec.zones)
    return zone


def known_machine(spec: StackSpec, region: str, name: str | None) -> str:
    """The machine of that name in the region, an instance of its scale set too; without a name the region's first."""
    known = {m.name: m.scale_set for m in spec.machines if m.region == region}
    if not known:
        raise UsageError(f"{region} has no machines, so no client would get this answer")
    name = name or next(iter(known))
    base, _, number = name.rpartition("_")
    if name in known:
        return f"{name}_0" if known[name] else name
    if known.get(base) and number.isdigit():
        return name
    raise unknown_name("machine", name, known)


def known_machines(spec: StackSpec, region: str, names: tuple[str, ...]) -> tuple[MachineSpec, ...]:
    """The machines and scale sets of those names in the region, `web` for `web-1` to the last; all of it without a name."""
    here = [machine for machine in spec.machines if machine.region == known_region(spec, region)]
    found: dict[str, MachineSpec] = {}
    for name in names:
        meant = [one for one in here if one.name == name or _is_numbered(one.name, name)]
        if not meant:
            raise unknown_name("machine", name, (one.name for one in here))
        found |= {one.name: one for one in meant}
    chosen = tuple(found.values()) if names else tuple(here)
    if not chosen:
        raise UsageError(f"{region} has no machines")
    return chosen


def _is_numbered(name: str, base: str) -> bool:
    head, _, number = name.rpartition("-")
    return head == base and number.isdigit()


def matching_links(spec: StackSpec, pattern: str) -> tuple[str, ...]:
    """Every link that `pattern` matches: `melbourne->sydney`, `*->sydney.store`, `client->melbourne.host`."""
    links = spec.links()
    found = tuple(str(link) for link in links if link.matches(pattern))
    if not found:
        raise unknown_name("link", pattern, map(str, links))
    return found


def matching_nodes(spec: StackSpec, pattern: str) -> tuple[str, ...]:
    """The node of that name, or every node below it: `sydney.token` names the token nodes of all zones."""
    nodes = spec.nodes()
    found = tuple(node for node in nodes if f"{node}.".startswith(f"{pattern}."))
    if not found:
        raise unknown_name("node", pattern, nodes)
    return found


def key_readers(spec: StackSpec, regions: tuple[str, ...]) -> tuple[str, ...]:
    """The nodes of those regions that hold store keys: token and management nodes, the ones that builds go to."""
    return tuple(node for region in regions for node in (*spec.token_nodes(region), f"{region}.management"))


def link_to(spec: StackSpec, node: str) -> str | None:
    """A link that ends at `node`, the clients' if they have one; None for a node that no link leads to."""
    return next((str(link) for link in spec.links() if link.target == node), None)
