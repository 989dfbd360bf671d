"""The nodes that take builds and configuration: what each should have, what it was last given, how it gets the rest.

What a node should have is a function of its deployer's holds, in the order in which they were put.
"""

from __future__ import annotations

from collections.abc import Iterable

from brownout.identity.core.holds import Hold
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.node import Node
from brownout.identity.core.records import Json
from brownout.identity.core.settings import BUILDS, FIRST_BUILD
from brownout.identity.core.surface import error
from brownout.identity.core.topology import MANAGEMENT, TOKEN, NodeName

Config = dict[str, bool]


class Fleet:
    """All nodes that a deployer serves. A node that did not take a change is given it again by the next settling."""

    def __init__(self, node: Node) -> None:
        self._node = node
        served = (NodeName.parse(name) for name in node.stack.nodes())
        self._served = {str(each): each.region for each in served if each.role in (TOKEN, MANAGEMENT)}
        self.builds = {name: self.first_build(name) for name in self.targets()}
        self.configs = {name: self.first_config(name) for name in self.targets()}
        self._settled: tuple[Hold, ...] | None = None  # the holds that all nodes follow; None once one was told anything

    def targets(self, regions: Iterable[str] = ()) -> tuple[str, ...]:
        """The nodes of these regions, of all without any."""
        wanted = tuple(regions) or self._node.stack.regions
        return tuple(name for name, region in self._served.items() if region in wanted)

    def take_up(self, kind: str, name: str, record: Json) -> None:
        """Takes up one durable record."""
        assert name in self.builds, "a record is of a node that the deployer serves"
        if kind == "build":
            self.builds[name] = str(record["build"])
        elif kind == "config":
            self.configs[name] = dict(record)

    def first_build(self, name: str) -> str:
        """The build that a node comes with."""
        return self._node.settings.builds.get(NodeName.parse(name).region, FIRST_BUILD)

    def first_config(self, name: str) -> Config:
        """The configuration that a node comes with."""
        return {"force_managed_key": NodeName.parse(name).region in self._node.settings.force_managed_key}

    def pin_of(self, region: str) -> str | None:
        """The build that a region is held on; the newest pin wins over the one it came with."""
        pins = [str(value["build"]) for value in self._node.holds.held("pin") if value["region"] == region]
        return pins[-1] if pins else self._node.settings.pins.get(region)

    def desired_build(self, node: str) -> str:
        """The build that a node should run: what it came with, then every hold in the order in which it was put."""
        region = NodeName.parse(node).region
        build, pin = self.first_build(node), self._node.settings.pins.get(region)
        for hold in self._node.holds.values():
            if hold.switch == "pin" and hold.value["region"] == region:
                build = pin = str(hold.value["build"])
            elif hold.switch == "roll-out" and region in self.regions_of(hold.value):
                build = str(hold.value["build"]) if pin in (None, hold.value["build"]) else build
        return build

    def desired_config(self, node: str) -> Config:
        """What a node came with, then every hold that is in force, in the order in which it was put."""
        region, config = NodeName.parse(node).region, self.first_config(node)
        for value in self._node.holds.held("configure"):
            if value.get("in_force") and region in self.regions_of(value):
                config |= value["set"]
        return config

    def regions_of(self, value: Json) -> tuple[str, ...]:
        """The regions that a hold names, all of the stack when it names none."""
        return tuple(value.get("regions") or self._node.stack.regions)

    async def settle(self) -> None:
        """Gives every node what it did not take before; looks at none while the holds are those that all of them follow."""
        holds = tuple(self._node.holds.values())
        if holds == self._settled:
            return
        self._settled = holds
        await self.settle_builds(self._node.stack.regions)
        await self.settle_configs(self._node.stack.regions)

    async def settle_builds(self, regions: Iterable[str]) -> dict[str, bool]:
        """Moves every node of the regions to the build that it should run; which of them follow."""
        return {name: await self._set_build(name, self.desired_build(name)) for name in self.targets(regions)}

    async def settle_configs(self, regions: Iterable[str]) -> dict[str, bool]:
        """Gives every node of the regions the configuration that it should have; which of them follow."""
        return {name: await self._set_config(name, self.desired_config(name)) for name in self.targets(regions)}

    async def _set_build(self, name: str, build: str) -> bool:
        assert build in BUILDS, build
        if self.builds[name] == build:
            return True
        if not (await self._tell(name, "/admin/build", {"build": build})).ok:
            return False
        self.builds[name] = build
        await self._node.ports.persist(f"build:{name}", {"build": build})
        return True

    async def _set_config(self, name: str, config: Config) -> bool:
        assert "force_managed_key" in config, "every configuration says whether the managed key is forced"
        if self.configs[name] == config:
            return True
        if not (await self._tell(name, "/admin/config", config)).ok:
            return False
        self.configs[name] = config
        await self._node.ports.persist(f"config:{name}", config)
        return True

    async def _tell(self, name: str, path: str, body: Json) -> Response:
        self._settled = None
        request = self._node.internal("POST", path, body)
        try:
            return await self._node.ports.call(name, request, timeout_s=self._node.call_timeout_s)
        except CallFailed as failed:
            return error(502, failed.failure, str(failed))
