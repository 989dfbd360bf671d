"""The guardian: its decisions as a table, and real processes that are killed, frozen and released."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from brownout.harness.base.halt import FILE_NAME, halt
from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import WorldError
from brownout.harness.injection.guardian import HALT_PATIENCE_S, Guardian, Sight, decide
from brownout.harness.injection.guardian_start import start_guardian
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.recovery import attach_world, heal_leftovers
from support.fake_world import WORLD_FILE, FakeWorld, FileWorld, drive, make, unreachable
from support.lifecycle_bench import DEAD, Bench, fake
from support.places import SUPPORT, TESTS

TTL_S = 0.6


@pytest.mark.parametrize(
    ("sight", "action"),
    [
        (Sight(), "watch"),
        (Sight(open_faults=True), "watch"),
        (Sight(open_faults=True, unowned=("f-1",)), "revert-unowned"),
        (Sight(gone=True, open_faults=True), "leave"),
        (Sight(released=True), "leave"),
        (Sight(released=True, open_faults=True), "finish"),
        (Sight(released=True, owner="dead", open_faults=True), "finish"),
        (Sight(lapsed=True, open_faults=True), "take-over"),
        (Sight(lapsed=True), "take-over"),
        (Sight(lapsed=True, fenced=True), "watch"),
        (Sight(lapsed=True, fenced=True, open_faults=True), "take-over"),
        (Sight(owner="dead"), "take-over"),
        (Sight(owner="dead", open_faults=True, fenced=True), "take-over"),
        (Sight(owner="dead", fenced=True), "watch"),
        (Sight(owner="none"), "leave"),
        (Sight(owner="none", claimed=True), "watch"),
        (Sight(owner="none", open_faults=True, claimed=True), "watch"),
        (Sight(owner="none", open_faults=True, unowned=("f-1",)), "revert-unowned"),
        (Sight(owner="none", gone=True, open_faults=True), "leave"),
        (Sight(owner="dead", fenced=True, orphaned_for_s=600), "watch"),
        (Sight(owner="dead", fenced=True, orphaned_for_s=601), "take-down"),
        (Sight(owner="dead", open_faults=True, orphaned_for_s=601), "take-down"),
        (Sight(lapsed=True, fenced=True, orphaned_for_s=601), "watch"),
    ],
)
def test_decisions(sight: Sight, action: str) -> None:
    """Each sight has one answer; a fault is never left, and a living owner's stack is never taken down."""
    assert decide(sight, grace_s=600) == action


def test_overdue_faults_are_reverted_alone(bench: Bench) -> None:
    """A fault past its deadline is reverted without fencing the owner off; others stay."""
    life = bench.life()
    drive(life.inject("short", fake("node:a"), until_s=bench.world.now()))
    kept = drive(life.inject("long", fake("node:b")))
    bench.ledger._database.execute("UPDATE faults SET deadline_s = 0 WHERE step = 'short'")
    guardian = Guardian(bench.ledger, "s", bench.attach, make)
    assert len(guardian.look().unowned) == 1
    assert drive(guardian.act("revert-unowned"))
    assert bench.world.held() == {"node:b": {kept.fault_id}}
    assert bench.ledger.stack("s").epoch == 1


