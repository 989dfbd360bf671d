"""What a guardian sees of its stack, and its loop, without processes: the lease, the locks and the ledger are real files."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from brownout.harness.base.halt import Halt
from brownout.harness.base.processes import boot_id
from brownout.harness.injection.guardian import HALT_PATIENCE_S, Guardian, Sight, _parser, decide
from brownout.harness.injection.guardian_start import CLAIMS_LOCK, GuardianClaim, lock_of, read_beat, write_beat
from brownout.harness.injection.lease import LEASE_FILE, Lease, LeaseState
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.recovery import GRACE_S, load_entry
from brownout.harness.world import Carrier
from support.fake_world import FakeWorld, drive, make
from support.lifecycle_bench import DEAD, Bench, fake


def test_a_stack_without_an_owner_is_watched_while_a_fault_is_open_or_a_command_claims_it(tmp_path: Path) -> None:
    """Without both the guardian may leave, and then no command can claim it: it has the lock that they share."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
        ledger.let_go("s")
        bench = Bench(ledger, FakeWorld(), tmp_path)
        guardian = Guardian(ledger, "s", bench.attach, make)
        with GuardianClaim(tmp_path):
            assert guardian.look() == Sight(owner="none", claimed=True)
            fault_id = drive(bench.life().inject("cut", fake(), until_s=bench.world.now() + 60)).fault_id
        ledger.keep_until(fault_id, time.monotonic() + 60, by_hand=True)
        assert guardian.look() == Sight(owner="none", open_faults=True, claimed=True)
        with GuardianClaim(tmp_path):
            drive(bench.life().revert(fault_id))
        assert guardian.look() == Sight(owner="none")
        assert not lock_of(tmp_path, CLAIMS_LOCK).take(shared=True)
        guardian.close()
        assert lock_of(tmp_path, CLAIMS_LOCK).take(shared=True)


def test_a_fault_that_a_command_opened_meanwhile_keeps_the_guardian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is seen with the lock in hand, which is shared again then, so that commands may go on."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
        ledger.let_go("s")
        bench, open_faults = Bench(ledger, FakeWorld(), tmp_path), ledger.open_faults
        guardian = Guardian(ledger, "s", bench.attach, make)
        drive(bench.life().inject("cut", fake()))
        asked: list[str] = []

        def opened_since(stack_id: str) -> tuple[FaultRecord, ...]:
            asked.append(stack_id)
            return open_faults(stack_id) if len(asked) > 1 else ()

        monkeypatch.setattr(ledger, "open_faults", opened_since)
        assert decide(guardian.look(), grace_s=600) == "watch"
        with GuardianClaim(tmp_path):
            guardian.close()


@pytest.mark.parametrize(
    ("lease", "alive", "epochs", "sight"),
    [
        (None, True, 0, Sight()),
        (LeaseState(990.0, 10.0, boot_id()), True, 0, Sight()),
        (LeaseState(989.0, 10.0, boot_id()), True, 0, Sight(lapsed=True)),
        (LeaseState(989.0, 10.0, boot_id()), True, 1, Sight(lapsed=True, fenced=True)),
        (LeaseState(989.0, 10.0, boot_id(), released=True), True, 0, Sight(released=True)),
        (None, False, 1, Sight(owner="dead")),
    ],
)
def test_what_a_runs_guardian_sees(tmp_path: Path, lease: LeaseState | None, alive: bool, epochs: int, sight: Sight) -> None:
    """The lease by its own clock; a living owner is fenced by a new epoch, a dead one only once its carriers were swept."""
    with Ledger(tmp_path / "ledger.sqlite", wall=lambda: time.time() - 60) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", owner=None if alive else DEAD, run_owned=True)
        if lease is not None:
            (tmp_path / LEASE_FILE).write_text(json.dumps(asdict(lease)))
        guardian = Guardian(ledger, "s", Bench(ledger, FakeWorld(), tmp_path).attach, make, monotonic=lambda: 1000.0)
        for _ in range(epochs):
            ledger.take_over("s")
        seen = guardian.look()
        assert replace(seen, orphaned_for_s=0.0) == sight
        assert seen.orphaned_for_s == pytest.approx(0.0 if alive else 60.0, abs=30)
        if not alive:
            ledger.mark_swept("s")
            assert guardian.look().fenced


def test_a_guardian_finishes_what_its_run_left_and_leaves(bench: Bench) -> None:
    """Its owner released the lease with a fault in place: it is reverted, and the loop ends. Signs of life say when it acts."""
    drive(bench.life().inject("cut", fake()))
    Lease(bench.folder, ttl_s=60).release()
    write_beat(bench.folder, acting=False, first=True)
    acted, release = [], bench.world.release

    async def watched(carrier: Carrier, fault_id: str) -> None:
        acted.append(read_beat(bench.folder))
        await release(carrier, fault_id)

    bench.world.release = watched  # type: ignore[method-assign]
    Guardian(bench.ledger, "s", bench.attach, make, poll_s=0.01).run()
    assert (bench.states(), bench.world.held()) == (["healed"], {})
    last = read_beat(bench.folder)
    assert acted[0] is not None
    assert last is not None
    assert (acted[0].acting, last.acting) == (True, False)


def test_a_guardian_takes_the_stack_of_a_dead_run_down_after_its_grace(bench: Bench) -> None:
    """Before that it takes over, which sweeps; both say whether all is undone."""
    guardian = Guardian(bench.ledger, "s", bench.attach, make)
    drive(bench.life().inject("cut", fake()))
    assert drive(guardian.act("take-over"))
    assert (bench.states(), bench.world.stopped, bench.ledger.stack("s").epoch) == (["healed"], False, 2)
    assert drive(guardian.act("take-down"))
    assert bench.world.stopped
    assert bench.ledger.stacks() == ()


def test_a_ledger_that_cannot_be_read_is_no_reason_to_leave_unless_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may pass; a deleted ledger does not come back."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True)
        guardian = Guardian(ledger, "s", Bench(ledger, FakeWorld(), tmp_path).attach, make)

        def full(stack_id: str) -> None:
            raise LedgerError("the disk is full")

        monkeypatch.setattr(ledger, "stack", full)
        assert guardian.next_action() == "watch"
        path.unlink()
        assert guardian.next_action() == "leave"


@pytest.mark.parametrize(("since_s", "due"), [(HALT_PATIENCE_S - 5, False), (HALT_PATIENCE_S + 5, True)])
def test_a_halted_run_has_its_patience_to_revert_by_itself(bench: Bench, since_s: float, due: bool) -> None:
    """After that its guardian does."""
    drive(bench.life().inject("cut", fake()))
    guardian, began_s = Guardian(bench.ledger, "s", bench.attach, make), time.time()
    bench.ledger.halt = lambda: Halt(began_s - since_s, "")  # type: ignore[method-assign]
    assert bool(guardian.look().unowned) is due


def test_the_command_of_a_guardian_has_defaults_for_all_but_its_stack() -> None:
    """The lease of a run is ten seconds, the grace of its stack ten minutes."""
    options = _parser().parse_args(["--stack", "s"])
    assert (options.stack, options.ledger, options.lease_ttl_s, options.grace_s) == ("s", None, 10.0, GRACE_S)
    told = _parser().parse_args(["--stack", "s", "--ledger", "l", "--lease-ttl-s", "3", "--grace-s", "4", "--make", "a:b"])
    assert (told.ledger, told.lease_ttl_s, told.grace_s, told.make) == (Path("l"), 3.0, 4.0, "a:b")
    assert load_entry(options.make).__name__ == "fault"
    with pytest.raises(SystemExit):
        _parser().parse_args([])
