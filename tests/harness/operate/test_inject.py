"""Owners of faults on a standing stack: a living command, or a deadline for one left by hand; all others are leftovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brownout.harness.base.processes import ProcessId, boot_id
from brownout.harness.base.statedir import discard_stack_dir, stack_dir
from brownout.harness.errors import LeftUnsafe, StackGone, WorldError
from brownout.harness.injection.ledger import Fenced, Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.recovery import HOLDER_SLACK_S, heal_leftovers, heal_stack, require_whole, unowned_faults
from brownout.harness.world import Carrier
from support.fake_world import FakeWorld, drive, make, unreachable
from support.lifecycle_bench import DEAD, Bench, fake

NOW_S = 1000.0
ME = ProcessId.me()
FAULT = FaultRecord(
    id="f",
    stack="s",
    number=1,
    step="cut",
    kind="fake",
    params={},
    carriers=(Carrier("node", "a"),),
    baseline={},
    deadline_s=NOW_S,
    boot=boot_id(),
    state="bitten",
    epoch=1,
)
OTHER = replace(FAULT, id="other", holder=ME)


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        (replace(FAULT), False),
        (replace(FAULT, holder=ME), True),
        (replace(FAULT, holder=ME, state="intended"), True),
        (replace(FAULT, holder=ME, state="reverting"), True),
        (replace(FAULT, holder=ME, deadline_s=NOW_S - HOLDER_SLACK_S - 1), False),
        (replace(FAULT, holder=ME, deadline_s=NOW_S - HOLDER_SLACK_S + 1), True),
        (replace(FAULT, holder=DEAD), False),
        (replace(FAULT, by_hand=True), True),
        (replace(FAULT, by_hand=True, state="applied"), True),
        (replace(FAULT, by_hand=True, state="stuck"), False),
        (replace(FAULT, by_hand=True, state="reverting"), False),
        (replace(FAULT, by_hand=True, deadline_s=NOW_S - 1), False),
        (replace(FAULT, by_hand=True, boot="another boot"), False),
    ],
)
def test_who_keeps_a_fault(fault: FaultRecord, kept: bool) -> None:
    """A fault is owned by a living command until shortly after its deadline; left by hand, it stays in place until then."""
    assert (unowned_faults([fault], NOW_S) == ()) is kept


def test_what_is_released_is_a_leftover_once_nothing_hides_it() -> None:
    """A `reverted` fault is left alone while other faults are in place, and is looked at again after that."""
    released = replace(FAULT, by_hand=True, state="reverted")
    assert unowned_faults([released, OTHER], NOW_S) == ()
    looked_at = replace(OTHER, state="reverted")  # by its own command, which lives
    assert unowned_faults([released, looked_at], NOW_S) == ("f",)


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Bench]:
    """A standing stack, whose `up` has long ended."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="", run_owned=False)
        ledger.let_go("s")
        yield Bench(ledger, FakeWorld(), tmp_path)


def put(bench: Bench, *carriers: str, holder: ProcessId | None = None, for_s: float = 3600.0) -> str:
    """A fault that bites, owned by `holder` or, without one, left in place by hand."""
    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, holder=holder or ME)
    fault_id = drive(life.inject("cut", fake(*carriers))).fault_id
    bench.ledger.keep_until(fault_id, time.monotonic() + for_s, by_hand=holder is None)
    return fault_id


def leftovers(bench: Bench) -> tuple[str, ...]:
    return tuple(fault for found in drive(heal_leftovers(bench.ledger, bench.attach, make)) for fault in found.healed)


def test_the_next_command_leaves_what_is_kept_and_heals_the_rest(standing: Bench) -> None:
    """Of three faults on one carrier the one of a killed command is lifted, and no other."""
    killed = put(standing, "node:a", holder=DEAD)
    by_hand = put(standing, "node:a")
    held = put(standing, "node:a", holder=ME)
    assert leftovers(standing) == ()
    assert standing.world.held() == {"node:a": {by_hand, held}}
    assert standing.ledger.fault(killed).state == "reverted", "others hide whether it is healed"
    assert standing.ledger.stack("s").epoch == 1, "nobody else is fenced off"


def test_a_fault_left_by_hand_ends_with_its_deadline(standing: Bench) -> None:
    """It survives any number of commands before its deadline, and not one after."""
    fault_id = put(standing, "node:a", for_s=3600)
    assert leftovers(standing) == leftovers(standing) == ()
    assert standing.world.held() == {"node:a": {fault_id}}
    standing.ledger.keep_until(fault_id, time.monotonic() - 1, by_hand=True)
    assert leftovers(standing) == (fault_id,)
    assert standing.world.held() == {}


def test_what_was_hidden_is_confirmed_with_the_last(standing: Bench) -> None:
    """A `reverted` fault whose heal was hidden by another fault is closed once that other fault is undone."""
    first, second = put(standing, "node:a"), put(standing, "node:a")
    row = standing.ledger.stack("s")
    healed = drive(heal_stack(standing.ledger, row, standing.attach, make, only=[first]))
    assert (healed.healed, healed.released, healed.whole) == ((), (first,), True)
    healed = drive(heal_stack(standing.ledger, row, standing.attach, make, only=[second]))
    assert set(healed.healed) == {first, second}
    assert standing.ledger.open_faults("s") == ()


