"""The deployer: rolls builds and configuration out region by region, and honours pins.

A pinned region is skipped. The deployer of July 2024 reported that as a success and did not show the pin (claims C12, C13);
with `deployer_detects_pins` it reports the region as pinned and the roll-out as failed (claim C23).

What a node should run is a function of the holds. A node that did not take a change, because it was down, gets it from
the reconciler later; so releasing a hold comes into force everywhere in the end, whoever was away.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.node import Node, Refused, Switch, Unreachable, Value
from brownout.identity.core.ports import Ports
from brownout.identity.core.settings import BUILDS, check_config
from brownout.identity.core.topology import DEPLOYER, MANAGEMENT, TOKEN, NodeName, NodeSpec

RECONCILE_S = 60.0


class Deployer(Node):
    """The one deployer of a stack."""

    role = DEPLOYER

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.builds = {node: self.settings.builds.get(NodeName.parse(node).region, "1.0") for node in self._targets()}
        self.configs = {node: self._first_config(node) for node in self._targets()}
        self.switches = {
            "pin": Switch(self._pin, self._unpin),
            "roll-out": Switch(self._roll_out, self._roll_back),
            "configure": Switch(self._configure, self._unconfigure),
            "freeze": Switch(self._freeze, self._thaw),
        }

    def _targets(self, regions: tuple[str, ...] = ()) -> tuple[str, ...]:
        wanted = regions or self.stack.regions
        parsed = ((name, NodeName.parse(name)) for name in self.stack.nodes())
        return tuple(name for name, node in parsed if node.role in (TOKEN, MANAGEMENT) and node.region in wanted)

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "build":
            self.builds[name] = str(record["build"])
        elif kind == "config":
            self.configs[name] = dict(record)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._reconcile_for_ever(),)

    async def _reconcile_for_ever(self) -> None:
        while True:
            await self.ports.sleep(RECONCILE_S)
            await self._settle(self.stack.regions)
            await self._settle_configs(self.stack.regions)

    def pin_of(self, region: str) -> str | None:
        """The build that a region is held on; the newest pin wins over the one it came with."""
        pins = [str(value["build"]) for value in self.held("pin") if value["region"] == region]
        return pins[-1] if pins else self.settings.pins.get(region)

    def state(self) -> Value:
        regions = {
            region: {
                "target": self._desired(self._targets((region,))[0]),
                "pin": self.pin_of(region),
                "builds": {node: self.builds[node] for node in self._targets((region,))},
            }
            for region in self.stack.regions
        }
        return {"regions": regions, "frozen": self._is_frozen()}

    def _is_frozen(self) -> bool:
        return bool(self.held("freeze"))

    def _refuse_if_frozen(self) -> None:
        if self._is_frozen():
            raise Refused("all changes are frozen")

    def _desired(self, node: str) -> str:
        """The build that a node should run: what it came with, then every hold in the order in which it was put."""
        region = NodeName.parse(node).region
        build, pin = self.settings.builds.get(region, "1.0"), self.settings.pins.get(region)
        for hold in self.holds.values():
            if hold.switch == "pin" and hold.value["region"] == region:
                build = pin = str(hold.value["build"])
            elif hold.switch == "roll-out" and region in (hold.value.get("regions") or self.stack.regions):
                build = str(hold.value["build"]) if pin in (None, hold.value["build"]) else build
        return build

    async def _settle(self, regions: tuple[str, ...]) -> dict[str, bool]:
        """Moves every node of the regions to the build that it should run; which of them follow."""
        return {node: await self._set_build(node, self._desired(node)) for node in self._targets(regions)}

    async def _pin(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        region = self._known(str(value["region"]))
        _check_build(str(value["build"]))
        return {"region": region, "nodes": await self._settle((region,))}

    async def _unpin(self, fault_id: str, value: Value) -> None:
        await self._settle((str(value["region"]),))

    def _known(self, region: str) -> str:
        if region not in self.stack.regions:
            raise ValueError(f"no region {region!r}")
        return region

    async def _roll_out(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        build = str(value["build"])
        _check_build(build)
        regions = tuple(self._known(str(region)) for region in value.get("regions") or self.stack.regions)
        report = {region: await self._roll_out_region(region, build) for region in regions}
        success = all(entry["reported"] == "succeeded" for entry in report.values())
        return {"success": success, "regions": report}

    async def _roll_out_region(self, region: str, build: str) -> dict[str, Any]:
        done = await self._settle((region,))
        actual = sorted({self.builds[node] for node in done})
        pin = self.pin_of(region)
        if pin not in (None, build) and self.settings.deployer_detects_pins:
            return {"reported": f"pinned to {pin}", "actual": actual}
        return {"reported": "succeeded" if all(done.values()) else "failed", "actual": actual}

    async def _roll_back(self, fault_id: str, value: Value) -> None:
        await self._settle(tuple(value.get("regions") or self.stack.regions))

    async def _set_build(self, node: str, build: str) -> bool:
        if self.builds[node] == build:
            return True
        if not (await self._tell(node, "/admin/build", {"build": build})).ok:
            return False
        self.builds[node] = build
        await self.ports.persist(f"build:{node}", {"build": build})
        return True

    async def _tell(self, node: str, path: str, body: Mapping[str, Any]) -> Response:
        timeout_s = self.settings.call_timeout_ms / 1000
        try:
            return await self.ports.call(node, self.internal("POST", path, body), timeout_s=timeout_s)
        except CallFailed as failed:
            return Response(502, {"error": {"code": failed.failure, "message": str(failed)}})

    async def _configure(self, fault_id: str, value: Value) -> Value:
        self._refuse_if_frozen()
        regions = tuple(self._known(str(region)) for region in value.get("regions") or self.stack.regions)
        check_config(value["set"])
        await self.ports.sleep(self.settings.config_delay_s)
        await self.decide(fault_id, in_force=True)
        return {"nodes": await self._settle_configs(regions)}

    def _first_config(self, node: str) -> dict[str, bool]:
        """The configuration that a node comes with."""
        return {"force_managed_key": NodeName.parse(node).region in self.settings.force_managed_key}

    def _desired_config(self, node: str) -> dict[str, bool]:
        """What a node came with, then every hold that is in force, in the order in which it was put."""
        region, config = NodeName.parse(node).region, self._first_config(node)
        for value in self.held("configure"):
            if value.get("in_force") and region in (value.get("regions") or self.stack.regions):
                config |= value["set"]
        return config

    async def _settle_configs(self, regions: tuple[str, ...]) -> dict[str, bool]:
        """Gives every node of the regions the configuration that it should have; which of them follow."""
        return {node: await self._set_config(node, self._desired_config(node)) for node in self._targets(regions)}

    async def _set_config(self, node: str, config: dict[str, bool]) -> bool:
        if self.configs[node] == config:
            return True
        if not (await self._tell(node, "/admin/config", config)).ok:
            return False
        self.configs[node] = config
        await self.ports.persist(f"config:{node}", config)
        return True

    async def _unconfigure(self, fault_id: str, value: Value) -> None:
        await self._settle_configs(tuple(value.get("regions") or self.stack.regions))

    async def _freeze(self, fault_id: str, value: Value) -> Value:
        answer = await self._tell_directory("PUT", f"/admin/holds/{fault_id}", {"switch": "freeze", "value": {"by": self.name}})
        return {"directory": answer.ok}

    async def _thaw(self, fault_id: str, value: Value) -> None:
        await self._tell_directory("DELETE", f"/admin/holds/{fault_id}", None)

    async def _tell_directory(self, method: str, path: str, body: Mapping[str, Any] | None) -> Response:
        directory = f"{self.stack.home_region}.directory"
        timeout_s = self.settings.call_timeout_ms / 1000
        try:
            return await self.ports.call(directory, self.internal(method, path, body), timeout_s=timeout_s)
        except CallFailed as failed:
            raise Unreachable(f"the directory did not answer: {failed.failure}") from failed


def _check_build(build: str) -> None:
    if build not in BUILDS:
        raise ValueError(f"no build {build!r}; builds are {', '.join(BUILDS)}")
