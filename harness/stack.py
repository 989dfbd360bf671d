"""A stack's specification made from a seed, settings and machines: the same in every world.

Machines are given by name as `{"region", "zone"?, "identities"?: [...], "scale_set"?: bool, "count"?: n}`; `count` makes
`name-1` to `name-n`. A machine without a list of identities has a system-assigned one of its own. Identities that are
named but not defined are user-assigned ones of the machine's region, or of `REGION` when written `name@REGION`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.draw import draw_id
from harness.errors import UsageError
from identity.core.settings import Settings
from identity.core.topology import REGIONS, IdentitySpec, MachineSpec, StackSpec

ZONES = ("z1", "z2", "z3")
HOME_REGION = "sydney"
GROUP = "load"
DEFAULT_MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "count": 3},
    "web-south": {"region": "melbourne", "count": 3},
    "batch": {"region": "sydney", "identities": ["batch-id", "reports-id"]},
    "scaleout": {"region": "sydney", "scale_set": True},
    "scaleout-south": {"region": "melbourne", "scale_set": True},
}
_MACHINE_KEYS = frozenset({"region", "zone", "identities", "scale_set", "count"})


def build_stack(
    *,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    machines: Mapping[str, Mapping[str, Any]] | None = None,
    control_token: str | None = None,
    regions: tuple[str, ...] = tuple(REGIONS),
) -> StackSpec:
    """The specification; raises UsageError for a setting, region or machine that cannot be."""
    try:
        checked = dict(settings or {})
        Settings.of(checked)
    except ValueError as wrong:
        raise UsageError(f"settings: {wrong}") from wrong
    subscription = draw_id(seed, "subscription")
    maker = _Maker(seed, subscription, regions)
    for name, table in (machines or DEFAULT_MACHINES).items():
        maker.add(name, table)
    maker.add_pools()
    return StackSpec(
        seed=seed,
        tenant_id=draw_id(seed, "tenant"),
        subscription_id=subscription,
        home_region=HOME_REGION,
        regions=regions,
        zones=ZONES,
        identities=tuple(maker.identities.values()),
        machines=tuple(maker.machines),
        settings=checked,
        store_keys={region: draw_id(seed, "store-key", region) for region in regions},
        control_token=control_token or draw_id(seed, "control-token"),
    )


class _Maker:
    """Collects machines and the identities that they name."""

    def __init__(self, seed: int, subscription: str, regions: tuple[str, ...]) -> None:
        self._seed, self._subscription, self._regions = seed, subscription, regions
        self.identities: dict[str, IdentitySpec] = {}
        self.machines: list[MachineSpec] = []

    def add(self, name: str, table: Mapping[str, Any]) -> None:
        unknown = set(table) - _MACHINE_KEYS
        if unknown:
            known = ", ".join(sorted(_MACHINE_KEYS))
            raise UsageError(f"machines.{name}: no key {sorted(unknown)[0]!r}", hint=f"keys are {known}")
        region = self._known_region(name, str(table.get("region", "")))
        count = int(table.get("count", 0))
        for number, each in enumerate([f"{name}-{i + 1}" for i in range(count)] or [name]):
            self._add_one(each, region, number, table)

    def _add_one(self, name: str, region: str, number: int, table: Mapping[str, Any]) -> None:
        scale_set = bool(table.get("scale_set", False))
        kind = "virtualMachineScaleSets" if scale_set else "virtualMachines"
        arm_id = self._arm_id("Microsoft.Compute", kind, name)
        named = table.get("identities")
        owned = (self._system(name, region, arm_id),) if named is None else ()
        users = tuple(self._user(str(item), region) for item in named or ())
        zone = str(table.get("zone") or ZONES[number % len(ZONES)])
        if zone not in ZONES:
            raise UsageError(f"machines.{name}: no zone {zone!r}", hint=f"zones are {', '.join(ZONES)}")
        self.machines.append(MachineSpec(name, region, zone, arm_id, owned + users, scale_set))

    def add_pools(self) -> None:
        """The identities that management callers change: one to update and assign, one to delete, in each region."""
        for region in self._regions:
            self._user(f"pool-{region}", region)
            self._user(f"doomed-{region}", region)

    def _known_region(self, name: str, region: str) -> str:
        if region not in self._regions:
            raise UsageError(f"machines.{name}: no region {region!r}", hint=f"regions are {', '.join(self._regions)}")
        return region

    def _arm_id(self, provider: str, kind: str, name: str) -> str:
        return f"/subscriptions/{self._subscription}/resourceGroups/{GROUP}/providers/{provider}/{kind}/{name}"

    def _system(self, machine: str, region: str, arm_id: str) -> str:
        return self._identity(f"{machine}-system", "system", region, arm_id)

    def _user(self, text: str, region: str) -> str:
        name, _, home = text.partition("@")
        arm_id = self._arm_id("Microsoft.ManagedIdentity", "userAssignedIdentities", name)
        return self._identity(name, "user", self._known_region(name, home or region), arm_id)

    def _identity(self, name: str, kind: str, home: str, arm_id: str) -> str:
        object_id, client_id = (draw_id(self._seed, what, name) for what in ("object", "client"))
        self.identities.setdefault(name, IdentitySpec(name, kind, home, object_id, client_id, arm_id))
        return name
