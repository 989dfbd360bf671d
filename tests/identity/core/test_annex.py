"""A vendor's annex on a node: its records, requests, switches and background work come to it under the vendor's name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.annex import Annex
from brownout.identity.core.holds import PASSIVE, Switch
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import VAULT
from brownout.identity.roles import VENDORS, Part
from support.simulated_stacks import on_world

NODE = "sydney.vault"
T = TypeVar("T")


class Counter(Annex):
    """Counts what it is asked, durably, and once more for every hour that passes."""

    vendor = "counter"
    switches: Mapping[str, Switch] = {"stop-counting": PASSIVE}

    def __init__(self, node: Vault) -> None:
        self._node = node
        self.well = True
        self.count, self.hours = 0, 0
        self.started_with = -1

    @property
    def ready(self) -> bool:
        return self.well

    def take_up(self, name: str, record: Json) -> None:
        assert name == "count"
        self.count = int(record["count"])

    async def start(self) -> None:
        self.started_with = self.count

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._hours(),)

    async def _hours(self) -> None:
        while True:
            await self._node.ports.sleep(3600)
            self.hours += 1

    def state(self) -> Json:
        return {"count": self.count, "hours": self.hours, "started_with": self.started_with}

    async def serve(self, request: Request, path: str) -> Served | None:
        if path != "/count":
            return None
        self.count += not self._node.holds.held("stop-counting")
        await self._node.ports.persist("counter:count", {"count": self.count})
        return Served(Response(200, {"count": self.count}))

    async def control(self, request: Request, path: str) -> Response | None:
        return Response(200, {"at": path}) if path == "/where" else None


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VENDORS, "counter", {VAULT: Part(annexes=(Counter,))})


def on_stack(story: Callable[[SimulationWorld], Coroutine[Any, Any, T]]) -> T:
    return on_world(story, vendors=("counter", "azure"))


async def shown(world: SimulationWorld) -> Json:
    answer = await world.control(NODE, Request("GET", "/admin/state"))
    assert answer.body is not None
    state: Json = answer.body["counter"]
    return state


def test_other_nodes_ask_it_below_its_vendors_name() -> None:
    """With the control token only; a path that it does not know is not found."""

    async def story(world: SimulationWorld) -> list[tuple[int, Any]]:
        node = world._nodes[NODE].node
        assert node is not None
        asked = [node.internal("GET", path) for path in ("/counter/count", "/counter/count", "/counter/other")]
        answers = [await node.handle(each) for each in (*asked, Request("GET", asked[0].path))]
        return [(answer.status, (answer.body or {}).get("count")) for answer in answers]

    assert on_stack(story) == [(200, 1), (200, 2), (404, None), (401, None)]


def test_the_harness_controls_it_below_admin() -> None:
    """A control request that it does not know goes to the role, whose answer names it."""

    async def story(world: SimulationWorld) -> tuple[Response, Response]:
        there, away = (Request("POST", f"/admin/counter/{path}") for path in ("where", "away"))
        return await world.control(NODE, there), await world.control(NODE, away)

    there, away = on_stack(story)
    assert (there.status, there.body) == (200, {"at": "/where"})
    assert away.status == 404


def test_its_records_outlive_a_life_and_its_work_goes_on() -> None:
    """Records are taken up before it starts; background work runs in each life."""

    async def story(world: SimulationWorld) -> tuple[Json, Json]:
        node = world._nodes[NODE].node
        assert node is not None
        await node.handle(node.internal("GET", "/counter/count"))
        await world.kernel.sleep(2 * 3600 + 1)
        before = await shown(world)
        await world.hold(Carrier("node", NODE), "kill", NodeEffect("down"))
        await world.release(Carrier("node", NODE), "kill")
        return before, await shown(world)

    before, after = on_stack(story)
    assert before == {"count": 1, "hours": 2, "started_with": 0}
    assert after == {"count": 1, "hours": 0, "started_with": 1}


def test_its_switches_are_the_nodes() -> None:
    """They are held, shown and released like those of the role."""

    async def story(world: SimulationWorld) -> tuple[Json, Json]:
        node = world._nodes[NODE].node
        assert node is not None
        await world.control(NODE, Request("PUT", "/admin/holds/f1", body={"switch": "stop-counting"}))
        await node.handle(node.internal("GET", "/counter/count"))
        stopped = await shown(world)
        await world.control(NODE, Request("DELETE", "/admin/holds/f1"))
        await node.handle(node.internal("GET", "/counter/count"))
        return stopped, await shown(world)

    stopped, counted = on_stack(story)
    assert (stopped["count"], counted["count"]) == (0, 1)


def test_a_stack_without_the_vendor_has_no_annex() -> None:
    """What one vendor keeps stands on its own stacks only."""

    async def story(world: SimulationWorld) -> int:
        return (await world.control(NODE, Request("POST", "/admin/counter/where"))).status

    assert on_world(story) == 404


def test_a_node_is_ready_when_its_annexes_are() -> None:
    """A node whose annex cannot serve yet says so on its health page, whatever its role can do."""

    async def story(world: SimulationWorld) -> list[object]:
        node = world._nodes[NODE].node
        assert node is not None
        counter = node.annexes["counter"]
        assert isinstance(counter, Counter)
        found: list[object] = []
        for counter.well in (True, False):
            answer = await node.handle(Request("GET", "/_brownout/healthz"))
            found.append((answer.body or {})["ready"])
        return found

    assert on_stack(story) == [True, False]


def test_an_annex_with_nothing_of_its_own_keeps_its_node_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says no more than its vendor; the node is ready with it, shows it empty, and a path below its name is not found."""

    class Bare(Annex):
        vendor = "counter"

        def __init__(self, node: Vault) -> None: ...

    monkeypatch.setitem(VENDORS, "counter", {VAULT: Part(annexes=(Bare,))})

    async def story(world: SimulationWorld) -> tuple[bool, Json, int]:
        node = world._nodes[NODE].node
        assert node is not None
        asked = await node.handle(node.internal("GET", "/counter/count"))
        told = await world.control(NODE, Request("GET", "/healthz"))
        return bool((told.body or {})["ready"]), await shown(world), asked.status

    assert on_stack(story) == (True, {}, 404)
