"""Leases that lapse, are kept and are released."""

from __future__ import annotations

import shutil
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
        shutil.rmtree(folder)
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
