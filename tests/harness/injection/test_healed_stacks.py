"""What a healing says of each stack, and whose faults it touches: owners that live, hang or died, and stacks half gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import stack_dir
from brownout.harness.errors import CarrierGone, LeftUnsafe, StackGone, WorldError
from brownout.harness.injection import notices, recovery
from brownout.harness.injection.lease import Lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.lifecycle import LONGEST_HOLD_S, LifeCycle
from brownout.harness.injection.outcomes import Applied, Reverted
from brownout.harness.injection.recovery import (
    AGAIN_MAX,
    HOLDER_SLACK_S,
    Healed,
    attach_world,
    heal_leftovers,
    heal_stack,
    load_entry,
    require_whole,
    take_down,
    teller,
    unowned_faults,
    world_of,
)
from brownout.harness.world import Carrier
from support.fake_world import FakeWorld, drive, make, unreachable
from support.lifecycle_bench import DEAD, Bench, fake
from support.stand_ins import Stand, StandInWorld

ME = ProcessId.me()
AT_READ = 3  # of a healing: the first look after the release


@pytest.fixture
def standing(tmp_path: Path) -> Any:
    """A bench whose stack has no owner."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
        ledger.let_go("s")
        yield Bench(ledger, FakeWorld(), tmp_path)


def held_by(bench: Bench, step: str, holder: ProcessId | None, *carriers: str) -> Applied:
    """A fault that a command of that process put in place."""
    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, holder=holder)
    return drive(life.inject(step, fake(*carriers)))


def kept(bench: Bench, step: str, until_s: float, *carriers: str) -> str:
    """A fault that was left in place by hand until a deadline."""
    fault_id = held_by(bench, step, ME, *carriers).fault_id
    bench.ledger.keep_until(fault_id, until_s, by_hand=True)
    return fault_id


@pytest.mark.parametrize(
    ("changes", "now_s", "owned"),
    [
        ({"holder": ME}, 100.0, True),
        ({"holder": ME}, 100.0 + HOLDER_SLACK_S, True),
        ({"holder": ME}, 100.5 + HOLDER_SLACK_S, False),
        ({"holder": DEAD}, 50.0, False),
        ({"holder": None}, 50.0, False),
        ({"holder": None, "by_hand": True}, 50.0, True),
        ({"holder": None, "by_hand": True, "state": "applied"}, 100.0, True),
        ({"holder": None, "by_hand": True}, 100.5, False),
        ({"holder": None, "by_hand": True, "state": "reverting"}, 50.0, False),
        ({"holder": None, "by_hand": True, "state": "reverted"}, 50.0, False),
    ],
)
def test_who_owns_a_fault_of_a_standing_stack(standing: Bench, changes: dict[str, Any], now_s: float, owned: bool) -> None:
    """A living command until a little after the deadline; none, until the deadline, where it was left in place by hand."""
    fault_id = held_by(standing, "cut", ME).fault_id
    found = replace(standing.ledger.fault(fault_id), deadline_s=100.0, **changes)
    assert unowned_faults([found], now_s) == (() if owned else (fault_id,))


def test_a_released_fault_waits_for_those_that_hide_its_heal(standing: Bench) -> None:
    """As long as another is in place nothing is to be done about it."""
    first, second = (standing.ledger.fault(held_by(standing, step, ME, f"node:{step}").fault_id) for step in ("a", "b"))
    released = replace(first, state="reverted", holder=None)
    assert unowned_faults([released, second]) == ()
    assert unowned_faults([released, replace(second, state="reverted")]) == (released.id,)


def test_only_what_no_command_owns_is_reverted_on_a_standing_stack(standing: Bench) -> None:
    """The epoch stays, and nothing is swept while a command lives; that there was nothing to do is no entry."""
    held_by(standing, "held", ME, "node:held")
    kept(standing, "kept", time.monotonic() + 60, "node:kept")
    assert drive(heal_leftovers(standing.ledger, standing.attach, make)) == ()
    gone = held_by(standing, "gone", DEAD, "node:gone").fault_id
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert (healed.healed, healed.stuck, healed.released, healed.swept, healed.whole) == ((gone,), (), (), (), True)
    assert set(standing.world.held()) == {"node:held", "node:kept"}
    assert (standing.ledger.stack("s").epoch, standing.ledger.stack("s").swept) == (1, False)


