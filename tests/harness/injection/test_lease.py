"""Leases that lapse, are kept and are released."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from brownout.harness.base.processes import boot_id
from brownout.harness.base.statedir import ledger_path, stack_dir, state_dir, tools_dir
from brownout.harness.injection.lease import LEASE_FILE, Lease, LeaseRenewer, LeaseState, asleep_s, read_lease
from brownout.harness.injection.ledger import Fenced


@pytest.mark.parametrize(
    ("state", "lapsed"),
    [
        (LeaseState(100.0, 5.0, boot_id()), False),
        (LeaseState(94.0, 5.0, boot_id()), True),
        (LeaseState(100.0, 5.0, "an earlier boot"), True),
        (LeaseState(0.0, 5.0, boot_id(), released=True), False),
    ],
)
def test_when_a_lease_lapses(state: LeaseState, lapsed: bool) -> None:
    """A lease lapses when it was not renewed in its time or in this boot, and never once it was released."""
    assert state.lapsed(101.0) is lapsed


def test_a_lease_is_renewed_until_its_owner_stops(tmp_path: Path) -> None:
    """A renewed lease does not lapse for many lives of it; when renewing stops it is released."""
    with LeaseRenewer(Lease(tmp_path, ttl_s=0.3)) as renewer:
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            held = read_lease(tmp_path)
            assert held is not None
            assert not held.lapsed()
            time.sleep(0.02)
        assert renewer.problem == ""
    ended = read_lease(tmp_path)
    assert ended is not None
    assert ended.released
    renewer.stop()


def test_a_lease_that_cannot_be_renewed_is_told(tmp_path: Path) -> None:
    """When the lease's folder is removed, the renewer reports the problem and ends without an exception."""
    folder = tmp_path / "stack"
    folder.mkdir()
    with LeaseRenewer(Lease(folder, ttl_s=0.06)) as renewer:
        folder.rename(tmp_path / "gone")  # at once: a renewal writes to it while a removal goes through it
        end_s = time.monotonic() + 5
        while not renewer.problem and time.monotonic() < end_s:
            time.sleep(0.01)
        assert "could not be renewed" in renewer.problem


def test_no_lease_is_none(tmp_path: Path) -> None:
    """A stack that never had a lease has none."""
    assert read_lease(tmp_path) is None


def test_a_lease_with_a_number_that_is_no_time_has_lapsed(tmp_path: Path) -> None:
    """However the file came to have it."""
    content = f'{{"renewed_s": {10**400}, "ttl_s": 1, "boot": "{boot_id()}"}}'
    (tmp_path / LEASE_FILE).write_text(content, encoding="utf-8")
    lease = read_lease(tmp_path)
    assert lease is not None
    assert lease.lapsed()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"renewed_s": 1}'])
def test_a_lease_that_cannot_be_read_has_lapsed(tmp_path: Path, content: str) -> None:
    """Renewals are not synced, so a power cut can leave an empty file behind; its run is over."""
    (tmp_path / LEASE_FILE).write_text(content)
    lease = read_lease(tmp_path)
    assert lease is not None
    assert lease.lapsed()


def test_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BROWNOUT_HOME decides where everything lives, and what is made there is the owner's alone."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    assert state_dir() == tmp_path / "home"
    assert ledger_path().parent == state_dir()
    for folder in (state_dir(), stack_dir("s"), tools_dir()):
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0


