"""A stack's specification made from a seed, settings and machines: the same in every world.

Machines are given by name as `{"region", "zone"?, "identities"?: [...], "scale_set"?: bool, "count"?: n, "instances"?: n,
"pods"?: bool}`;
`count` makes `name-1` to `name-n`, `instances` says that a scale set has `name_0` to `name_{n-1}` from the beginning. A machine
without a list of identities has a system-assigned one of its own. Identities that are named but not defined are user-assigned
ones of the machine's region, or of `REGION` when written `name@REGION`. `pods` says that the machines are nodes of the region's
cluster: the first of their identities trusts the service account of their pods from the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.keyed_random import keyed_id
from brownout.harness.errors import UsageError
from brownout.identity.azure.records import FEDERATED_CREDENTIALS, MOST_FEDERATED_CREDENTIALS, FederatedCredential
from brownout.identity.azure.service_accounts import EXCHANGE_AUDIENCE, cluster_issuer, subject_of
from brownout.identity.core.records import Identity
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import (
    CONTROL_PATH,
    DEFAULT_REGIONS,
    DEFAULT_VENDORS,
    REGIONS,
    MachineSpec,
    StackSpec,
)

ZONES = ("z1", "z2", "z3")
GROUP = "load"
DEFAULT_MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "count": 3},
    "web-south": {"region": "melbourne", "count": 3},
    "batch": {"region": "sydney", "identities": ["batch-id", "reports-id"]},
    "scaleout": {"region": "sydney", "scale_set": True},
    "scaleout-south": {"region": "melbourne", "scale_set": True},
}
MOST_MACHINES = 10_000
_MACHINE_KEYS = frozenset({"region", "zone", "identities", "scale_set", "count", "instances", "pods"})
_MACHINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(@[a-z]+)?")  # NAME or NAME@REGION; it is part of resource ids


def build_stack(
    *,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    machines: Mapping[str, Mapping[str, Any]] | None = None,
    control_token: str | None = None,
    regions: tuple[str, ...] = DEFAULT_REGIONS,
    home: str = "",
    vendors: tuple[str, ...] = DEFAULT_VENDORS,
) -> StackSpec:
    """The specification; raises UsageError for a setting, region or machine that cannot be.

    `home` is the region of the control plane, the first one when it is empty.
    """
    home = home or regions[0]
    _check_regions(regions, home)
    checked = _checked(settings or {}, regions)
    subscription = keyed_id(seed, "subscription")
    maker = _Maker(seed, subscription, regions)
    for name, table in (machines or default_machines(regions, home)).items():
        maker.add(name, table)
    maker.add_pools()
    maker.check_default_machines(checked.get("default_machines", {}))
    stack = StackSpec(
        seed=seed,
        tenant_id=keyed_id(seed, "tenant"),
        subscription_id=subscription,
        home_region=home,
        regions=regions,
        zones=ZONES,
        identities=tuple(maker.identities.values()),
        machines=tuple(maker.machines),
        settings=checked,
        store_keys={region: keyed_id(seed, "store-key", region) for region in regions},
        control_token=control_token or keyed_id(seed, "control-token"),
        control_path=CONTROL_PATH,
        vendors=vendors,
        edge=True,
    )
    return replace(stack, details=_details(stack, maker.pods))


def _details(stack: StackSpec, pods: Mapping[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """By identity its federated credentials for service accounts, of which `pods` has the regions and names."""
    found: dict[str, Any] = {}
    for identity, accounts in pods.items():
        if len(accounts) > MOST_FEDERATED_CREDENTIALS:
            problem = f"identity {identity} cannot trust the service accounts of {len(accounts)} machines"
            hint = f"at most {MOST_FEDERATED_CREDENTIALS}; the machines of a scale set share one account"
            raise UsageError(problem, hint=hint)
        made = [
            FederatedCredential(name, cluster_issuer(stack, region), subject_of(name), (EXCHANGE_AUDIENCE,))
            for region, name in accounts
        ]
        found[identity] = {FEDERATED_CREDENTIALS: [each.to_json() for each in made]}
    return found


def _check_regions(regions: tuple[str, ...], home: str) -> None:
    """Raises UsageError for a region that there is not, one that is named twice, and a home that is none of them."""
    for region in regions:
        if region not in REGIONS:
            hint = did_you_mean(region, REGIONS) or f"regions: {', '.join(REGIONS)}"
            raise UsageError(f"there is no region {region!r}", hint=hint)
    if len(set(regions)) < len(regions):
        raise UsageError(f"a region is named twice: {', '.join(regions)}", hint="name each once")
    if home not in regions:
        raise UsageError(f"the home region {home!r} is none of the stack's", hint=did_you_mean(home, regions))


def default_machines(regions: tuple[str, ...], home: str) -> Mapping[str, Mapping[str, Any]]:
    """The machines of a stack for which none are named: web servers and a scale set in each region, a batch machine at home.

    Those of the home region have plain names (`web`, `scaleout`), those of others the region's behind (`web-tokyo`).
    """
    if set(regions) == set(DEFAULT_REGIONS) and home == DEFAULT_REGIONS[0]:
        return DEFAULT_MACHINES
    found: dict[str, Mapping[str, Any]] = {}
    for region in regions:
        suffix = "" if region == home else f"-{region}"
        found[f"web{suffix}"] = {"region": region, "count": 3}
        found[f"scaleout{suffix}"] = {"region": region, "scale_set": True}
    # last: a client that names no machine is on its region's first, which has one identity so
    return {**found, "batch": {"region": home, "identities": ["batch-id", "reports-id"]}}


def _checked(settings: Mapping[str, Any], regions: tuple[str, ...]) -> dict[str, Any]:
    """The settings, once it is clear that they are known and name regions of this stack only; raises UsageError."""
    try:
        made = Settings.of(settings)
    except ValueError as wrong:
        raise UsageError(f"settings: {wrong}") from wrong
    named: dict[str, Iterable[str]] = {"builds": made.builds, "pins": made.pins, "force_managed_key": made.force_managed_key}
    for setting, names in named.items():
        for name in names:
            if name not in regions:
                hint = did_you_mean(name, regions) or f"regions are {', '.join(regions)}"
                raise UsageError(f"settings: {setting} names a region {name!r} that the stack does not have", hint=hint)
    return dict(settings)


class _Maker:
    """Collects machines and the identities that they name."""

    def __init__(self, seed: int, subscription: str, regions: tuple[str, ...]) -> None:
        self._seed, self._subscription, self._regions = seed, subscription, regions
        self.identities: dict[str, Identity] = {}
        self.machines: list[MachineSpec] = []
        self.pods: dict[str, list[tuple[str, str]]] = {}  # by identity, region and service account of those that it trusts
        self._names: set[str] = set()  # in lower case: resource ids do not tell cases apart

    def add(self, name: str, table: Mapping[str, Any]) -> None:
        _check_machine(name, table)
        region = self._known_region(name, str(table.get("region", "")))
        count = table.get("count", 0)
        for number, each in enumerate([f"{name}-{i + 1}" for i in range(count)] or [name]):
            if each.lower() in self._names:
                raise UsageError(f"machines.{name}: there is a machine {each!r} already", hint="rename one of them")
            if len(self._names) == MOST_MACHINES:
                raise UsageError(f"machines.{name}: a stack has at most {MOST_MACHINES:,} machines", hint="lower count")
            self._names.add(each.lower())
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
        made = MachineSpec(name, region, zone, arm_id, owned + users, scale_set, GROUP, int(table.get("instances", 0)))
        self.machines.append(made)
        if table.get("pods"):
            self.pods.setdefault(users[0], []).append((region, name.lower()))

    def add_pools(self) -> None:
        """The identities that management callers change: one to update and assign, one to delete, in each region."""
        for region in self._regions:
            self._user(f"pool-{region}", region)
            self._user(f"doomed-{region}", region)

    def check_default_machines(self, named: Mapping[str, str]) -> None:
        """Raises UsageError for a machine, or an instance of a scale set, that is not in the region that it is named for."""
        for region, name in named.items():
            here = {made.name: made.scale_set for made in self.machines if made.region == region}
            base, _, number = str(name).rpartition("_")
            if here.get(name) is not False and not (here.get(base) and number.isdigit()):
                text = f"settings: default_machines names {name!r}, which is no machine of {region}"
                raise UsageError(text, hint=did_you_mean(str(name), here) or "an instance of a scale set is NAME_0")

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
        object_id, client_id = (keyed_id(self._seed, what, name) for what in ("object", "client"))
        made = self.identities.setdefault(name, Identity(name, kind, home, object_id, client_id, arm_id))
        if made.home_region != home:
            hint = f"write {name}@{made.home_region} or {name}@{home} everywhere"
            raise UsageError(f"identity {name} cannot have its home in both {made.home_region} and {home}", hint=hint)
        return name


def _check_machine(name: str, table: Any) -> None:
    """Raises UsageError for a machine's table that cannot be one, whatever its names mean."""
    if not _MACHINE_NAME.fullmatch(name):
        hint = "letters, digits and dashes"
        raise UsageError(f"machines.{name}: that is no name for a machine", hint=hint)
    if not isinstance(table, Mapping):
        raise UsageError(f"machines.{name}: keys and values are needed here", hint="such as {region: sydney, count: 3}")
    unknown = set(table) - _MACHINE_KEYS
    if unknown:
        known = ", ".join(sorted(_MACHINE_KEYS))
        raise UsageError(f"machines.{name}: no key {sorted(unknown)[0]!r}", hint=f"keys are {known}")
    count, users = table.get("count", 1), table.get("identities")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_MACHINES:
        raise UsageError(f"machines.{name}: count is {count!r}", hint=f"a whole number from 1 to {MOST_MACHINES}")
    instances = table.get("instances", 0)
    if isinstance(instances, bool) or not isinstance(instances, int) or not 0 <= instances <= MOST_MACHINES:
        raise UsageError(f"machines.{name}: instances is {instances!r}", hint=f"a whole number from 0 to {MOST_MACHINES}")
    if instances and not table.get("scale_set"):
        raise UsageError(f"machines.{name}: only a scale set has instances", hint="scale_set: true, or count for machines")
    for key in ("scale_set", "pods"):
        if not isinstance(table.get(key, False), bool):
            raise UsageError(f"machines.{name}: {key} is {table[key]!r}", hint="true or false")
    if table.get("pods") and not users:
        problem = f"machines.{name}: pods need a user-assigned identity, which alone can have federated credentials"
        raise UsageError(problem, hint="such as identities: [pods-id]")
    if users is not None and not (isinstance(users, list | tuple) and all(isinstance(one, str) for one in users)):
        raise UsageError(f"machines.{name}: identities is {users!r}", hint="a list of names; [] for none")
    for user in users or ():
        if _IDENTITY.fullmatch(user) is None:
            hint = "letters, digits, '-', '_' and '.', such as reports-id or reports-id@sydney"
            raise UsageError(f"machines.{name}: {user!r} is no name for an identity", hint=hint)