def test_a_sweep_waits_for_every_command_and_its_silence_is_no_entry(standing: Bench) -> None:
    """One that lives may be in the middle of an apply, though another of the same stack has died."""
    dead, alive = held_by(standing, "dead", DEAD, "node:a").fault_id, held_by(standing, "alive", ME, "node:b").fault_id
    drive(heal_leftovers(standing.ledger, standing.attach, make))
    standing.world.carriers["node:a"] = {dead: {"effect": "late"}}
    assert drive(heal_leftovers(standing.ledger, standing.attach, make)) == ()
    drive(standing.life().revert(alive))
    standing.ledger._database.execute("UPDATE faults SET holder_pid = 1, holder_started = 'never'")
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert (healed.swept, healed.healed) == ((f"node:a: {dead}",), ())
    assert standing.ledger.stack("s").swept


def test_a_sweep_that_fails_is_a_problem(standing: Bench) -> None:
    """The stack still counts as not swept, so that the next command tries again."""
    fault_id = held_by(standing, "cut", DEAD).fault_id
    drive(standing.life().revert(fault_id))
    standing.world.broken = {"read node:a": unreachable()}
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert (healed.problem, healed.whole) == ("the sweep failed: it does not answer", False)
    assert not standing.ledger.stack("s").swept


def test_a_heal_that_others_hide_is_released_and_no_problem(standing: Bench) -> None:
    """A fault of a dead command under one of a living command: no carrier holds it, and its heal cannot be seen."""
    dead = held_by(standing, "dead", DEAD, "node:a").fault_id
    held_by(standing, "alive", ME, "node:a")
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert (healed.healed, healed.stuck, healed.released, healed.whole) == ((), (), (dead,), True)


@pytest.mark.parametrize(
    ("error", "problem", "closed"),
    [
        (None, "", True),
        (StackGone("nothing runs"), "", True),
        (unreachable(), "it never came up, and cannot be taken away: it does not answer", False),
    ],
)
def test_what_there_is_of_a_stack_that_never_came_up_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, problem: str, closed: bool
) -> None:
    """It is said to be that and not to be gone; one that cannot be stopped stays known."""
    world = FakeWorld()

    def world_of_it(stack: object) -> FakeWorld:
        if error is not None:
            raise error
        return world

    monkeypatch.setattr(recovery, "world_of", world_of_it)
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", owner=DEAD, run_owned=False)
        (healed,) = drive(heal_leftovers(ledger, Bench(ledger, world, tmp_path).attach, make))
        assert (healed.never_up, healed.gone, healed.problem) == (True, False, problem)
        assert (ledger.stacks() == ()) is closed
    assert world.stopped is (error is None)


def test_taking_a_stack_down_reverts_stops_and_closes_it(bench: Bench) -> None:
    """Its faults count as healed with it, also those that were stuck."""
    first = drive(bench.life().inject("first", fake("node:a"))).fault_id
    second = drive(bench.life().inject("second", fake("node:b"))).fault_id
    bench.world.broken = {"release node:a": unreachable()}
    notes: list[str] = []
    down = drive(take_down(bench.ledger, bench.ledger.stack("s"), bench.attach, make, note=notes.append))
    assert (down.healed, down.stuck, down.taken_down, down.whole) == ((second, first), (), True, True)
    assert notes[-1] == "s: taken down, its owner is dead"
    assert bench.world.stopped
    assert bench.ledger.stacks() == ()


