"""The life of a run, the same in every world: bring up, warm up, load, walk the schedule, revert everything, take down.

Law: `conduct` awaits nothing but the world's methods and what is built on them, so it runs on the simulation's kernel and
under asyncio alike. Whatever happens on the way, everything that was applied is reverted and the record is complete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brownout.harness.errors import BrownoutError, UsageError, WorldError
from brownout.harness.experiment.model import Experiment, Posture, Step
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.experiment.prepare import Moment, load_plan, moments, primed_tokens
from brownout.harness.fault import Fault
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.judge.gates import steady_state
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.record.history import Event, Recorder, read_history
from brownout.harness.world import Carrier, LoadHandle, World
from brownout.identity.core.messages import Request

READY_LOOKS, READY_WAIT_S = 100, 0.05  # network time
USER_TOKEN_LIFETIME_S = 30 * 24 * 3600.0
Notice = Callable[[Event], None]


@dataclass(slots=True)
class RunState:
    """What the run is doing right now, for whoever shows it."""

    phase: str = "starting"
    active: dict[str, str] = field(default_factory=dict)
    stop_requested: bool = False
    load: LoadHandle | None = None
    message: str = ""


@dataclass(slots=True)
class Conductor:
    """Carries one experiment out in one world.

    `tick` is called now and then while the run waits (live progress, interruption) and `tick_s` says how often in
    emulated seconds; None waits in one piece. `beside` starts what runs beside the load and returns its end.
    `unprotected` says what, if anything, kept the run from being healed had it been killed ("" for nothing).
    """

    world: World
    experiment: Experiment
    posture: Posture
    recorder: Recorder
    make: Callable[[str, Mapping[str, Any]], Fault]
    lifecycle: Callable[[Callable[[str, str, Mapping[str, Any]], None]], LifeCycle]
    state: RunState
    tick: Callable[[], None] = lambda: None
    tick_s: float | None = None
    beside: Callable[[LoadPlan], Awaitable[Callable[[], Awaitable[None]]]] | None = None
    dashboard_port: int | None = None
    unprotected: Callable[[], str] = lambda: ""
    _faults: dict[str, str] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)

    # the whole

    async def conduct(self) -> None:
        """Runs to the end, or until stopped; raises BrownoutError after everything was undone."""
        self._event("run", "started")
        try:
            await self.world.start()
            await self._await_ready()
            await self._run()
        except BrownoutError as error:
            self._event("run", "aborted", detail={"reason": error.message, "hint": error.hint})
            raise
        finally:
            await self._take_down()
        self._event("run", "finished" if not self.state.stop_requested else "interrupted")

    async def _run(self) -> None:
        if self.state.stop_requested:
            return
        cycle = self.lifecycle(self._notice)
        plan = load_plan(self.experiment, self.world.spec, user_token=await self._user_token())
        await self._prime(plan)
        load = await self._start_load(plan)
        end_beside = await self.beside(plan) if self.beside is not None else None
        try:
            await self._walk(cycle)
        finally:
            await self._wind_down(cycle, load, end_beside)

    async def _wind_down(self, cycle: LifeCycle, load: LoadHandle, end_beside: Callable[[], Awaitable[None]] | None) -> None:
        """Load first, so that its log covers the schedule and nothing else; then every fault is taken away."""
        self.state.phase = "reverting"
        try:
            await load.stop()
            self._event("load", "gauges", detail=dict(load.gauges()))
            for problem in load.problems():
                self._event("load", "problem", detail={"text": problem})
            if end_beside is not None:
                await end_beside()
        finally:
            problem = self.unprotected()
            reason = problem or "had the run been killed at any moment, its faults would have been reverted"
            self._gate("protection", passed=not problem, reason=reason, severity="harness-error")
            await cycle.revert_all()
            await self._count_nodes()

    async def _count_nodes(self) -> None:
        """Whatever was lost without our doing would be read as an effect of the faults: it is a gate that failed."""
        lost = [text for node in self.world.spec.nodes() if (text := await self._loss(Carrier("node", node)))]
        lost.append(await self._loss(Carrier("link", str(self.world.spec.links()[0]))))  # what carries one carries them all
        reason = "; ".join(filter(None, lost))
        self._gate(
            "stack-whole",
            passed=not reason,
            reason=reason or "everything that was started was still there at the end",
            severity="harness-error",
        )

    async def _loss(self, carrier: Carrier) -> str:
        """What happened to the carrier, "" when it is there."""
        try:
            reading = await self.world.read(carrier)
        except WorldError as error:
            return error.message
        return f"{carrier.name} ended by itself ({reading.get('exit')})" if reading.get("state") == "dead" else ""

    async def _take_down(self) -> None:
        self.state.phase = "stopping"
        try:
            await self.world.stop()
            self._gate("clean-teardown", passed=True, reason="the stack was taken down and nothing was left running")
        except WorldError as error:
            self._gate("clean-teardown", passed=False, reason=error.message, severity="harness-error")

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

    async def _user_token(self) -> str:
        directory = f"{self.world.spec.home_region}.directory"
        request = Request("POST", "/admin/user-token", body={"lifetime_s": USER_TOKEN_LIFETIME_S})
        answer = await self.world.control(directory, request)
        if not answer.ok or answer.body is None:
            raise WorldError(f"the directory made no user token ({answer.status})")
        return str(answer.body["access_token"])

    async def _prime(self, plan: LoadPlan) -> None:
        """Fills the hosts' caches as they would be after days of steady activity."""
        if not self.experiment.load.primed:
            return
        for region, tokens in primed_tokens(plan, self.world.spec).items():
            answer = await self.world.control(f"{region}.host", Request("POST", "/admin/prime", body={"tokens": tokens}))
            if not answer.ok:
                raise WorldError(f"the caches of {region} could not be filled: {answer.body}")
            self._event("note", "primed", region, {"tokens": len(tokens)})

    async def _start_load(self, plan: LoadPlan) -> LoadHandle:
        late_s = self.world.now() - plan.start_s
        if late_s > 0:
            raise WorldError(
                f"the stack was ready {late_s:.0f} emulated seconds after the baseline should have begun",
                hint="this machine is too slow for the clock's rate; lower `timeline.rates` or start the baseline later",
            )
        load = await self.world.start_load(plan, self.recorder.folder, dashboard_port=self.dashboard_port)
        self.state.load = load
        return load

    # the schedule

    async def _walk(self, cycle: LifeCycle) -> None:
        for moment in moments(self.experiment):
            await self._wait(moment.at_s)
            if self.state.stop_requested:
                return
            if moment.kind == "phase":
                if not self._enter_phase(moment):
                    return
            elif moment.kind == "apply":
                await self._apply(cycle, moment)
            else:
                await self._release(cycle, moment)
        await self._wait(self.experiment.timeline.epoch_s() + self.experiment.timeline.end)

    async def _wait(self, at_s: float) -> None:
        """Waits until `at_s`, in pieces where somebody watches."""
        while self.world.now() < at_s and not self.state.stop_requested:
            until_s = at_s if self.tick_s is None else min(at_s, self.world.now() + self.tick_s)
            await self.world.sleep_until(until_s)
            self.tick()

    def _enter_phase(self, moment: Moment) -> bool:
        """Begins a phase; False when the steady state does not hold and nothing must be injected."""
        if moment.name == "onset" and self.experiment.gates.steady_state and not self._is_steady():
            self.state.message = "the steady state was not met: no fault was injected"
            self._event("run", "not-steady")
            return False
        self.state.phase = moment.name
        self._event("phase", moment.name)
        return True

    def _is_steady(self) -> bool:
        self.recorder.flush()
        baseline = next(window for window in phase_windows(self.experiment.timeline) if window.name == "baseline")
        requests = read_history(self.recorder.folder).requests
        return steady_state(self.experiment, requests, baseline=baseline).passed

    async def _apply(self, cycle: LifeCycle, moment: Moment) -> None:
        step = moment.step
        assert step is not None
        if step.needs is not None and step.needs not in self._faults:
            self._skip(step)
            return
        fault = self.make(step.fault, step.with_)
        timeline = self.experiment.timeline
        until_s = timeline.epoch_s() + (timeline.end if step.until is None else step.until)
        self._act("planned", step, {"describe": fault.describe()})
        patience = {} if step.bite == "required" else {"patience_s": 0.0}
        try:
            applied = await cycle.apply(step.name, fault, until_s=until_s, **patience)
        except BrownoutError as error:
            self.state.message = f"{step.name} failed: {error.message}"
            self._act("failed", step, {"evidence": error.message})
            return
        if applied.state != "defended":
            await self._record_reports(step, fault, applied.fault_id)
            self._faults[step.name] = applied.fault_id
            self.state.active[step.name] = step.role
        self.state.message = f"{step.name}: {applied.state} ({applied.evidence})"
        self.tick()

    async def _record_reports(self, step: Step, fault: Fault, fault_id: str) -> None:
        """Keeps what the system itself said of the step: a deployer's report of success, for one."""
        for carrier in fault.carriers(self.world.spec):
            if carrier.kind == "control":
                report = (await self.world.read(carrier)).get("reports", {}).get(fault_id)
                if report:
                    self._act("reported", step, {"carrier": str(carrier), "report": report})

    def _skip(self, step: Step) -> None:
        self._act("skipped", step, {"evidence": f"{step.needs} is not in place, so this was not tried"})

    async def _release(self, cycle: LifeCycle, moment: Moment) -> None:
        fault_id = self._faults.pop(moment.name, None)
        if fault_id is not None:
            reverted = await cycle.revert(fault_id)
            self.state.active.pop(moment.name, None)
            self.state.message = f"{moment.name}: {reverted.state}"

    # the record

    def _notice(self, what: str, step: str, detail: Mapping[str, Any]) -> None:
        known = next((item for item in self.experiment.schedule if item.name == step), None)
        more = {} if known is None else {"role": known.role, "note": known.note}
        self._event("act", what, step, {**more, **detail})

    def _act(self, what: str, step: Step, detail: Mapping[str, Any]) -> None:
        more = {"role": step.role, "fault": step.fault, "note": step.note}
        self._event("act", what, step.name, {**more, **detail})

    def _gate(self, name: str, *, passed: bool, reason: str, severity: str = "inconclusive") -> None:
        self._event("gate", name, detail={"passed": passed, "reason": reason, "severity": severity})

    def _event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        self.recorder.event(Event(round(self.world.now(), 6), kind, what, subject, dict(detail or {})))


def new_run_folder(base: Path, name: str) -> Path:
    """A fresh folder under `base` for a run: `name`, or `name-2` and so on when that exists; raises UsageError."""
    for number in range(1, 10_000):
        folder = base / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="name another folder with --out") from error
        return folder
    raise UsageError(f"no free name for a run folder in {base}", hint="clean it up, or name another with --out")
