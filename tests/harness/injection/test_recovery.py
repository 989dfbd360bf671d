"""Kills at every boundary between two steps, of a run and of the recovery after it: the next command restores the baseline."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.base.users.marked import MARK, marked
from brownout.harness.errors import CarrierGone, LeftUnsafe, StackGone
from brownout.harness.injection import recovery
from brownout.harness.injection.ledger import Fenced, Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.recovery import attach_world, heal_leftovers, heal_stack, require_whole
from brownout.harness.worlds import left_subject
from support.brownout_command import eventually
from support.fake_world import FakeWorld, Killed, Steps, drive, make, unreachable
from support.lifecycle_bench import DEAD, Bench, fake
from support.stand_ins import Stand, StandInWorld

Killing = Callable[[int | None], tuple[Bench, int]]


class SteppedLedger(Ledger):
    """Each commit is a boundary on both of its sides."""

    steps = Steps()

    @contextmanager
    def _change(self) -> Iterator[Any]:
        self.steps.boundary()
        with super()._change() as database:
            yield database
        self.steps.boundary()


async def scenario(life: LifeCycle) -> None:
    """Two overlapping faults, one reverted by itself, the rest together."""
    first = await life.inject("first", fake("node:a", "link:x->y"))
    await life.inject("second", fake("node:a", "control:c"))
    await life.revert(first.fault_id)
    await life.revert_all()


def killed_run(folder: Path, kill_at: int | None) -> tuple[Bench, int]:
    """The scenario under a dead owner's name, killed at a boundary; how many boundaries were passed."""
    ledger = SteppedLedger(":memory:")
    ledger.add_stack("s", folder=folder, world="", run_owned=False)
    ledger.let_go("s")
    steps = Steps(kill_at)
    bench = Bench(ledger, FakeWorld(steps=steps), folder)
    ledger.steps = steps
    if kill_at is None:
        drive(scenario(bench.life()))
    else:
        with pytest.raises(Killed):
            drive(scenario(bench.life()))
    steps.kill_at = None
    return bench, steps.count


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Killing]:
    """`killed_run` in this test's folder; the ledgers are closed after it."""
    with ExitStack() as made:

        def run(kill_at: int | None) -> tuple[Bench, int]:
            bench, boundaries = killed_run(tmp_path, kill_at)
            made.callback(bench.ledger.close)
            return bench, boundaries

        yield run


def heal(bench: Bench) -> None:
    require_whole(drive(heal_leftovers(bench.ledger, bench.attach, make)))


def assert_baseline(bench: Bench, where: str) -> None:
    assert bench.world.held() == {}, where
    assert bench.ledger.open_faults("s") == (), where


def test_a_kill_at_every_boundary_of_a_run_is_healed(killed: Killing) -> None:
    """Wherever the run is killed, the next command's healing restores every carrier and closes every row."""
    _, boundaries = killed(None)
    assert boundaries > 60
    for kill_at in range(1, boundaries + 1):
        bench, _ = killed(kill_at)
        heal(bench)
        assert_baseline(bench, f"killed at {kill_at}")
        before = len(bench.world.calls)
        heal(bench)
        assert len(bench.world.calls) == before, "a second healing has nothing to do"


@pytest.mark.slow
def test_a_kill_at_every_boundary_of_the_healing_is_healed(killed: Killing) -> None:
    """Healing that is itself killed anywhere is completed by the next one."""
    _, boundaries = killed(None)
    for kill_at in range(1, boundaries + 1, 5):
        heal_at, finished = 1, False
        while not finished:
            bench, passed = killed(kill_at)
            bench.world.steps.kill_at = passed + heal_at
            try:
                heal(bench)
                finished = True
            except Killed:
                bench.world.steps.kill_at = None
                heal(bench)
            assert_baseline(bench, f"killed at {kill_at}, healing killed at {heal_at}")
            heal_at += 1
        assert heal_at > 2


def test_a_late_hold_of_a_dead_owner_is_swept(killed: Killing) -> None:
    """A hold put in place after the guardian had closed its row is found by the next command, once."""
    bench, _ = killed(None)
    fault = bench.ledger.faults("s")[0]
    bench.world.carriers["node:a"] = {fault.id: {"effect": "fake"}}
    (healed,) = drive(heal_leftovers(bench.ledger, bench.attach, make))
    assert healed.swept == (f"node:a: {fault.id}",)
    assert bench.world.held() == {}
    assert drive(heal_leftovers(bench.ledger, bench.attach, make)) == ()


def test_a_living_owner_is_left_alone(bench: Bench) -> None:
    """The next command does not touch a stack whose owner lives and renews its lease."""
    drive(bench.life().inject("cut", fake()))
    assert drive(heal_leftovers(bench.ledger, bench.attach, make)) == ()
    assert bench.states() == ["bitten"]


