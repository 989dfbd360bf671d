"""One crash in the simulation: a run, its guardian and the next command, each of which may be killed or stopped at any step.

Theory. What undoes a fault is the ledger's, the life cycle's, the guardian's and the recovery's own code; only the machine
around them is simulated. Each *process* is coroutines that reach the stack through a view of their own. A view has a boundary
before and after whatever the process asks of the stack, and every change of the ledger lies between two of them. At a boundary
a blow may kill a process (it never goes on), stop it (it goes on later, as after SIGSTOP and SIGCONT), or end a part of the
stack. A process that is dead stays at its next boundary for ever, with what it had asked for still under way, as on sockets.

Parts of the stack that can end: `toxiproxy` (the links and their holds with it), `parent` (everything), and a node, whose
control plane is gone then. Worlds tell each of these by CarrierGone, or StackGone when a stack is attached to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from brownout.harness.base.permission import require_permission
from brownout.harness.base.processes import ProcessId
from brownout.harness.effects import Effect
from brownout.harness.errors import BrownoutError, CarrierGone, LeftUnsafe, StackGone
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.guardian import POLL_S, Guardian
from brownout.harness.injection.lease import Lease, LeaseRenewer
from brownout.harness.injection.ledger import Fenced, Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.lifecycle import PATIENCE_S, LifeCycle
from brownout.harness.injection.recovery import heal_leftovers, require_whole
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.world import Carrier, LoadHandle, ProbeResult, World, states_asked
from brownout.harness.worlds.simulation.kernel import Future
from brownout.harness.worlds.simulation.world import CONTROL_TIMEOUT_S, SimulationWorld
from brownout.identity.core.messages import Request, Response

T = TypeVar("T")
STACK = "s"
HOLD_S = 3.0
PAUSE_S = LEASE_TTL_S + 2 * PATIENCE_S  # longer than the lease, and than a guardian takes
HORIZON_S = 900.0
# A guardian sees a death at its next look and a stop when the lease lapses; then it undoes, and looks for the heal.
BOUND_S = LEASE_TTL_S + 2 * POLL_S + 2 * PATIENCE_S + CONTROL_TIMEOUT_S
DEAD = ProcessId(1, "never")

Verb = Literal["kill", "stop", "end"]
Spot = tuple[str, int]  # a process and the number of its boundary


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens to whom at a boundary."""

    verb: Verb
    whom: str


class CrashableWorld(SimulationWorld):
    """The simulation, parts of which can end by themselves."""

    def end_node(self, name: str) -> None:
        self._nodes[name].kill()

    def end_links(self) -> None:
        for link in self._links.values():
            link.clear()


class Machine:
    """The processes and what has ended by now; `counts` are the boundaries that each process has passed."""

    def __init__(self, world: CrashableWorld, blows: Mapping[Spot, tuple[Blow, ...]]) -> None:
        self.world, self._blows = world, blows
        self.counts: Counter[str] = Counter()
        self.gone: set[str] = set()
        self._stopped: dict[str, Future[None]] = {}
        self.struck_s: float | None = None
        self.settles_s = 0.0  # of the fault, which a guardian waits for
        self.before_resume: Callable[[str], None] = lambda _: None

    async def boundary(self, process: str) -> None:
        """The process has come to a boundary; returns when it may go on."""
        self.counts[process] += 1
        for blow in self._blows.get((process, self.counts[process]), ()):
            self._strike(blow)
        while process in self.gone or process in self._stopped:
            never: Future[None] = Future(self.world.kernel)
            await (never if process in self.gone else self._stopped[process])

    def _strike(self, blow: Blow) -> None:
        self.struck_s = self.world.now()
        if blow.verb == "stop":
            self._stopped[blow.whom] = Future(self.world.kernel)
            self.world.kernel.after(PAUSE_S + self.settles_s, lambda: self._resume(blow.whom))
            return
        self.gone.add(blow.whom)
        if blow.whom == "toxiproxy":
            self.world.end_links()
        elif blow.whom in self.world.spec.nodes():
            self.world.end_node(blow.whom)

    def _resume(self, process: str) -> None:
        self.before_resume(process)
        self._stopped.pop(process).resolve(None)

    def is_running(self, process: str) -> bool:
        return process not in self.gone and process not in self._stopped

    def require(self, carrier: Carrier) -> None:
        """Raises CarrierGone when what kept the carrier's holds has ended."""
        if "parent" in self.gone:
            raise CarrierGone("the parent of the stack's processes has ended, and all of them with it")
        if carrier.kind == "link" and "toxiproxy" in self.gone:
            raise CarrierGone("Toxiproxy has ended, and every link with it")
        if carrier.kind == "control" and carrier.name in self.gone:
            raise CarrierGone(f"{carrier.name} has ended by itself")