@pytest.mark.parametrize(
    ("run_owned", "halted_for_s", "due"),
    [
        (False, 0.0, {"by-hand", "killed"}),
        (False, HALT_PATIENCE_S + 60, {"by-hand", "killed", "held"}),
        (True, 0.0, set()),
        (True, HALT_PATIENCE_S + 60, {"by-hand", "killed", "held"}),
    ],
)
def test_a_halt_makes_faults_due(tmp_path: Path, run_owned: bool, halted_for_s: float, due: set[str]) -> None:
    """What no living process owns is reverted at once; a command and a run get the time to do it themselves."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        stack = ledger.add_stack("s", folder=tmp_path, world="file", run_owned=run_owned)
        if not run_owned:
            ledger.let_go("s")
        bench, me = Bench(ledger, FakeWorld(), tmp_path), None if run_owned else ProcessId.me()
        for step, holder in (("by-hand", me), ("killed", None if run_owned else DEAD), ("held", me)):
            life = LifeCycle(bench.world, ledger, "s", bench.notice, make=make, holder=holder)
            found = drive(life.inject(step, fake(f"node:{step}")))
            if step == "by-hand" and not run_owned:
                ledger.keep_until(found.fault_id, time.monotonic() + 3600, by_hand=True)
        guardian = Guardian(ledger, "s", bench.attach, make)
        assert len(guardian.look().unowned) == (0 if run_owned else 1), "before the halt: that of the killed command"
        halt(tmp_path, "")
        since_s = time.time() - halted_for_s
        os.utime(tmp_path / FILE_NAME, (since_s, since_s))
        unowned = guardian.look().unowned
        assert {fault.step for fault in ledger.open_faults("s") if fault.id in unowned} == due
        drive(guardian.act("revert-unowned"))
        left = {"by-hand", "killed", "held"} - due
        assert {fault.step for fault in ledger.open_faults("s")} == left
        assert stack.epoch == ledger.stack("s").epoch
        guardian.close()


def test_what_cannot_be_reverted_is_tried_less_and_less_often(bench: Bench) -> None:
    """After each failed revert the guardian waits longer; after a success it waits the usual time again."""
    drive(bench.life().inject("cut", fake()))
    bench.world.broken["release node:a"] = unreachable()
    guardian = Guardian(bench.ledger, "s", bench.attach, make)
    assert not drive(guardian.act("take-over"))
    assert bench.states() == ["stuck"]
    waits = []
    for _ in range(12):
        guardian._wait_s = guardian._after(done=False)
        waits.append(guardian._wait_s)
    assert waits == sorted(waits)
    assert waits[-1] == 30.0
    bench.world.broken.clear()
    assert drive(guardian.act("take-over"))
    assert guardian._after(done=True) < 1
    assert bench.states() == ["healed"]


def test_a_stack_without_a_folder_is_closed(bench: Bench) -> None:
    """When the stack's folder is gone its rows are closed, and the guardian leaves."""
    drive(bench.life().inject("cut", fake()))
    guardian = Guardian(bench.ledger, "s", bench.attach, make)
    shutil.rmtree(bench.folder)
    assert guardian.look() == Sight(gone=True)
    assert bench.ledger.stacks() == ()


def test_a_broken_stack_is_taken_away_before_it_counts_as_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that outlived the parent of the stack's processes are stopped before its faults are closed."""
    world = FakeWorld()
    monkeypatch.setattr(world, "alive", lambda: False)
    monkeypatch.setattr(FileWorld, "attach", lambda folder: world)
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
        ledger.let_go("s")
        bench = Bench(ledger, world, tmp_path)
        drive(bench.life().inject("cut", fake()))
        (healed,) = drive(heal_leftovers(ledger, attach_world, make))
    assert healed.gone
    assert world.stopped


def test_a_world_that_does_not_exist_is_a_world_error(bench: Bench) -> None:
    """A world that is not installed is reported with its name."""
    stack = bench.ledger.add_stack("t", folder=bench.folder, world="no-such-world", run_owned=False)
    with pytest.raises(WorldError, match="no-such-world"):
        drive(attach_world(stack))


