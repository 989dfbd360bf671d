"""The deployer: rolls builds and configuration out region by region, and honours pins.

A pinned region is skipped. The deployer of July 2024 reported that as a success and did not show the pin (claims C12, C13);
with `deployer_detects_pins` it reports the region as pinned and the roll-out as failed (claim C23).

What a node should run is a function of the holds. A node that did not take a change, because it was down, gets it from
the reconciler later; so the release of a hold comes into force everywhere in the end, also on a node that was away.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NamedTuple

from brownout.identity.core.holds import Refused, Switch, Unreachable, Value
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.node import Node
from brownout.identity.core.nodes.fleet import Fleet
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.settings import BUILDS, check_config
from brownout.identity.core.topology import DEPLOYER, DIRECTORY, NodeSpec

RECONCILE_S = 60.0
SUCCEEDED = "succeeded"


class _RolledOut(NamedTuple):
    """What a roll-out reports of one region, and the builds that its nodes really run."""

    reported: str
    actual: list[str]

    def to_json(self) -> Json:
        return {"reported": self.reported, "actual": self.actual}


class Deployer(Node):
    """The one deployer of a stack."""

    role = DEPLOYER

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.fleet = Fleet(self)
        self.holds.add(
            {
                "pin": Switch(self._pin, self._unpin),
                "roll-out": Switch(self._roll_out, self._roll_back),
                "configure": Switch(self._configure, self._unconfigure),
                "freeze": Switch(self._freeze, self._thaw),
            }
        )

    def take_up(self, kind: str, name: str, record: Json) -> None:
        self.fleet.take_up(kind, name, record)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._reconcile_for_ever(),)

    async def _reconcile_for_ever(self) -> None:
        while True:
            await self.ports.sleep(RECONCILE_S)
            await self.fleet.settle()

    def state(self) -> Json:
        regions = {
            region: {
                "target": self.fleet.desired_build(self.fleet.targets((region,))[0]),
                "pin": self.fleet.pin_of(region),
                "config": self.fleet.desired_config(self.fleet.targets((region,))[0]),
                "builds": {node: self.fleet.builds[node] for node in self.fleet.targets((region,))},
            }
            for region in self.stack.regions
        }
        return {"regions": regions, "frozen": bool(self.holds.held("freeze"))}

    def _known_regions(self, value: Value) -> tuple[str, ...]:
        """The regions that a hold names, all of the stack when it names none; raises ValueError for an unknown one."""
        regions = tuple(str(region) for region in self.fleet.regions_of(value))
        for region in regions:
            if region not in self.stack.regions:
                raise ValueError(f"no region {region!r}")
        return regions

    def _refuse_if_frozen(self) -> None:
        if self.holds.held("freeze"):
            raise Refused("all changes are frozen")

    async def _pin(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        (region,) = self._known_regions({"regions": [value["region"]]})
        _check_build(str(value["build"]))
        return {"region": region, "nodes": await self.fleet.settle_builds((region,))}

    async def _unpin(self, fault_id: str, value: Value) -> None:
        await self.fleet.settle_builds((str(value["region"]),))

    async def _roll_out(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        build = str(value["build"])
        _check_build(build)
        report = {region: await self._roll_out_region(region, build) for region in self._known_regions(value)}
        success = all(done.reported == SUCCEEDED for done in report.values())
        return {"success": success, "regions": {region: done.to_json() for region, done in report.items()}}

    async def _roll_out_region(self, region: str, build: str) -> _RolledOut:
        done = await self.fleet.settle_builds((region,))
        actual = sorted({self.fleet.builds[node] for node in done})
        pin = self.fleet.pin_of(region)
        if pin not in (None, build) and self.settings.deployer_detects_pins:
            return _RolledOut(f"pinned to {pin}", actual)
        return _RolledOut(SUCCEEDED if all(done.values()) else "failed", actual)

    async def _roll_back(self, fault_id: str, value: Value) -> None:
        await self.fleet.settle_builds(self.fleet.regions_of(value))

    async def _configure(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        regions = self._known_regions(value)
        check_config(value["set"])
        await self.ports.sleep(self.settings.config_delay_s)
        await self.holds.decide(fault_id, in_force=True)
        return {"nodes": await self.fleet.settle_configs(regions)}

    async def _unconfigure(self, fault_id: str, value: Value) -> None:
        await self.fleet.settle_configs(self.fleet.regions_of(value))

    async def _freeze(self, fault_id: str, value: Value) -> Value:
        """The directory is frozen with us: it holds the same id."""
        hold = {"switch": "freeze", "value": {"by": self.name}}
        answer = await self._tell_directory("PUT", f"/admin/holds/{fault_id}", hold)
        return {"directory": answer.ok}

    async def _thaw(self, fault_id: str, value: Value) -> None:
        await self._tell_directory("DELETE", f"/admin/holds/{fault_id}", None)

    async def _tell_directory(self, method: str, path: str, body: Json | None) -> Response:
        """The directory's answer; raises Unreachable."""
        directory = f"{self.stack.home_region}.{DIRECTORY}"
        try:
            return await self.ports.call(directory, self.internal(method, path, body), timeout_s=self.call_timeout_s)
        except CallFailed as failed:
            raise Unreachable(f"the directory did not answer: {failed.failure}") from failed


def _check_build(build: str) -> None:
    if build not in BUILDS:
        raise ValueError(f"no build {build!r}; builds are {', '.join(BUILDS)}")