@pytest.mark.parametrize(
    ("error", "problem"), [(unreachable(), "it cannot be taken down: it does not answer"), (StackGone("gone"), "")]
)
def test_a_stack_that_cannot_be_stopped_is_left_and_one_that_went_away_is_closed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception, problem: str
) -> None:
    """The first keeps its row, so that the next command tries again."""

    async def stop() -> None:
        raise error

    monkeypatch.setattr(bench.world, "stop", stop)
    notes: list[str] = []
    down = drive(take_down(bench.ledger, bench.ledger.stack("s"), bench.attach, make, note=notes.append))
    assert (down.problem, down.taken_down) == (problem, not problem)
    assert notes == ([] if problem else ["s: it went away by itself", "s: taken down, its owner is dead"])
    assert [stack.id for stack in bench.ledger.stacks()] == (["s"] if problem else [])


def test_faults_of_a_stack_that_cannot_be_reached_are_stuck_as_far_as_they_were_to_be_undone(bench: Bench) -> None:
    """The latest first, with the reason."""
    first, second, third = (drive(bench.life().inject(step, fake(f"node:{step}"))).fault_id for step in ("a", "b", "c"))

    async def attach(stack: object) -> FakeWorld:
        raise unreachable()

    healed = drive(heal_stack(bench.ledger, bench.ledger.stack("s"), attach, make, only=(first, third)))
    assert (healed.stuck, healed.problem) == ((third, first), "it does not answer")
    assert bench.states() == ["stuck", "bitten", "stuck"]
    assert bench.ledger.stack("s").epoch == 1
    with pytest.raises(LeftUnsafe, match=f"stack s: {third}, {first} it does not answer") as caught:
        require_whole([Healed("t"), healed])
    assert "`brownout heal` tries again" in str(caught.value.hint)
    assert bench.ledger.fault(second).in_place


def test_healing_says_how_long_it_took_and_what_was_lost_before(bench: Bench) -> None:
    """In network seconds, for what was seen to heal; with a look first, what was no longer in force is told."""
    found = [drive(bench.life().inject(step, fake(f"node:{step}"))).fault_id for step in ("a", "b")]
    bench.world.carriers["node:a"].clear()
    healed = drive(heal_stack(bench.ledger, bench.ledger.stack("s"), bench.attach, make, look_first=True))
    assert set(healed.took_s) == set(found)
    assert healed.lost == {found[0]: "node:a does not hold it any more"}
    assert bench.ledger.stack("s").epoch == 2


@pytest.mark.parametrize("entry", ["no_such_module:make", "json:no_such_name", "json", ""])
def test_an_entry_that_cannot_be_loaded_is_named(entry: str) -> None:
    """It comes from a command line."""
    with pytest.raises(WorldError, match="cannot be loaded"):
        load_entry(entry)


def test_an_entry_is_what_it_names() -> None:
    """The module is imported, and the name looked up in it."""
    assert load_entry("support.fake_world:make") is make


def test_a_world_that_is_not_installed_has_a_way_out(bench: Bench) -> None:
    """The stack and the world are named, and what to do."""
    stack = replace(bench.ledger.stack("s"), world="mars")
    with pytest.raises(WorldError, match="stack s runs in the world 'mars', which is not installed") as caught:
        world_of(stack)
    assert "install the package that adds it" in caught.value.hint


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        (lambda row: notices.BiteSeen(row, "seen", {}), "s-001-cut: bitten (seen)"),
        (lambda row: notices.BiteMissing(row, "unseen"), "s-001-cut: absent (unseen)"),
        (lambda row: notices.ActFailed(row, "a bug"), "s-001-cut: failed (a bug)"),
        (lambda row: notices.UndoStep(row, "stuck", "no answer"), "s-001-cut: stuck (no answer)"),
        (lambda row: notices.UndoStep(row, "reverting", ""), "s-001-cut: reverting"),
        (lambda row: notices.InPlace(row, 1.0), "s-001-cut: applied"),
    ],
)
def test_a_notice_is_a_line(bench: Bench, notice: Callable[[FaultRecord], notices.Notice], text: str) -> None:
    """The fault, what happened, and why where there is a reason."""
    fault_id = drive(bench.life().inject("cut", fake())).fault_id
    notes: list[str] = []
    teller(notes.append)(notice(bench.ledger.fault(fault_id)))
    assert notes == [text]