class View:
    """The stack as one process reaches it."""

    def __init__(self, machine: Machine, process: str) -> None:
        self._machine, self._process, self._inner = machine, process, machine.world
        self.name, self.abilities, self.rate, self.spec = "simulation", self._inner.abilities, 1.0, self._inner.spec

    def alive(self) -> bool:
        return "parent" not in self._machine.gone

    def now(self) -> float:
        return self._inner.now()

    async def _after(self, call: Coroutine[Any, Any, T]) -> T:
        """What the call returns, or raises, past the boundary behind it."""
        try:
            result = await call
        except Exception:  # and not the end of the whole simulation, which closes what is under way
            await self._machine.boundary(self._process)
            raise
        await self._machine.boundary(self._process)
        return result

    async def sleep_until(self, at_s: float) -> None:
        await self._after(self._inner.sleep_until(at_s))

    async def start(self) -> None:
        raise NotImplementedError("the stack is up before anything crashes")

    async def stop(self) -> None:
        self._machine.gone.add("parent")
        await self._after(self._inner.stop())

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        await self._machine.boundary(self._process)
        require_permission()
        self._machine.require(carrier)
        return await self._after(self._inner.hold(carrier, fault_id, effect))

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        await self._machine.boundary(self._process)
        self._machine.require(carrier)
        await self._after(self._inner.release(carrier, fault_id))

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        self._machine.require(carrier)
        reading = await self._after(self._inner.read(carrier))
        if carrier.kind == "node" and carrier.name in self._machine.gone and reading["down"] and not reading["holds"]:
            return {**reading, "state": "dead", "exit": "signal SIGKILL"}
        return reading

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """As the live worlds do: the others are carried out, also when one is refused."""
        ended = [self._inner.kernel.spawn(_ending(call)) for call in calls]
        endings = [await each for each in ended]
        for ending in endings:
            if isinstance(ending, BrownoutError):
                raise ending
        return [ending for ending in endings if not isinstance(ending, BrownoutError)]

    async def probe(self, link: str, *, timeout_ms: float) -> ProbeResult:
        if {"toxiproxy", "parent"} & self._machine.gone:
            return ProbeResult("refused", 0.0)
        return await self._after(self._inner.probe(link, timeout_ms=timeout_ms))

    async def control(self, node: str, request: Request) -> Response:
        if "parent" in self._machine.gone:
            self._machine.require(Carrier("control", node))
        return await self._after(self._inner.control(node, request))

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        return await states_asked(self, nodes)

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        return await self._after(self._inner.client(node, request, timeout_s=timeout_s))

    async def start_load(self, plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> LoadHandle:
        raise NotImplementedError("no load runs beside a crash")


async def _ending(call: Coroutine[Any, Any, T]) -> T | BrownoutError:
    try:
        return await call
    except BrownoutError as error:
        return error


class TableLedger(Ledger):
    """The ledger of processes that live and die as the machine says."""

    machine: Machine | None = None

    def stack(self, stack_id: str) -> StackRecord:
        record = super().stack(stack_id)
        if self.machine is None:
            return record
        return replace(record, owner=DEAD if "runner" in self.machine.gone else ProcessId.me())

    def stacks(self) -> tuple[StackRecord, ...]:
        return tuple(self.stack(record.id) for record in super().stacks())


@dataclass(slots=True)
class Ending:
    """How one crash ended. `problems` are promises that were broken.

    `healed_s` is from a kill to the last row's close, 0 where no guardian healed after one.
    """

    problems: list[str] = field(default_factory=list)
    healed_by: str = ""
    healed_s: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    exit_code: int = 0
    refused: bool = False


class Crash:
    """One fault of one run on a stack that is up, with blows at boundaries."""

    def __init__(self, world: CrashableWorld, fault: Fault, blows: Mapping[Spot, tuple[Blow, ...]], folder: Path) -> None:
        self.world, self.fault, self.folder = world, fault, folder
        self.machine = Machine(world, blows)
        self.ledger = TableLedger(":memory:")
        self.ending = Ending()
        self._runner_done = self._acting = False
        self._told: list[str] = []
        self.machine.settles_s = fault.settles_s(world.spec)
        self.machine.before_resume = self._check_stopped

    async def carried_out(self) -> Ending:
        """Carries it out and checks what was promised."""
        self.ledger.add_stack(STACK, folder=self.folder, world="simulation", run_owned=True)
        self.ledger.machine = self.machine
        lease = LeaseRenewer(Lease(self.folder, LEASE_TTL_S, monotonic=self.world.now))
        lease.renew()
        life = LifeCycle(
            View(self.machine, "runner"), self.ledger, STACK, lambda notice: self._told.append(notice.what),
            make=plugins.fault, permission=lease.check, monotonic=self.world.now,
        )  # fmt: skip
        guardian = Guardian(self.ledger, STACK, self._attach_as("guardian"), plugins.fault, monotonic=self.world.now)
        for process in (self._renew(lease), self._run(life, lease), self._guard(guardian)):
            self.world.kernel.spawn(process)
        await self._until(self._is_quiet)
        self._note_healer()
        await self._command("command")
        if "command" in self.machine.gone:
            await self._command("second command")
        await self._until(self._is_over)
        await self._check()
        self.ending.counts = dict(self.machine.counts)
        self.machine.gone |= {"runner", "guardian"}  # what still watches ends with the ledger
        self.ledger.close()
        return self.ending

    # the processes

    async def _renew(self, lease: LeaseRenewer) -> None:
        while not self._runner_done and not lease.is_lost() and "runner" not in self.machine.gone:
            if self.machine.is_running("runner"):
                lease.renew()
            await self.world.sleep_until(self.world.now() + LEASE_TTL_S / 3)

    async def _run(self, life: LifeCycle, lease: LeaseRenewer) -> None:
        try:
            applied = await life.inject("cut", self.fault, until_s=self.world.now() + HOLD_S, patience_s=0.0)
            if applied.state != "defended":
                await life.world.sleep_until(self.world.now() + HOLD_S)
                await life.revert(applied.fault_id)
        except BrownoutError:
            self.ending.refused = True
        await life.revert_all()
        if lease.is_lost():
            await self._try_again(life)
        else:
            lease.lease.release()
        self._runner_done = True

    async def _try_again(self, life: LifeCycle) -> None:
        """An owner that lost its lease must not get another fault in place."""
        try:
            again = await life.inject("again", self.fault, patience_s=0.0)
        except (Fenced, CarrierGone):
            return
        if again.state != "defended":
            self.ending.problems.append("an owner that had lost its lease injected again")

    async def _guard(self, guardian: Guardian) -> None:
        try:
            while (action := guardian.next_action()) != "leave":
                if action != "watch":
                    self._acting = True
                    await guardian.act(action)
                    self._acting = False
                await View(self.machine, "guardian").sleep_until(self.world.now() + POLL_S)
        finally:
            guardian.close()

    async def _command(self, process: str) -> None:
        """The next command of ours: it heals what is left first."""
        task = self.world.kernel.spawn(self._heal(process))
        await self._until(lambda: task.done or process in self.machine.gone)

    async def _heal(self, process: str) -> None:
        healed = await heal_leftovers(self.ledger, self._attach_as(process), plugins.fault, monotonic=self.world.now)
        if self.ending.healed_by == "" and healed:
            self.ending.healed_by = process
        try:
            require_whole(healed)
        except LeftUnsafe as unsafe:
            self.ending.exit_code = 5
            self.ending.problems.append(f"the {process} was left unsafe: {unsafe.message}")

    def _attach_as(self, process: str) -> Callable[[StackRecord], Coroutine[Any, Any, World]]:
        async def attach(stack: StackRecord) -> World:
            await self.machine.boundary(process)
            if "parent" in self.machine.gone:
                raise StackGone(f"stack {stack.id} is dead")
            return View(self.machine, process)

        return attach

    # what is checked

    async def _until(self, true: Callable[[], bool]) -> None:
        end_s = self.world.now() + HORIZON_S
        while not true():
            if self.world.now() > end_s:
                self.ending.problems.append("it did not come to an end")
                return
            await self.world.sleep_until(self.world.now() + POLL_S)

    def _is_over(self) -> bool:
        """Nothing goes on any more: stopped processes are resumed, and no process undoes anything."""
        gone = self.machine.gone
        runs = all(self.machine.is_running(one) or one in gone for one in ("runner", "guardian"))
        return runs and (self._runner_done or "runner" in gone) and (not self._acting or "guardian" in gone)

    def _guardian_lives(self) -> bool:
        return self.machine.is_running("guardian")

    def _is_quiet(self) -> bool:
        """Nothing more happens until the next command: the run is over, or is not and no guardian heals it."""
        over = self._runner_done or "runner" in self.machine.gone
        return over and (not self._guardian_lives() or not self.ledger.open_faults(STACK))

    def _note_healer(self) -> None:
        """Who has healed by now; with a guardian alive and the run dead it must have, within its bound."""
        if self.ledger.open_faults(STACK):
            return
        if "runner" in self.machine.gone and self.machine.struck_s is not None and self.ledger.faults(STACK):
            self.ending.healed_by = "guardian"
            self.ending.healed_s = self.world.now() - self.machine.struck_s
            if self.ending.healed_s > BOUND_S + self.fault.settles_s(self.world.spec):
                self.ending.problems.append(f"the guardian took {self.ending.healed_s:.1f} s")

    def _check_stopped(self, process: str) -> None:
        """A run that was stopped for longer than its lease was healed meanwhile, where its guardian lives."""
        if process == "runner" and self._guardian_lives() and self.ledger.faults(STACK):
            left = [row.step for row in self.ledger.open_faults(STACK)]
            self.ending.healed_by = "" if left else "guardian"
            self.ending.problems += [f"{step} was not healed while its run was stopped" for step in left]

    async def _check(self) -> None:
        problems = self.ending.problems
        for row in self.ledger.faults(STACK):
            states = [state for state, _, _ in self.ledger.transitions(row.id)]
            if row.open:
                problems.append(f"{row.step} is {row.state} in the ledger")
            if "stuck" in states:
                problems.append(f"{row.step} counted as a failure to revert: {', '.join(states)}")
            if "parent" not in self.machine.gone:
                problems += await self._left(row.id)

    async def _left(self, fault_id: str) -> list[str]:
        """The carriers that still hold it, as the stack itself says."""
        carriers = [one for one in self.fault.carriers(self.world.spec) if one.name not in self.machine.gone]
        readings = {carrier: await self.world.read(carrier) for carrier in carriers}
        return [f"{carrier} still holds {fault_id}" for carrier, reading in readings.items() if fault_id in reading["holds"]]