def test_the_default_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without BROWNOUT_HOME the platform's state folder is used."""
    monkeypatch.delenv("BROWNOUT_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "brownout" in str(state_dir())
    assert tmp_path in state_dir().parents


class Clock:
    """A monotonic clock that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_lease_that_was_not_renewed_in_time_is_lost_for_good(tmp_path: Path) -> None:
    """A process that was paused says for how long, refuses every change, and does not renew when it wakes."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    renewer.start()
    renewer.check()
    clock.now_s += 9.0
    with pytest.raises(Fenced, match=r"paused for 9\.\d s .* UTC\), longer than its lease of 6 s"):
        renewer.check()
    renewer._thread.join(timeout=5)
    assert not renewer._thread.is_alive()
    lease = read_lease(tmp_path)
    assert lease is not None
    assert lease.renewed_s == 1000.0
    clock.now_s -= 8.0
    assert renewer.is_lost()


def test_a_machine_that_slept_is_told(tmp_path: Path) -> None:
    """Its monotonic clock slept with it, so no lease lapses."""
    slept = [0.0]
    with LeaseRenewer(Lease(tmp_path, ttl_s=0.6), slept_s=lambda: slept[0]) as renewer:
        slept[0] = 30.0
        end_s = time.monotonic() + 5
        while not renewer.slept and time.monotonic() < end_s:
            time.sleep(0.01)
        assert renewer.slept[0].startswith("the machine slept for 30 s until ")
        assert not renewer.is_lost()
    assert asleep_s() >= 0


class Waits:
    """Stands for the renewer's event: each wait moves the clock on by as long, and the last one ends the loop."""

    def __init__(self, clock: Clock, times: int, pause_s: float = 0.0) -> None:
        self.clock, self.left, self.pause_s, self.waited_s = clock, times, pause_s, list[float]()

    def wait(self, timeout_s: float) -> bool:
        self.waited_s.append(timeout_s)
        self.clock.now_s += timeout_s + (self.pause_s if self.left == 1 else 0.0)
        self.left -= 1
        return self.left < 0


def renewals(tmp_path: Path, renewer: LeaseRenewer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Runs the renewer's loop on its clock; when it wrote the lease."""
    written: list[float] = []
    renew = renewer.lease.renew

    def noted() -> float:
        written.append(renew())
        return written[-1]

    monkeypatch.setattr(renewer.lease, "renew", noted)
    renewer._renew_often()
    return written


@pytest.mark.parametrize(("ttl_s", "tick_s"), [(6.0, 0.25), (1.2, 0.1)])
def test_a_lease_is_renewed_every_third_of_its_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ttl_s: float, tick_s: float
) -> None:
    """Looked at every TICK_S, or a twelfth of a short one's life; a pause that is shorter than the lease loses nothing."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=ttl_s, monotonic=clock))
    renewer._done = waits = Waits(clock, 60, pause_s=ttl_s * 0.6)  # type: ignore[assignment]  # the loop only waits on it
    began_s, written = clock.now_s, renewals(tmp_path, renewer, monkeypatch)
    assert waits.waited_s == pytest.approx([tick_s] * 61)
    gaps = [after - before for before, after in zip([began_s, *written], written, strict=False)]
    assert gaps[:-1] == pytest.approx(
        [max(ttl_s / 3, 8 * tick_s if ttl_s == 6.0 else 4 * tick_s)] * len(gaps[:-1]), abs=1.01 * tick_s
    )
    assert min(gaps) >= ttl_s / 3 - 1e-6
    assert (renewer.lost, renewer.is_lost()) == ("", False)


def test_a_third_of_a_lease_is_enough_to_renew_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At exactly a third, which the eighth look meets: not a look later."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    renewer._done = Waits(clock, 24)  # type: ignore[assignment]  # of an event it waits for this alone
    assert renewals(tmp_path, renewer, monkeypatch) == [1002.0, 1004.0, 1006.0]


@pytest.mark.parametrize(("age_s", "lost"), [(6.0, False), (6.25, True)])
def test_a_lease_lasts_to_the_end_of_its_time(tmp_path: Path, age_s: float, lost: bool) -> None:
    """To its owner and to its readers alike: who takes over a moment before the owner stops would fight it."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    renewer.renew()
    clock.now_s += age_s
    read = read_lease(tmp_path)
    assert read is not None
    assert (renewer.is_lost(), read.lapsed(clock())) == (lost, lost)


def test_a_lost_lease_is_not_renewed_by_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop ends at the first look after a pause that outlasted it, and the reason is kept."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    renewer._done = waits = Waits(clock, 1, pause_s=7.0)  # type: ignore[assignment]
    assert renewals(tmp_path, renewer, monkeypatch) == []
    assert len(waits.waited_s) == 1
    assert renewer.lost.startswith("this process was paused for 7.2 s (")
    clock.now_s -= 7.0
    assert renewer.is_lost()


def test_a_lease_that_ran_out_beside_a_running_process_was_not_paused(tmp_path: Path) -> None:
    """Its loop ran a moment ago and could not write: the disk is named and no pause."""
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    clock.now_s += 6.5
    renewer._ran_s = clock.now_s - 2.9
    renewer.problem = "the lease could not be renewed: no space"
    assert renewer.is_lost()
    assert renewer.lost == "the lease could not be renewed: no space, for longer than its lease of 6 s lasts"
    quiet = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock))
    clock.now_s += 6.5
    quiet._ran_s = clock.now_s - 2.9
    assert quiet.is_lost()
    assert quiet.lost.startswith("the lease could not be renewed in time, for longer")


