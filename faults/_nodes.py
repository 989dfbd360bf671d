"""What node faults share: a set of nodes, the effect put on each, and a look at each from two sides.

A node counts as down or paused when a healthy link to it fails in the way of that effect. A link with a fault of its own is
no evidence about the node behind it: then the node's control plane is asked as well, which takes long when it does not
answer. Other signs of an effect (volume, network, start time) are read from the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from brownout.faults._looks import everywhere, is_faulty, probe_for_silence
from brownout.faults._targets import home, key_readers, link_to, matching_nodes
from brownout.harness.effects import NodeEffect, NodeEffectKind
from brownout.harness.errors import WorldError
from brownout.harness.fault import Fault, Observation, Reach, node_state
from brownout.harness.world import DIRECTORY, VAULT, Carrier, ProbeResult, StackSpec, World

PATIENCE_MS = 500.0
# What a probe of a healthy link meets while a node has the effect; an effect that is not here is seen in another way.
SIGNS: Mapping[NodeEffectKind, frozenset[str]] = {
    "down": frozenset({"refused", "reset"}),
    "stopped": frozenset({"refused", "reset"}),
    "wiped": frozenset({"refused", "reset"}),
    "paused": frozenset({"timeout"}),
    "disconnected": frozenset({"refused", "reset", "timeout"}),
}


class NodeFault(Fault):
    """One effect on every node of a set."""

    family = "node"
    effect: ClassVar[NodeEffectKind]

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        """The nodes concerned; raises UsageError."""
        raise NotImplementedError

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return tuple(Carrier("node", node) for node in self.nodes(spec))

    def state(self, spec: StackSpec, carrier: Carrier) -> NodeEffect:
        return NodeEffect(self.effect)

    async def observe(self, world: World) -> Observation:
        nodes = self.nodes(world.spec)
        looks = await world.together(self.look(world, node) for node in nodes)
        return everywhere(f"nodes {self.effect}", dict(zip(nodes, looks, strict=True)))

    async def look(self, world: World, node: str) -> tuple[bool, str]:
        """One look at one node: whether the effect shows, and what was seen."""
        link = link_to(world.spec, node)
        if link is None:
            silent = not await _answers_beside_links(world, node)
            return silent, "silent (no link ends here)" if silent else "answers"
        outcome = (await self._probe(world, link, node)).outcome
        if outcome == "ok":
            return False, "answers"
        if await is_faulty(world, link) and await _answers_beside_links(world, node):
            return False, f"answers beside its links ({outcome} over {link})"
        return outcome in SIGNS[self.effect], f"silent, {outcome} over {link}"

    async def _probe(self, world: World, link: str, node: str) -> ProbeResult:
        if "timeout" not in SIGNS[self.effect]:
            return await world.probe(link, timeout_ms=PATIENCE_MS)
        on = Carrier("node", node)
        return await probe_for_silence(world, link, effect=self.effect, on=on, patience_ms=PATIENCE_MS)


async def _answers_beside_links(world: World, node: str) -> bool:
    try:
        await node_state(world, node)
    except WorldError:
        return False
    return True


class NamedNodes(NodeFault):
    """One node, or every node below a name: the nodes of a role, of a region."""

    target = ("node",)

    node: str = Field(
        description='a node\'s name, or the start of several: "sydney.token" means all zones, "sydney" the region'
    )

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        return matching_nodes(spec, self.node)

    def reach(self, spec: StackSpec) -> Reach:
        """What its nodes serve; of the directory alone, also what is answered from the replicas that it feeds."""
        nodes = self.nodes(spec)
        if nodes != (home(spec, DIRECTORY),):
            return Reach(nodes=nodes)
        replicas = (*key_readers(spec, spec.regions), *(f"{region}.{VAULT}" for region in spec.regions))
        return Reach(nodes=nodes, replicas=replicas)
