"""What faults of the directory's signing keys share: its switch, and the key sets that verifiers see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home
from brownout.harness.fault import Reach, client_answer, node_state
from brownout.harness.world import DIRECTORY, VAULT, Settings, StackSpec, World


class SigningKeyFault(SwitchFault):
    """A fault at the directory that reaches verifiers with the key set that is published next."""

    family = "credential"
    vendor = "azure"  # whose APIs verify with the key set, and whose pages show it

    def settles_s(self, spec: StackSpec) -> float:
        return 2 * Settings.of(spec.settings).publish_interval_s

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        self.holder(spec)
        return {}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=tuple(f"{region}.{VAULT}" for region in spec.regions))

    async def signs(self, world: World) -> str:
        """The id of the key that tokens are signed with."""
        return str((await node_state(world, self.holder(world.spec)))["signing_key_id"])


async def published(world: World, region: str) -> tuple[str, ...] | None:
    """The ids of the keys that a region publishes, as a verifier sees it; None when it shows no key set."""
    node = world.spec.token_nodes(region)[0]
    answer = await client_answer(world, node, f"/{world.spec.tenant_id}/discovery/keys")
    if answer is None or not answer.ok:
        return None
    return tuple(str(key["kid"]) for key in (answer.body or {})["keys"])
