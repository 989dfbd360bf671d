"""A stateful machine over acts and clients: a stack that lives, on which rules put acts, clients come, and time passes.

The simulation goes on inside of a rule and is never run again from the start. Invariants that need no bound are checked after
each rule; when a program ends, everything is reverted, time passes beyond all bounds, what is left behind is looked for, and
the invariants of every run judge what clients saw.
The acts of a program are a schedule again (`Stand.schedule`), so that what it breaks can be shrunk and replayed like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brownout.harness.errors import BrownoutError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.stack import stack_of
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.topology import MANAGEMENT, TOKEN, VAULT, NodeName
from brownout.suites.search.allowed import why_allowed
from brownout.suites.search.clients import Visitors
from brownout.suites.search.domains import drawable_kinds
from brownout.suites.search.grounds import Ground, ground
from brownout.suites.search.schedule import Act, FaultSchedule
from brownout.suites.search.strategies import params

EPOCH_S = 1_719_748_800.0
STACK = "machine"
LONGEST_WAIT_S = 60
SETTLES_S = 150.0
REPLICATED = (TOKEN, MANAGEMENT, VAULT)
MOST_HELD = 3


class Stand:
    """One simulated stack with the faults that are in place, by their ids."""

    def __init__(self, place: Ground, planted: tuple[str, ...], seed: int) -> None:
        self.ground, self.planted, self.seed = place, planted, seed
        settings = {**place.experiment.settings, **({"planted": list(planted)} if planted else {})}
        self.world = SimulationWorld(stack_of(place.experiment, seed=seed, settings=settings), epoch_s=EPOCH_S)
        self._folder = tempfile.TemporaryDirectory(prefix="brownout-machine-")
        self.ledger = Ledger(":memory:")
        self.ledger.add_stack(STACK, folder=Path(self._folder.name), world="simulation", run_owned=True)
        self.life = LifeCycle(self.world, self.ledger, STACK, lambda _: None, monotonic=self.world.now)
        self.held: dict[str, Act] = {}
        self._acts: list[Act] = []
        self.world.run(self.world.start())
        self._begun_s = self.world.now()
        self.clients = Visitors(place, self.world)

    def _at_s(self) -> int:
        return round(self.world.now() - self._begun_s)

    def apply(self, kind: str, found: dict[str, Any]) -> None:
        """Puts an act in place; one that cannot be put there leaves nothing."""
        act = Act(kind=kind, params=found, at_s=self._at_s(), for_s=1)
        fault = plugins.fault(kind, found)
        try:
            applied = self.world.run(self.life.inject(f"act-{len(self._acts)}", fault, patience_s=0.0))
        except BrownoutError:
            return
        if applied.state != "defended":
            self.held[applied.fault_id] = act
            self.clients.applied(applied.fault_id, fault)
            self.look()

    def revert(self, fault_id: str) -> str:
        """Takes an act away; the state that it ended in."""
        act = self.held.pop(fault_id)
        reverted = self.world.run(self.life.revert(fault_id))
        self.clients.reverted(fault_id)
        self.look()
        self._acts.append(act.model_copy(update={"for_s": max(1, self._at_s() - act.at_s)}))
        return reverted.state

    def look(self) -> None:
        self.clients.look(self.life.watch.nodes_held())

    def violated(self) -> dict[str, str]:
        """Invariants that the history so far violates, with the evidence, but those that the acts so far are allowed to."""
        kinds = {act.kind for act in (*self._acts, *self.held.values())}
        found = {one.name: one.evidence for one in self.clients.judged() if one.status == "violated"}
        return {name: evidence for name, evidence in found.items() if not why_allowed(f"invariant:{name}", kinds)}

    def wait(self, seconds: float) -> None:
        self.world.run(self.world.sleep_until(self.world.now() + seconds))

    def versions(self) -> dict[tuple[str, str], int]:
        """The version of each replica that answers, by node and publication."""
        found: dict[tuple[str, str], int] = {}
        for node in self.world.spec.nodes():
            if NodeName.parse(node).role not in REPLICATED:
                continue
            page = self.page(node)
            if page is not None:
                found[node, "replica"] = int(page["replica_version"])
                if "aws" in page:
                    found[node, "account"] = int(page["aws"]["account_version"])
        return found

    def page(self, node: str) -> Any:
        """The node's state; None where it does not answer."""
        try:
            answer = self.world.run(self.world.control(node, Request("GET", "/admin/state")))
        except BrownoutError:
            return None
        return answer.body if answer.ok else None

    def ask(self, request: Callable[[], Coroutine[Any, Any, Any]]) -> int | None:
        """The status of a client's request; None without an answer."""
        try:
            return int(self.world.run(request()).status)
        except (CallFailed, BrownoutError):
            return None

    def left(self) -> dict[str, Any]:
        """Holds that are still on a carrier when everything was reverted."""
        found: dict[str, Any] = {}
        for node in self.world.spec.nodes():
            page = self.page(node)
            if page is None:
                found[node] = "does not answer"
            elif page["holds"]:
                found[node] = page["holds"]
        return found

    def schedule(self) -> FaultSchedule:
        """The acts so far as a schedule on the ground, with all of its clients."""
        cohorts = tuple(cohort.name for cohort in self.ground.experiment.load.cohorts)
        bare = FaultSchedule(ground=self.ground.name, seed=self.seed, acts=(), cohorts=cohorts, planted=self.planted)
        return bare.with_acts((*self._acts, *self.held.values()))

    def close(self) -> None:
        self.world.kernel.close()
        self.ledger.close()
        self._folder.cleanup()


