"""Whether a run's stack is still there as it was started: nodes, and what carries its links."""

from __future__ import annotations

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.world import Carrier, World


async def losses(world: World) -> tuple[str, ...]:
    """How each node, and what carries the links, was lost, except by faults; nothing for a stack that is whole."""
    carriers = [Carrier("node", node) for node in world.spec.nodes()]
    found = [await _loss(world, carrier) for carrier in (*carriers, any_link(world))]
    return tuple(dict.fromkeys(filter(None, found)))


async def require_carried(world: World, link: Carrier) -> None:
    """Raises CarrierGone when what carries this link and all others has ended: no request arrives, and no fault is in force."""
    try:
        await world.read(link)
    except CarrierGone:
        raise
    except WorldError:
        return  # it may only be slow to answer


def any_link(world: World) -> Carrier:
    """One link stands for all: in every world one program carries all links."""
    return Carrier("link", str(world.spec.links()[0]))


async def _loss(world: World, carrier: Carrier) -> str:
    try:
        reading = await world.read(carrier)
    except WorldError as error:
        return error.message
    return f"{carrier.name} ended by itself ({reading.get('exit')})" if reading.get("state") == "dead" else ""