def test_a_fault_without_an_end_has_the_longest_deadline(bench: Bench) -> None:
    """Six hours; one with an end has half a minute more, in real time at the world's rate."""
    now_s = 500.0
    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, monotonic=lambda: now_s)
    bench.world.rate = 10.0
    deadlines = [
        drive(life.intend(step, fake(f"node:{step}"), until_s=until_s)).deadline_s
        for step, until_s in (("a", None), ("b", bench.world.now() + 100), ("c", bench.world.now() - 100))
    ]
    assert deadlines == [now_s + 6 * 3600, now_s + 10 + 30, now_s + 30]
    assert LONGEST_HOLD_S == 6 * 3600


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "without links"])
def test_of_a_stack_that_was_taken_down_its_logs_stay(home: Path, broken: bool) -> None:
    """Its folder has the keys of its nodes, which nothing needs any more."""
    folder = stack_dir("s")
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=folder, world="file", run_owned=True, owner=DEAD if broken else None)
        for name in ("key.pem", "guardian.log"):
            (folder / name).write_text("some text")
        bench = Bench(ledger, FakeWorld(), folder)
        if broken:
            bench.world.broken = {f"read link:{bench.world.spec.links()[0]}": CarrierGone("it has ended")}
        down = drive(take_down(ledger, ledger.stack("s"), bench.attach, make))
        assert (down.whole, down.taken_down, down.broken) == (True, True, "it has ended" if broken else "")
    assert [path.name for path in folder.iterdir()] == ["guardian.log"]


def test_of_a_hung_owner_that_lives_no_stack_is_taken_down(tmp_path: Path) -> None:
    """Its faults are reverted, for its lease has lapsed; whether its links have ended is its own matter."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        drive(bench.life().inject("cut", fake()))
        Lease(tmp_path, ttl_s=5.0, monotonic=lambda: 100.0).renew()
        bench.world.broken = {f"read link:{bench.world.spec.links()[0]}": CarrierGone("it has ended")}
        (healed,) = drive(heal_leftovers(ledger, bench.attach, make, grace_s=0.0, monotonic=lambda: 106.0))
        assert (len(healed.healed), healed.taken_down, bench.world.stopped) == (1, False, False)
        assert drive(heal_leftovers(ledger, bench.attach, make, grace_s=0.0, monotonic=lambda: 106.0)) == ()
        assert ledger.stack("s").orphaned_wall_s is None
        assert not bench.world.stopped


@pytest.mark.parametrize("lost", ["", "its processes", "its folder"])
def test_a_stack_is_attached_to_while_it_runs(
    stand: Callable[[str], Stand], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """What is left of one that does not is ended first."""
    stack, stopped = stand("up-1"), list[str]()

    async def stop(world: StandInWorld) -> None:
        stopped.append("stopped")

    monkeypatch.setattr(StandInWorld, "stop", stop)
    if lost:
        monkeypatch.setattr(StandInWorld, "alive", lambda world: False)
    row = stack.row()
    if lost == "its folder":
        row = replace(row, folder=stack.folder / "gone")
    if not lost:
        assert isinstance(drive(attach_world(row)), StandInWorld)
    else:
        with pytest.raises(StackGone, match="stack up-1 "):
            drive(attach_world(row))
    assert stopped == (["stopped"] if lost == "its processes" else [])


@pytest.mark.parametrize("open_fault", [False, True])
def test_a_dead_runs_stack_that_went_away_by_itself_is_closed(tmp_path: Path, open_fault: bool) -> None:
    """Whether a fault was in place on it or not; there is nothing to take down."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", owner=DEAD, run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        if open_fault:
            drive(bench.life().inject("cut", fake()))

        async def attach(stack: object) -> FakeWorld:
            raise StackGone("nothing runs")

        (healed,) = drive(heal_leftovers(ledger, attach, make))
        assert (healed.gone, healed.taken_down, len(healed.healed)) == (True, False, open_fault)
        assert ledger.stacks() == ()