def test_healing_fences_a_living_owner_and_does_not_sweep_yet(bench: Bench) -> None:
    """A lapsed owner that lives cannot apply after a healing; its carriers are swept only once it is dead."""
    life = bench.life()
    drive(life.inject("cut", fake()))
    drive(heal_stack(bench.ledger, bench.ledger.stack("s"), bench.attach, make))
    assert bench.states() == ["healed"]
    assert not bench.ledger.stack("s").swept
    with pytest.raises(Fenced):
        drive(life.inject("again", fake()))


def test_what_cannot_be_undone_is_loud_and_tried_again(killed: Killing) -> None:
    """A failed undo ends the command as left unsafe, naming the fault; the next command tries it again."""
    bench, _ = killed(30)
    bench.world.broken = {"release node:a": unreachable()}
    with pytest.raises(LeftUnsafe, match="s-001-first") as caught:
        heal(bench)
    assert caught.value.exit_code == 5
    assert "stuck" in bench.states()
    bench.world.broken = {}
    heal(bench)
    assert_baseline(bench, "after the second try")


def test_an_unreachable_stack_is_unsafe(killed: Killing) -> None:
    """When a stack that may still run cannot be reached, its open faults are stuck."""
    bench, _ = killed(30)

    async def attach(stack: object) -> FakeWorld:
        raise unreachable()

    with pytest.raises(LeftUnsafe):
        require_whole(drive(heal_leftovers(bench.ledger, attach, make)))
    assert set(bench.states()) == {"stuck"}


def test_a_stack_that_is_gone_took_its_faults_with_it(killed: Killing) -> None:
    """Open faults of a stack that does not run any more are closed as healed by absence."""
    bench, _ = killed(30)

    async def attach(stack: object) -> FakeWorld:
        raise StackGone("nothing runs")

    (healed,) = drive(heal_leftovers(bench.ledger, attach, make))
    assert healed.gone
    assert set(bench.states()) == {"healed"}
    assert bench.ledger.stacks() == ()


def test_late_holds_need_no_search_where_what_kept_them_has_ended(killed: Killing) -> None:
    """The runner and what carries its links died together: the next command finds nothing left, and is not left unsafe."""
    bench, _ = killed(30)
    carriers = {str(carrier) for fault in bench.ledger.faults("s") for carrier in fault.carriers}
    links = {carrier for carrier in carriers if carrier.startswith("link:")}
    assert links
    bench.world.broken = {f"{verb} {link}": CarrierGone("it has ended") for verb in ("read", "release") for link in links}
    (healed,) = drive(heal_leftovers(bench.ledger, bench.attach, make))
    assert (healed.whole, healed.problem) == (True, "")
    assert bench.ledger.open_faults("s") == ()


def test_one_unsafe_stack_does_not_keep_others_from_being_healed(tmp_path: Path, killed: Killing) -> None:
    """Every stack is healed before LeftUnsafe is raised for one that could not be."""
    bench, _ = killed(30)
    bench.ledger.add_stack("t", folder=tmp_path, world="", run_owned=False)
    bench.ledger.let_go("t")
    other = FakeWorld()
    drive(LifeCycle(other, bench.ledger, "t", bench.notice).inject("cut", fake()))
    bench.world.broken = {"release node:a": unreachable()}

    async def attach(stack: Any) -> FakeWorld:
        return other if stack.id == "t" else bench.world

    with pytest.raises(LeftUnsafe):
        require_whole(drive(heal_leftovers(bench.ledger, attach, make)))
    assert other.held() == {}


@pytest.mark.parametrize(("grace_s", "down"), [(1e6, False), (-1.0, True)])
def test_a_dead_runs_stack_is_taken_down_after_its_grace(tmp_path: Path, grace_s: float, down: bool) -> None:
    """A run's stack outlives its owner for the grace and no longer; one left up on purpose stays."""
    with Ledger(":memory:") as ledger:
        worlds = {"run": FakeWorld(), "up": FakeWorld()}
        for name in worlds:
            ledger.add_stack(name, folder=tmp_path, world="", owner=DEAD, run_owned=name == "run")
        ledger.let_go("up")

        async def attach(stack: Any) -> FakeWorld:
            return worlds[stack.id]

        drive(heal_leftovers(ledger, attach, make, grace_s=grace_s))
        assert worlds["run"].stopped is down
        assert not worlds["up"].stopped
        assert [stack.id for stack in ledger.stacks()] == (["up"] if down else ["run", "up"])