def test_how_long_a_heal_took_is_known(standing: Bench) -> None:
    """The time from the release to the look that saw it healed comes with what was healed."""
    fault_id = put(standing, "node:a")
    healed = drive(heal_stack(standing.ledger, standing.ledger.stack("s"), standing.attach, make, only=[fault_id]))
    assert set(healed.took_s) == {fault_id}
    assert 0 <= healed.took_s[fault_id] < 8


def test_a_late_hold_of_a_killed_command_is_swept_beside_what_is_kept(standing: Bench) -> None:
    """A hold that came after its row was closed is released, once no command lives that may be in the middle of an apply."""
    put(standing, "node:b")
    killed = put(standing, "node:a", holder=DEAD)
    leftovers(standing)
    standing.ledger.advance(killed, "healed")
    standing.ledger._database.execute("UPDATE stacks SET swept = 0")
    standing.world.carriers["node:a"] = {killed: {"effect": "fake"}}
    (healed,) = drive(heal_leftovers(standing.ledger, standing.attach, make))
    assert healed.swept == (f"node:a: {killed}",)
    assert set(standing.world.held()) == {"node:b"}


def test_a_sweep_that_a_kept_fault_prevents_is_no_danger(standing: Bench) -> None:
    """While a node is held down by hand, no command fails because that node's switches cannot be read."""
    put(standing, "node:b", holder=DEAD)
    leftovers(standing)
    put(standing, "node:a")
    standing.world.broken["read node:b"] = unreachable()
    assert leftovers(standing) == ()
    assert not standing.ledger.stack("s").swept
    standing.world.broken.clear()
    leftovers(standing)
    assert standing.ledger.stack("s").swept


def test_what_cannot_be_reverted_is_loud_beside_what_is_kept(standing: Bench) -> None:
    """A killed command's fault that is stuck ends the next command as left unsafe, and the other stays in place."""
    kept = put(standing, "node:b")
    put(standing, "node:a", holder=DEAD)
    standing.world.broken["release node:a"] = unreachable()
    with pytest.raises(LeftUnsafe):
        require_whole(drive(heal_leftovers(standing.ledger, standing.attach, make)))
    assert kept in standing.world.held()["node:b"]


def test_an_apply_that_somebody_heals_under_its_hands_undoes_itself(standing: Bench) -> None:
    """An apply whose row was closed meanwhile by another process releases its holds and raises Fenced."""
    life = LifeCycle(standing.world, standing.ledger, "s", standing.notice, make=make, holder=ME)

    class Healed(type(fake())):  # type: ignore[misc]
        async def apply(self, world: object, fault_id: str) -> None:
            for step in ("reverting", "reverted", "healed"):
                standing.ledger.advance(fault_id, step)
            await super().apply(world, fault_id)

    with pytest.raises(Fenced, match="undone by another process"):
        drive(life.inject("cut", Healed(on=("node:a",))))
    assert standing.world.held() == {}


def test_a_stack_that_is_gone_takes_its_folder_with_it(home: Path) -> None:
    """What is left of a dead stack's folder, its keys above all, goes away; a log that says something stays."""
    folder = stack_dir("s")
    (folder / "logs").mkdir()
    (folder / "logs" / "quiet.log").touch()
    (folder / "logs" / "loud.log").write_text("it broke\n")
    (folder / "spec.json").write_text("{}")
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=folder, world="", owner=DEAD, run_owned=False)
        bench = Bench(ledger, FakeWorld(), folder)
        put(bench, "node:a")

        async def attach(stack: object) -> FakeWorld:
            raise StackGone("nothing runs")

        (healed,) = [drive(heal_stack(ledger, ledger.stack("s"), attach, make))]
    assert healed.gone
    assert [path.relative_to(folder) for path in folder.rglob("*")] == [Path("logs"), Path("logs/loud.log")]


def test_the_folder_of_a_stack_that_went_well_is_removed_whole(home: Path, tmp_path: Path) -> None:
    """A stack's folder is removed; any other folder is not touched; a missing folder is no error."""
    folder = stack_dir("s")
    (folder / "guardian.log").write_text("overdue\n")
    discard_stack_dir(folder, keep_logs=False)
    assert not folder.exists()
    discard_stack_dir(folder, keep_logs=True)
    (tmp_path / "other").mkdir()
    discard_stack_dir(tmp_path / "other", keep_logs=False)
    assert (tmp_path / "other").is_dir()


def test_a_folder_that_cannot_be_removed_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WorldError says that a stack's folder, which holds its keys, could not be removed."""
    folder = stack_dir("s")
    (folder / "spec.json").touch()

    def refuse(self: Path) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WorldError, match="cannot be removed"):
        discard_stack_dir(folder, keep_logs=False)
