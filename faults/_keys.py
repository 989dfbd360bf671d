"""Base of faults on a store's keys: an order to one store about one key, and how its key ring is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region
from brownout.harness.fault import Observation, Reach, node_state
from brownout.harness.world import STORE, StackSpec, World

Key = Mapping[str, Any]


class StoreKeyFault(SwitchFault):
    """An order to a region's store about one of its keys. Files add which order, and how its effect is seen."""

    family = "credential"
    target = ("region",)

    region: str = Field(description="whose store the key is for")
    key_id: str = Field(description='an id, or "manual" or "managed" for the newest of the kind')

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, STORE)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"key_id": self.key_id}

    def reach(self, spec: StackSpec) -> Reach:
        # The store's newest key is the one that its readers use, as far as they follow.
        keys = () if self.key_id == "current" else (self.key_id,)
        return Reach(nodes=(self.holder(spec),), keys=keys)


async def key_ring(world: World, region: str) -> tuple[Key, ...]:
    """`{"key_id", "kind", "valid", "valid_until_s"}` for each key of a region's store, oldest first; raises WorldError."""
    return tuple((await node_state(world, f"{region}.{STORE}"))["keys"])


async def ended_by_order(world: World, region: str) -> frozenset[str]:
    """Ids of the keys that a roll-over or an invalidation on the store ends, even if another order makes them valid again."""
    ended: set[str] = set()
    for hold in (await node_state(world, f"{region}.{STORE}"))["holds"].values():
        if hold["switch"] == "roll-key":
            ended |= set(hold["value"]["revokes"])
        elif hold["switch"] == "invalidate-key":
            ended.add(hold["value"]["resolved"])
    return frozenset(ended)


def is_ended(key: Key) -> bool:
    """True for a key that is refused, or will be from a known time on."""
    return not key["valid"] or key["valid_until_s"] is not None


def ring_text(keys: Iterable[Key]) -> str:
    """The ring in words, for evidence."""
    return ", ".join(f"{key['key_id']} {_validity(key)}" for key in keys) or "no keys"


def _validity(key: Key) -> str:
    if not key["valid"]:
        return "refused"
    return "valid" if key["valid_until_s"] is None else f"valid until {key['valid_until_s']:.0f}"


def superseded(region: str, keys: tuple[Key, ...]) -> Observation:
    """`bitten` when a newer managed key is valid and an older key has ended or will; `absent` when every key stays valid."""
    ended = [key for key in keys if is_ended(key)]
    newest = keys[-1]
    text = f"key ring of {region}: {ring_text(keys)}"
    if not ended:
        return Observation("absent", text)
    rolled = newest["kind"] == "managed" and newest["valid"] and newest not in ended
    return Observation("bitten" if rolled else "unclear", text)