@pytest.mark.parametrize("in_place", [True, False])
def test_a_dead_runs_stack_without_links_is_taken_down_at_once(tmp_path: Path, in_place: bool) -> None:
    """Nobody can use or repair it: it goes with its faults, which is said and is no failure, whoever reverted them before."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("run", folder=tmp_path, world="", owner=DEAD, run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        life = LifeCycle(bench.world, ledger, "run", bench.notice, make=make)
        drive(life.inject("cut", fake("link:x->y")))
        if not in_place:
            drive(life.revert_all())
            ledger.mark_swept("run")
        link = f"link:{bench.world.spec.links()[0]}"
        bench.world.broken = {
            f"{verb} {name}": CarrierGone("it has ended") for verb in ("read", "release") for name in (link, "link:x->y")
        }
        (healed,) = drive(heal_leftovers(ledger, bench.attach, make))
        assert (healed.taken_down, healed.whole, healed.broken) == (True, True, "it has ended")
        assert len(healed.healed) == in_place
        assert bench.world.stopped
        assert ledger.stacks() == ()
        assert not any(state == "stuck" for row in ledger.faults("run") for state, _, _ in ledger.transitions(row.id))


def test_what_is_left_of_a_dead_owners_subject_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the mark of that stack is killed once its keeper has had its time; one of another stack's lives on."""
    monkeypatch.setattr(left_subject, "PATIENCE_S", 0.0)
    left, other = (
        subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(folder)}) for folder in (tmp_path, tmp_path / "other")
    )
    try:
        # A process that begins its program has no environment for a moment, in which none could tell whose it is.
        eventually(lambda: bool(marked(tmp_path)), 10, what="the left process has the mark of its stack")
        with Ledger(":memory:") as ledger:
            ledger.add_stack("run", folder=tmp_path, world="", owner=DEAD, run_owned=True)
            asyncio.run(heal_stack(ledger, ledger.stack("run"), Bench(ledger, FakeWorld(), tmp_path).attach, make))
        assert left.wait(timeout=10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("run_owned", "owner", "only", "ended"),
    [(True, DEAD, None, True), (True, None, None, False), (False, DEAD, None, False), (True, DEAD, (), False)],
)
def test_only_the_subject_of_a_dead_run_is_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_owned: bool,
    owner: ProcessId | None,
    only: tuple[str, ...] | None,
    ended: bool,
) -> None:
    """A hung owner's may still be measured, a standing stack's is its user's, and single faults are reverted beside it."""
    asked: list[tuple[str, Path]] = []

    async def end(world: str, folder: Path) -> None:
        asked.append((world, folder))

    monkeypatch.setattr(recovery, "end_left_subject", end)
    with Ledger(":memory:") as ledger:
        stack = ledger.add_stack("run", folder=tmp_path, world="file", owner=owner, run_owned=run_owned)
        drive(heal_stack(ledger, stack, Bench(ledger, FakeWorld(), tmp_path).attach, make, only=only))
    assert asked == ([("file", tmp_path)] if ended else [])


@pytest.mark.parametrize("owner", [None, DEAD])
def test_a_stack_with_links_or_with_an_owner_is_not_taken_down(tmp_path: Path, owner: ProcessId | None) -> None:
    """A living owner says itself what becomes of its stack, and one that can be looked at keeps its grace."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("run", folder=tmp_path, world="", owner=owner, run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        if owner is None:
            bench.world.broken = {f"read link:{bench.world.spec.links()[0]}": CarrierGone("it has ended")}
        assert drive(heal_leftovers(ledger, bench.attach, make)) == ()
        assert not bench.world.stopped


def test_a_stack_whose_up_was_killed_is_cleared_away(stand: Callable[[str], Stand]) -> None:
    """A standing stack that still has an owner, who is dead, never came up: it is taken away, and said to be that."""
    stack = stand("up-1")
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("up-2", folder=stack_dir("up-2"), world=StandInWorld.name, owner=DEAD, run_owned=False)
        (cleared,) = drive(heal_leftovers(ledger, attach_world, make))
        assert (cleared.stack, cleared.never_up, cleared.gone) == ("up-2", True, False)
        assert [row.id for row in ledger.stacks()] == [stack.id]
    assert not (stack.folder.parent / "up-2").exists()


def test_a_stack_that_came_up_while_its_ledger_was_deleted_stays(stand: Callable[[str], Stand]) -> None:
    """Its folder says that it was let go, which its row cannot know."""
    stack = stand("up-1")
    with Ledger(":memory:") as ledger:
        ledger.add_stack("up-1", folder=Path("/nowhere"), world=StandInWorld.name, owner=DEAD, run_owned=False)
        ledger._database.execute("UPDATE stacks SET folder = ?", (str(stack.folder),))
        assert drive(heal_leftovers(ledger, attach_world, make)) == ()
        assert [row.owner.pid for row in ledger.stacks()] == [0]