def test_a_renewal_that_works_again_clears_the_problem(tmp_path: Path) -> None:
    """A full disk may pass; the lease counts from when it was written."""
    clock, folder = Clock(), tmp_path / "stack"
    renewer = LeaseRenewer(Lease(folder, ttl_s=6.0, monotonic=clock))
    renewer.renew()
    assert "could not be renewed" in renewer.problem
    folder.mkdir()
    clock.now_s += 5.0
    renewer.renew()
    clock.now_s += 5.0
    assert (renewer.problem, renewer.is_lost()) == ("", False)
    held = read_lease(folder)
    assert held is not None
    assert (held.renewed_s, held.ttl_s, held.released) == (1005.0, 6.0, False)


@pytest.mark.parametrize(("slept_s", "told"), [(0.5, 0), (0.6, 1)])
def test_a_machine_that_slept_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept_s: float, told: int) -> None:
    """From half a second on: less is how exactly two clocks are read."""
    asleep = iter([10.0, 10.0, 10.0 + slept_s, 10.0 + slept_s])
    clock = Clock()
    renewer = LeaseRenewer(Lease(tmp_path, ttl_s=6.0, monotonic=clock), slept_s=lambda: next(asleep))
    renewer._done = Waits(clock, 3)  # type: ignore[assignment]  # of an event it waits for this alone
    renewals(tmp_path, renewer, monkeypatch)
    assert len(renewer.slept) == told
    assert all(text.startswith("the machine slept for 1 s until ") for text in renewer.slept)


def test_a_process_that_ends_without_a_word_is_not_kept_alive_by_its_lease(tmp_path: Path) -> None:
    """Its lease lapses then, and the guardian reverts what it has left."""
    program = (
        "import sys; from pathlib import Path; from brownout.harness.injection.lease import Lease, LeaseRenewer;"
        "LeaseRenewer(Lease(Path(sys.argv[1]), ttl_s=600.0)).start()"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=30, check=False)
    left = read_lease(tmp_path)
    assert (ended.returncode, left is not None and left.released) == (0, False)
    assert LeaseRenewer(Lease(tmp_path, ttl_s=600.0))._thread.daemon, "as in that process"


def test_a_renewer_that_never_began_gives_its_lease_back_too(tmp_path: Path) -> None:
    """What failed before it began is ended by the same call."""
    LeaseRenewer(Lease(tmp_path, ttl_s=600.0)).stop()
    left = read_lease(tmp_path)
    assert left is not None
    assert left.released


def test_the_last_word_of_a_lease_is_its_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that is under way when the owner ends has been written by then: after it the lease would seem to be held."""
    lease, entered, proceed = Lease(tmp_path, ttl_s=0.06), threading.Event(), threading.Event()
    renewer = LeaseRenewer(lease)
    renewer.start()
    renew = lease.renew

    def slow() -> float:
        entered.set()
        proceed.wait(10)
        return renew()

    monkeypatch.setattr(lease, "renew", slow)
    assert entered.wait(10)
    threading.Timer(0.1, proceed.set).start()
    renewer.stop()
    renewer._thread.join(10)
    left = read_lease(tmp_path)
    assert left is not None
    assert left.released


def test_where_the_system_does_not_say_how_long_it_slept_it_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on other systems than Linux."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert asleep_s() == 0.0