@dataclass
class Run:
    """A runner process and what it shares with the test."""

    process: subprocess.Popen[str]
    guardian_pid: int
    folder: Path
    ledger: Path

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def held(self) -> dict[str, set[str]]:
        return FileWorld(self.folder).held()

    def states(self) -> list[str]:
        with Ledger(self.ledger) as ledger:
            return [fault.state for fault in ledger.faults("s")]


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts runner processes, and ends them and their guardians afterwards."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    runs: list[Run] = []

    def begin(*, ttl_s: float = TTL_S, until_s: float | None = None) -> Run:
        folder, ledger = tmp_path / "stack", tmp_path / "ledger.sqlite"
        folder.mkdir()
        command = [sys.executable, str(SUPPORT / "runner_process.py"), str(folder), str(ledger), str(ttl_s)]
        command += [] if until_s is None else [str(until_s)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        runs.append(Run(process, int(process.stdout.readline()), folder, ledger))
        assert runs[-1].says() == "applied"
        return runs[-1]

    yield begin
    for run in runs:
        for pid in (run.process.pid, run.guardian_pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run.process.communicate()


def eventually(true: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Polls until `true()` or the time is over."""
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.slow
def test_a_killed_runner_is_healed_and_its_stack_taken_down(start: Start) -> None:
    """After SIGKILL of the runner the guardian reverts everything, then takes the stack down and leaves."""
    run = start()
    assert set(run.held()) == {"node:a", "link:x->y"}
    run.process.kill()
    assert eventually(lambda: run.held() == {})
    assert eventually(lambda: run.states() == ["healed"])
    assert eventually(lambda: not (run.folder / WORLD_FILE).exists())
    assert eventually(lambda: gone(run.guardian_pid))
    with Ledger(run.ledger) as ledger:
        assert ledger.stacks() == ()


@pytest.mark.slow
def test_a_frozen_runner_is_healed_and_fenced(start: Start) -> None:
    """A runner that does not renew its lease loses its faults, and when it wakes up its next apply is refused."""
    run = start()
    os.kill(run.process.pid, signal.SIGSTOP)
    try:
        assert eventually(lambda: run.states() == ["healed"])
        assert run.held() == {}
    finally:
        os.kill(run.process.pid, signal.SIGCONT)
    run.tell("apply")
    assert run.says() == "Fenced"
    assert run.held() == {}


@pytest.mark.slow
def test_a_runner_that_stands_still_in_the_ledger_is_healed_all_the_same(start: Start) -> None:
    """It keeps the ledger from being written, so its rows are closed when it goes on; what was in place is gone long before."""
    run = start()
    run.tell("freeze")
    try:
        assert eventually(lambda: run.held() == {})
        assert run.states() != ["healed"], "the lock is held"
    finally:
        os.kill(run.process.pid, signal.SIGCONT)
    assert run.says() == "thawed"
    assert eventually(lambda: run.states() == ["healed"])
    run.tell("apply")
    assert run.says() == "Fenced"
    assert run.held() == {}


@pytest.mark.slow
def test_when_both_are_killed_the_next_command_heals(start: Start) -> None:
    """With runner and guardian killed at once, the next command restores the baseline."""
    run = start()
    os.kill(run.guardian_pid, signal.SIGKILL)
    run.process.kill()
    run.process.wait()
    assert set(run.held()) == {"node:a", "link:x->y"}
    with Ledger(run.ledger) as ledger:
        (healed,) = drive(heal_leftovers(ledger, attach_world, make))
    assert len(healed.healed) == 1
    assert run.held() == {}


@pytest.mark.slow
def test_a_released_lease_ends_the_guardian(start: Start) -> None:
    """When the owner releases the lease, the guardian reverts the open faults and exits with 0."""
    run = start()
    run.tell("release")
    assert run.says() == "0"
    assert run.held() == {}
    assert run.states() == ["healed"]


@pytest.mark.slow
def test_a_guardian_survives_ctrl_c(start: Start) -> None:
    """Ctrl-C ends the runner only: the guardian is in its own session, ignores SIGINT and keeps watching."""
    run = start()
    assert os.getsid(run.guardian_pid) == run.guardian_pid
    os.kill(run.guardian_pid, signal.SIGINT)
    run.process.kill()
    assert eventually(lambda: run.held() == {})


def test_a_guardian_that_cannot_start_is_reported(tmp_path: Path) -> None:
    """When the guardian process ends at once, `wait_ready` raises and points at its log."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="x:Y", run_owned=True)
    handle = start_guardian("s", 1.0, ledger=path, make="no_such_module:make")
    with pytest.raises(WorldError, match="did not start") as caught:
        handle.wait_ready()
    assert "guardian.log" in caught.value.hint
    assert "no_such_module" in (tmp_path / "guardian.log").read_text(encoding="utf-8")
