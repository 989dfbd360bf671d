"""Clients of the stateful machine: one arrival at a time, by the client models of every load, and the history that they leave.

A *visit* is a kind of client with one operation: a token from a machine, a change of identities, a call of IAM, a role to take,
a secret to read, a sign-in at the console. Those of the ground's own cohorts are there, and others for what they leave out.
What each visit came to, each act and looks at the stack's state are a history, which the invariants of every run judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from brownout.harness.experiment.load_plan import load_plan
from brownout.harness.fault import Fault
from brownout.harness.judge.invariants.table import invariant_results
from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals, operations_of
from brownout.harness.load.models.model import Arrival, Clients
from brownout.harness.load.playing import begin, perform, to_record
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import InvariantResult
from brownout.harness.run.state_watch import StateWatch
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import Request, Response
from brownout.suites.search.grounds import Ground

CONSOLE = "console-sign-in"
HORIZON_S = 1_000.0
FURTHER: Mapping[str, tuple[Cohort, ...]] = {
    "azure": (Cohort(name="new-audience", model="token", region="home", rate_per_s=1, resource="https://storage.azure.com"),),
    "aws": (
        Cohort(name="role-makers", model="new-role", region="home", rate_per_s=1, mix={"create-role": 1, "use-new-role": 1}),
        Cohort(name="auditors", model="iam", region="home", rate_per_s=1, mix={"get-role": 1, "key-last-used": 1}),
        Cohort(name="people", model=CONSOLE, region="home", rate_per_s=1),
    ),
}


class Visit(NamedTuple):
    """A cohort's name and an operation of it."""

    cohort: str
    operation: str


class Visitors:
    """The clients of one stack that is up. `events` and `requests` are what was recorded so far."""

    def __init__(self, ground: Ground, world: SimulationWorld) -> None:
        self.world, self.events = world, list[Event]()
        self.requests: list[RequestRecord] = []
        every = _cohorts(ground)
        experiment = ground.experiment
        load = experiment.load.model_copy(update={"cohorts": every})
        people = [cohort.name for cohort in every if cohort.model == CONSOLE]
        plan = load_plan(experiment.model_copy(update={"load": load}), world.spec)
        plan = plan.signed_in(world.run(sign_in(world, console=people)))
        self._deadline_s, self._clients = plan.deadline_ms / 1000, Clients(plan.account, plan.seed)
        self._due = {
            Visit(cohort.name, operation): _arrivals(plan, cohort, operation)
            for cohort in plan.cohorts
            for operation in operations_of(cohort)
        }
        self._away: frozenset[str] = frozenset()
        self._watch = StateWatch(world, self, lambda: self._away)  # type: ignore[arg-type]  # of a journal it needs `event` alone
        world.run(self._watch.begin(world.now() + HORIZON_S))

    def visits(self) -> tuple[Visit, ...]:
        return tuple(self._due)

    def visit(self, visit: Visit) -> str:
        """One client comes; what it came to (`happened`, `refused`, `unknown`)."""
        now_s = self.world.now()
        arrival = next(self._due[visit])._replace(at_s=now_s)
        playing = begin(arrival._replace(retry=""), self._clients, now_s)
        result = self.world.run(perform(playing, self._call))
        done_s = self.world.now()
        record = to_record(arrival, result, sent_s=now_s, done_s=done_s, latency_ms=(done_s - now_s) * 1000)
        self.requests.append(record)
        return record.outcome

    async def _call(self, node: str, request: Request) -> Response:
        return await self.world.client(node, request, timeout_s=self._deadline_s)

    def event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """Records what a run's journal would."""
        self.events.append(Event(round(self.world.now(), 6), kind, what, subject, dict(detail or {})))

    def applied(self, name: str, fault: Fault) -> None:
        """An act is in place."""
        known = {"role": "fault", "fault": fault.kind}
        reach, params = fault.reach(self.world.spec).to_json(), fault.model_dump(mode="json")
        self.event("act", "planned", name, {**known, "reach": reach, "params": params})
        self.event("act", "applied", name, known)

    def reverted(self, name: str) -> None:
        self.event("act", "reverted", name)

    def look(self, away: frozenset[str]) -> None:
        """A look at the state of all nodes but those that acts hold."""
        self._away = away
        self.world.run(self._watch.look())

    def judged(self) -> tuple[InvariantResult, ...]:
        """What the history so far says of each invariant."""
        return invariant_results(History(tuple(self.events), tuple(self.requests)))


def _cohorts(ground: Ground) -> tuple[Cohort, ...]:
    """The ground's own, and for each of its vendors those that it leaves out, in its home region."""
    own, home = ground.experiment.load.cohorts, ground.spec.home_region
    machines = next((cohort.machines for cohort in own if cohort.machines and cohort.region == home), ())
    found = []
    for vendor in ground.spec.vendors:
        for cohort in FURTHER[vendor]:
            update = {"region": home, "machines": machines if cohort.model == "token" else ()}
            found.append(cohort.model_copy(update=update))
    return (*own, *found)


def _arrivals(plan: LoadPlan, cohort: Cohort, operation: str) -> Iterator[Arrival]:
    """Arrivals of the cohort with that operation, as many as a machine may ask for; the times are drawn when they come."""
    alone = cohort.model_copy(update={"mix": {operation: 1.0}, "rate_per_s": 1.0})
    for arrival in arrivals(plan.model_copy(update={"cohorts": (alone,), "end_s": plan.start_s + HORIZON_S})):
        yield arrival._replace(id=f"{operation}-{arrival.id}")