class StackMachine(RuleBasedStateMachine):
    """Rules on one stack. Tests and campaigns derive from it to name the ground, the kinds of acts and the planted bugs."""

    ground_name = "azure"
    kinds: tuple[str, ...] = ()
    planted: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.place = ground(self.ground_name)
        self.stand: Stand | None = None
        self._newest: dict[tuple[str, str], int] = {}

    @property
    def up(self) -> Stand:
        assert self.stand is not None, "the stack comes up first"
        return self.stand

    @initialize(seed=st.integers(0, 99))
    def bring_up(self, seed: int) -> None:
        self.stand = Stand(self.place, self.planted, seed)

    @precondition(lambda self: self.stand is not None and len(self.stand.held) < MOST_HELD)
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(self.kinds or drawable_kinds(self.place)), label="kind")
        self.up.apply(kind, data.draw(params(kind, self.place), label="params"))

    @precondition(lambda self: self.stand is not None and bool(self.stand.held))
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        ids = sorted(self.up.held)
        self.up.revert(ids[data.draw(st.integers(0, len(ids) - 1), label="which")])

    @precondition(lambda self: self.stand is not None)
    @rule(data=st.data())
    def visit(self, data: st.DataObject) -> None:
        """A client comes, by a client model of the ground's vendors."""
        self.up.clients.visit(data.draw(st.sampled_from(self.up.clients.visits()), label="visit"))

    @rule(seconds=st.integers(1, LONGEST_WAIT_S))
    def wait(self, seconds: int) -> None:
        self.up.wait(seconds)

    @rule(region=st.integers(0, 1))
    def change_something(self, region: int) -> None:
        """A change of identities, which gives replicas something to hear of."""
        world = self.up.world
        home = f"{world.spec.home_region}.directory"
        self.up.ask(lambda: world.control(home, Request("POST", "/admin/user-token", body={"lifetime_s": 60 + region})))

    @invariant()
    def replicas_never_go_back(self) -> None:
        if self.stand is None:
            return
        for where, version in self.stand.versions().items():
            before = self._newest.get(where, 0)
            assert not 0 < version < before, f"{where[0]} held {where[1]} version {before}, and {version} now"
            self._newest[where] = max(before, version)

    def teardown(self) -> None:
        if self.stand is None:
            return
        try:
            for fault_id in sorted(self.stand.held):
                self.stand.revert(fault_id)
            self.stand.wait(SETTLES_S)
            self.stand.look()
            left = self.stand.left()
            assert not left, f"left behind: {left}"
            violated = self.stand.violated()
            assert not violated, f"violated: {violated}"
        finally:
            self.stand.close()
