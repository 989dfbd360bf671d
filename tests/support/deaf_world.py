"""A stub world in which no fault bites: its carriers accept a hold, show it in every reading, and do nothing about it.

It stands for an injector that reports success without effect. What a fault takes for its bite must therefore be an effect, not
the hold itself. Holds whose ids begin with HEARD act as in the simulation: a fault may need a situation before it can bite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.harness.effects import Effect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import Request, Response

HEARD = "situation-"
SINCE = "2026-01-01T00:00:00Z"
# What the engine says of a container that runs as it was started. `ended` is part of the hold of a restart.
UNTOUCHED = {"state": "running", "kept": True, "connected": True, "started_at": SINCE}


class DeafWorld(SimulationWorld):
    """The simulation, deaf to holds."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._claimed: dict[Carrier, dict[str, dict[str, Any]]] = {}

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        if fault_id.startswith(HEARD):
            return await super().hold(carrier, fault_id, effect)
        await self.read(carrier)  # one that does not exist is refused, as everywhere
        self._claimed.setdefault(carrier, {})[fault_id] = {**effect.to_json(), "ended": SINCE}
        return {"hold": effect.to_json(), "report": {}}

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        self._claimed.get(carrier, {}).pop(fault_id, None)
        await super().release(carrier, fault_id)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        reading = await super().read(carrier)
        untouched = UNTOUCHED if carrier.kind == "node" else {}
        return {**untouched, **reading, "holds": {**reading["holds"], **self._claimed.get(carrier, {})}}

    async def control(self, node: str, request: Request) -> Response:
        answer = await super().control(node, request)
        claimed = self._claimed.get(Carrier("control", node))
        if not claimed or request.path != "/admin/state" or answer.body is None:
            return answer
        return Response(answer.status, {**answer.body, "holds": {**answer.body["holds"], **claimed}}, answer.headers)
