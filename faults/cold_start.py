"""cold-start: hosts and token nodes lose what they have cached, as after a restart; the caches fill again by use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.faults._overload import OverloadFault, held
from brownout.harness.errors import UsageError
from brownout.harness.world import HOST, TOKEN, StackSpec


class ColdStart(OverloadFault):
    """Caches are emptied once. Nothing is given back by the revert: what was dropped was fetched anew by then."""

    kind = "cold-start"
    family = "load"
    switch = "cold-start"
    lasting = True

    def describe(self) -> str:
        return f"{self.node} starts cold: cached tokens and credentials are dropped"

    def value(self) -> Mapping[str, Any]:
        return {}

    def nodes(self, spec: StackSpec) -> tuple[str, ...]:
        named = super().nodes(spec)
        caching = tuple(node for node in named if node.split(".")[1] in (HOST, TOKEN))
        if not caching:
            raise UsageError(f"{self.node} caches nothing", hint="hosts and token nodes do, as in sydney.host or sydney.token")
        return caching

    def unchanged(self, spec: StackSpec, before: Mapping[str, Mapping[str, Any]]) -> str:
        cached = [reading.get("cached", 0) + reading.get("aws", {}).get("cached", 0) for reading in before.values()]
        return "" if any(cached) else "no node concerned had anything in its cache"

    def shows(self, state: Mapping[str, Any]) -> tuple[bool, str]:
        """The node reports what it dropped, unless it has started anew: how full a cache is afterwards depends on the load."""
        reports = (state.get("reports", {}).get(fault_id, {}) for fault_id, _ in held(state, self.switch, self.value()))
        dropped = next((int(report["dropped"]) for report in reports if "dropped" in report), None)
        what = "dropped nothing that it reports" if dropped is None else f"dropped {dropped}"
        return dropped is not None, f"{what}, {state.get('cached', 0)} tokens cached now"