@pytest.mark.parametrize("undone", [True, False])
def test_a_heal_that_another_command_uncovers_is_looked_for_again(standing: Bench, undone: bool) -> None:
    """Two faults hide a third one's heal: once another command has undone both, it is seen; with one still there it waits."""
    first = held_by(standing, "first", DEAD, "node:a").fault_id
    others = [held_by(standing, step, ME, "node:a").fault_id for step in ("b", "c")]
    looked = standing.world.read
    reads = 0

    async def read(carrier: Carrier) -> Any:
        nonlocal reads
        reads += 1
        if reads == AT_READ:
            for other in others if undone else others[:1]:
                for state in ("reverting", "reverted", "healed"):
                    standing.ledger.advance(other, state)
                standing.world.carriers["node:a"].pop(other, None)
        return await looked(carrier)

    standing.world.read = read  # type: ignore[method-assign]  # another command is at work meanwhile
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert (healed.healed, healed.released) == (((first,), ()) if undone else ((), (first,)))


@pytest.mark.parametrize(("dead_for_s", "down"), [(500.0, False), (700.0, True)])
def test_the_grace_of_a_dead_runs_stack_counts_from_when_its_owner_was_found_dead(
    tmp_path: Path, dead_for_s: float, down: bool
) -> None:
    """Ten minutes, in which what the run left can be looked at."""
    with Ledger(":memory:", wall=lambda: time.time() - dead_for_s) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", owner=DEAD, run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        drive(heal_leftovers(ledger, bench.attach, make))
        assert bench.world.stopped is down


@pytest.mark.parametrize(
    ("in_place", "heals_at", "tries", "state"),
    [((), 1, 1, "healed"), ((), 3, 3, "healed"), ((), 99, AGAIN_MAX, "reverted"), ((True, False), 1, 0, "reverted")],
)
def test_a_hidden_heal_is_looked_for_some_times_while_no_other_fault_is_in_place(
    in_place: tuple[bool, ...], heals_at: int, tries: int, state: str
) -> None:
    """Another command may undo what hid it at any moment."""
    tried: list[str] = []

    async def revert_all(only: object) -> tuple[Reverted, ...]:
        return (Reverted("a", "a", "reverted", "hidden"), Reverted("b", "b", "healed", ""))

    async def try_again(record: str) -> Reverted:
        tried.append(record)
        return Reverted("a", "a", "healed" if len(tried) >= heals_at else "reverted", "")

    faults = tuple(SimpleNamespace(id=f"other-{number}", in_place=there) for number, there in enumerate(in_place))
    mine = SimpleNamespace(id="a", in_place=True)
    ledger = SimpleNamespace(open_faults=lambda stack: (mine, *faults), fault=lambda fault_id: fault_id)
    life = SimpleNamespace(ledger=ledger, stack_id="s", revert_all=revert_all, try_again=try_again)
    ended = drive(recovery._all_undone(cast(LifeCycle, life), None))
    assert [(end.fault_id, end.state) for end in ended] == [("a", state), ("b", "healed")]
    assert tried == ["a"] * tries


def test_a_dead_runs_stack_without_links_that_cannot_be_stopped_is_a_problem(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its faults are stuck, and its row stays for the next command."""
    fault_id = drive(bench.life().inject("cut", fake())).fault_id
    monkeypatch.setattr(ProcessId, "alive", lambda process: False)

    async def stop() -> None:
        raise unreachable()

    monkeypatch.setattr(bench.world, "stop", stop)
    bench.world.broken = {f"read link:{bench.world.spec.links()[0]}": CarrierGone("it has ended")}
    healed = drive(heal_stack(bench.ledger, bench.ledger.stack("s"), bench.attach, make))
    assert (healed.stuck, healed.taken_down, healed.broken) == ((fault_id,), False, "it has ended")
    assert healed.problem == "it cannot be taken down: it does not answer"
    assert [stack.id for stack in bench.ledger.stacks()] == ["s"]
