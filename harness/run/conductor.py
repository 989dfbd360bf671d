"""The life of a run, the same in every world: bring up, warm up, load, walk the schedule, revert everything, take down.

Law: `conduct` awaits only the world's methods and what is built on them, so it runs on the simulation's kernel and under
asyncio alike. Whatever happens on the way, everything that was applied is reverted and the record is complete.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from brownout.harness.errors import BrownoutError, CarrierGone, WorldError
from brownout.harness.experiment.load_plan import primed_tokens
from brownout.harness.experiment.model import Step
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.experiment.steps import PhaseStart, ResolvedStep, StepEnd, StepStart
from brownout.harness.injection.lifecycle import PATIENCE_S, LifeCycle
from brownout.harness.injection.looks import Before, look_before
from brownout.harness.judge.gates import steady_state
from brownout.harness.load.arrivals import LoadPlan, secret_endpoints
from brownout.harness.load.models.registry import needs_console_users
from brownout.harness.run.journal import Journal
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.run.stack_whole import any_link, losses, require_carried
from brownout.harness.run.state_watch import StateWatch
from brownout.harness.run.stop_watch import StopWatch
from brownout.harness.world import Carrier, LoadHandle, World
from brownout.harness.worlds.control_plane import sign_in
from brownout.identity.core.messages import Request

PROTECTED = "had the run been killed at any moment, its faults would have been reverted"
ENOUGH = "neither the stack nor the generator ran out of open files, ports, memory or disk space"
WHOLE_S = 1.0  # network time between looks whether the stack is still there
READY_LOOKS, READY_WAIT_S = 100, 0.05  # network time
LOOK_AHEAD_S = 3.0  # network time: a look before a step begins so long before it, and delays it only if it takes longer


@dataclass(slots=True)
class RunState:
    """What the run is doing right now, for its progress view. `active` has the roles of the steps in force, by name.

    `stop_reason` says why the run is to stop, "" for an interrupt, which needs no words.
    """

    phase: str = "starting"
    active: dict[str, str] = field(default_factory=dict)
    stop_requested: bool = False
    stop_reason: str = ""
    message: str = ""


class RunHooks:
    """What a world's session does around a run. Each hook does nothing by default, which is what the simulation needs.

    `tick_s` is how often `tick` is called while the run waits, in emulated seconds; None waits in one piece.
    """

    tick_s: float | None = None

    def tick(self) -> None:
        """Called while the run waits and after each step."""

    async def stack_ready(self, plan: LoadPlan) -> LoadPlan:
        """Called before the load; starts what it asks, and returns the plan with where that is."""
        return plan

    def begun(self, run: PreparedRun) -> PreparedRun:
        """Called when what `stack_ready` started is ready; the run, its timeline moved to this moment where it can be."""
        return run

    async def stack_ends(self) -> None:
        """Called before the stack is taken down; ends what `stack_ready` started."""

    async def load_started(self, plan: LoadPlan) -> None:
        """Called when the load has started; starts what runs beside it."""

    async def load_stopped(self) -> None:
        """Called when the load has stopped; stops what ran beside it."""

    def unprotected(self) -> str:
        """Why a kill during the run could have left faults behind; "" when it could not."""
        return ""

    def protected_how(self) -> str:
        """What is said of the protection of a run that was protected throughout."""
        return PROTECTED

    def ran_out(self, problems: Iterable[str]) -> tuple[str, ...] | None:
        """What ran out on the harness's side, a sentence each, given the load's problems; None where nothing can."""
        return None

    def disturbed(self) -> str:
        """What the machine did to the run that makes its figures doubtful, such as sleeping; "" for nothing."""
        return ""


NO_HOOKS = RunHooks()


def why_skipped(step: Step, run: PreparedRun, in_place: Container[str]) -> str:
    """Why a step is not tried while the steps `in_place` are; "" when it is."""
    if step.name in run.experiment.postures[run.posture].skips:
        return f"posture {run.posture} has no reason for it, so this was not tried"
    if step.needs is not None and step.needs not in in_place:
        return f"{step.needs} is not in place, so this was not tried"
    return ""


@dataclass(slots=True)
class Conductor:
    """Carries one run out in one world. Setting `state.stop_requested` ends it early, with everything reverted."""

    run: PreparedRun
    world: World
    lifecycle: LifeCycle
    journal: Journal
    hooks: RunHooks = NO_HOOKS
    state: RunState = field(default_factory=RunState)
    _faults: dict[str, str] = field(default_factory=dict)  # ids of the faults in force, by step
    _before: dict[str, Before] = field(default_factory=dict)  # what was seen ahead of a step that is not due yet
    _whole_until_s: float = 0.0  # emulated time up to which the stack is taken to be there
    _link: Carrier = field(init=False)  # that stands for all
    _states: StateWatch = field(init=False)
    _stops: StopWatch = field(init=False)

    # the whole

    async def conduct(self) -> None:
        """Runs to the end, or until stopped; raises BrownoutError after everything was undone."""
        self.journal.event("run", "started")
        self._link = any_link(self.world)
        self._states = StateWatch(self.world, self.journal, self.lifecycle.watch.nodes_held)
        try:
            await self.world.start()
            await self._await_ready()
            await self._under_load()
        except BrownoutError as error:
            self.journal.event("run", "aborted", detail={"reason": error.message, "hint": error.hint})
            raise
        finally:
            await self._take_down()
        if not self.state.stop_requested:
            self.journal.event("run", "finished")
        else:
            why = self.state.stop_reason
            self.journal.event("run", "interrupted", detail={"reason": why} if why else {})

    async def _under_load(self) -> None:
        if self.state.stop_requested:
            return
        cohorts = self.run.load.cohorts
        console = [cohort.name for cohort in cohorts if needs_console_users(cohort.model)]
        plan = self.run.load.signed_in(await sign_in(self.world, console=console, endpoints=secret_endpoints(cohorts)))
        await self._prime(plan)
        plan = await self.hooks.stack_ready(plan)
        self.run = self.hooks.begun(self.run)
        plan = plan.timed_as(self.run.load)
        self._stops = StopWatch(self.run, self.world, self.journal)
        load = await self._start_load(plan)
        await self.hooks.load_started(plan)
        try:
            await self._states.begin(self.run.end_s)
            await self._walk()
            await self._states.look()
        finally:
            await self._wind_down(load)

    async def _wind_down(self, load: LoadHandle) -> None:
        """Stops the load first, so that its log covers the schedule and nothing else; then reverts every fault."""
        self.state.phase = "reverting"
        try:
            await load.stop()
            self.journal.event("load", "gauges", detail=dict(load.gauges()))
            for problem in load.problems():
                self.journal.event("load", "problem", detail={"text": problem})
            record_resources(self.journal, self.hooks.ran_out(load.problems()))
            await self.hooks.load_stopped()
        finally:
            self._record_protection()
            await self.lifecycle.revert_all()
            await self._count_nodes()

    def _record_protection(self) -> None:
        """Records what only the session knows. Before the reverts: up to here a kill would have needed the guardian."""
        problem, disturbed = self.hooks.unprotected(), self.hooks.disturbed()
        reason = problem or self.hooks.protected_how()
        self.journal.gate("protection", passed=not problem, reason=reason, severity="harness-error")
        if disturbed:
            self.journal.gate("undisturbed", passed=False, reason=disturbed)

    async def _count_nodes(self) -> None:
        """Records the gate `stack-whole`: no node or link was lost except by faults, whose effect such a loss would imitate."""
        reason = "; ".join(await losses(self.world))
        self.journal.gate(
            "stack-whole",
            passed=not reason,
            reason=reason or "everything that was started was still there at the end",
            severity="harness-error",
        )

    async def _take_down(self) -> None:
        self.state.phase = "stopping"
        left = []
        for end in (self.hooks.stack_ends, self.world.stop):
            try:
                await end()
            except WorldError as error:
                left.append(error.message)
        reason = "; ".join(left) or "the stack was taken down and nothing was left running"
        self.journal.gate("clean-teardown", passed=not left, reason=reason, severity="harness-error")

    # before the load

    async def _await_ready(self) -> None:
        """Returns once every node has what it needs to serve; raises WorldError when one never gets it."""
        waiting = list(self.world.spec.nodes())
        for _ in range(READY_LOOKS):
            waiting = [node for node in waiting if not await self._is_ready(node)]
            if not waiting:
                return
            await self.world.sleep_until(self.world.now() + READY_WAIT_S * self.world.rate)
        raise WorldError(f"these nodes never got ready: {', '.join(waiting)}", hint="their logs are in the stack's folder")

    async def _is_ready(self, node: str) -> bool:
        answer = await self.world.control(node, Request("GET", "/healthz"))
        return answer.ok and bool((answer.body or {}).get("ready"))

    async def _prime(self, plan: LoadPlan) -> None:
        """Fills the hosts' caches as they would be after days of steady activity."""
        if not self.run.experiment.load.primed:
            return
        for region, tokens in primed_tokens(plan, self.world.spec).items():
            answer = await self.world.control(f"{region}.host", Request("POST", "/admin/prime", body={"tokens": tokens}))
            if not answer.ok:
                raise WorldError(f"the caches of {region} could not be filled: {answer.body}")
            routes = (answer.body or {}).get("routes", {})
            self.journal.event("note", "primed", region, {"tokens": len(tokens), "routes": routes})

    async def _start_load(self, plan: LoadPlan) -> LoadHandle:
        late_s = self.world.now() - plan.start_s
        if late_s > 0:
            raise WorldError(
                f"the stack was ready {late_s:.0f} emulated seconds after the baseline should have begun",
                hint="this machine is too slow for the clock's rate; lower `timeline.rates` or start the baseline later",
            )
        return await self.world.start_load(plan, self.journal.folder, dashboard_port=self.run.options.dashboard_port)

    # the schedule

    async def _walk(self) -> None:
        for index, moment in enumerate(self.run.moments):
            await self._look_ahead(index)
            await self._wait(moment.at_s)
            if self.state.stop_requested or self._stops.reason:
                return
            match moment:
                case PhaseStart(name=name):
                    if name == "onset" and not self._is_steady():
                        return  # the effect of a fault could not be distinguished from failures that were there before
                    self.state.phase = name
                    self.journal.event("phase", name)
                case StepStart():
                    await self._apply(moment)
                case StepEnd():
                    await self._revert(moment.resolved.step.name)
        await self._wait(self.run.end_s)

    async def _look_ahead(self, index: int) -> None:
        """Looks at the state before the next step in time for it, if no other step begins or ends until then.

        At a high rate of the clock a look of milliseconds would put the step in force minutes late.
        """
        coming = self._next_start(index)
        if coming is None or self.state.stop_requested or why_skipped(coming.resolved.step, self.run, self._faults):
            return
        ahead_s = coming.at_s - LOOK_AHEAD_S * self.world.rate
        if self.run.moments[index].at_s < ahead_s or coming.resolved.step.name in self._before:
            return
        await self._wait(ahead_s)
        with suppress(BrownoutError):  # then it is looked at again when the step is due, which tells what is wrong
            self._before[coming.resolved.step.name] = await look_before(self.world, coming.resolved.fault)

    def _next_start(self, index: int) -> StepStart | None:
        """The step that begins next; None when another one ends before."""
        ahead = (moment for moment in self.run.moments[index:] if not isinstance(moment, PhaseStart))
        moment = next(ahead, None)
        return moment if isinstance(moment, StepStart) else None

    async def _wait(self, at_s: float) -> None:
        """Waits until `at_s`, or until the run is to stop, in pieces of `tick_s`; looks at the faults in force meanwhile."""
        watch = self.lifecycle.watch
        while self.world.now() < at_s and not (self.state.stop_requested or self._stops.reason):
            await self._require_whole()
            tick_s = self.hooks.tick_s
            wake_s = min(at_s, watch.next_s(), self._states.next_s(), self._stops.next_s())
            await self.world.sleep_until(wake_s if tick_s is None else min(wake_s, self.world.now() + tick_s))
            await watch.look_due(before_s=at_s)
            await self._states.look_due(before_s=at_s)
            self._stops.look_due()
            self._show_lost()
            self.hooks.tick()

    async def _require_whole(self) -> None:
        """Raises WorldError when the run cannot go on: its protection is gone, or what carries its stack."""
        if problem := self.hooks.unprotected():
            raise WorldError(f"the run was ended: {problem}", hint="start it again")
        if self.world.now() >= self._whole_until_s:
            self._whole_until_s = self.world.now() + WHOLE_S * self.world.rate
            try:
                await require_carried(self.world, self._link)
            except CarrierGone as gone:
                raise WorldError(f"the run was ended: {gone.message}", hint=gone.hint) from gone

    def _show_lost(self) -> None:
        """Takes the faults that were just found to be lost off the progress view; shows why the run is to end early."""
        for lost in self.lifecycle.watch.lost.values():
            if self.state.active.pop(lost.record.step, None) is not None:
                self.state.message = f"{lost.record.step}: lost ({lost.evidence})"
        if self._stops.reason:
            self.state.message = f"stopped: {self._stops.reason}"

    def _is_steady(self) -> bool:
        """Whether the objectives held over the baseline, where the experiment insists on that."""
        experiment = self.run.experiment
        if not experiment.gates.steady_state:
            return True
        baseline = phase_windows(experiment.timeline)[0]
        steady = steady_state(experiment, self.journal.history().requests, baseline=baseline).passed
        if not steady:
            self.state.message = "the steady state was not met: the run stops at the end of its baseline"
            self.journal.event("run", "not-steady")
        return steady

    async def _apply(self, moment: StepStart) -> None:
        step, fault = moment.resolved.step, moment.resolved.fault
        if why := why_skipped(step, self.run, self._faults):
            self.journal.act("skipped", step, {"evidence": why})
            return
        reach = fault.reach(self.world.spec).to_json()
        params = fault.model_dump(mode="json")
        self.journal.act("planned", step, {"describe": fault.describe(), "reach": reach, "params": params})
        # Where no bite is expected, one look is enough to see that there is none.
        patience_s = PATIENCE_S if step.bite == "required" else 0.0
        try:
            before = self._before.pop(step.name, None)
            applied = await self.lifecycle.inject(
                step.name, fault, until_s=moment.until_s, patience_s=patience_s, before=before
            )
        except BrownoutError as error:
            self.state.message = f"{step.name} failed: {error.message}"
            self.journal.act("failed", step, {"evidence": error.message})
            return
        if applied.state != "defended":
            await self._record_reports(moment.resolved, applied.fault_id)
            self._faults[step.name] = applied.fault_id
            self.state.active[step.name] = step.role
        self._states.changed()
        self.state.message = f"{step.name}: {applied.state} ({applied.evidence})"
        self.hooks.tick()

    async def _record_reports(self, resolved: ResolvedStep, fault_id: str) -> None:
        """Records what the system itself reports of the step, such as a deployer's report of success."""
        for carrier in resolved.fault.carriers(self.world.spec):
            if carrier.kind == "control":
                report = (await self.world.read(carrier)).get("reports", {}).get(fault_id)
                if report:
                    self.journal.act("reported", resolved.step, {"carrier": str(carrier), "report": report})

    async def _revert(self, step: str) -> None:
        fault_id = self._faults.pop(step, None)
        if fault_id is not None:
            reverted = await self.lifecycle.revert(fault_id)
            if reverted.state != "stuck":
                await self.lifecycle.retry_stuck()
            self.state.active.pop(step, None)
            self._states.changed()
            self.state.message = f"{step}: {reverted.state}"


def record_resources(journal: Journal, found: tuple[str, ...] | None) -> None:
    """Records the gate `resources`: what the harness lacks, a client takes for a failure of the service."""
    if found is not None:
        journal.gate("resources", passed=not found, reason="; ".join(found) or ENOUGH)
