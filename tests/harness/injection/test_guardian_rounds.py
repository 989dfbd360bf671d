"""The guardian's process seen from inside: how often it looks, when it gives a sign of life, and when it stays at all."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.injection import guardian
from brownout.harness.injection.guardian import BEAT_S, GRACE_S, POLL_S, RETRY_MAX_S, Action, Guardian, main
from brownout.harness.injection.guardian_start import GUARDIAN_LOCK, LOOK_NOW, READY_FILE, is_watched, lock_of
from brownout.harness.injection.lease import Lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.recovery import attach_world
from support.fake_world import FileWorld, drive, make, unreachable
from support.lifecycle_bench import Bench, fake


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """A guardian ignores Ctrl-C and waits for LOOK_NOW; this process goes on with what it had."""
    before, blocked = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.signal(signal.SIGINT, before)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class Clock:
    """A clock that moves when it is waited by, and notes what is written as a sign of life at which of its times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.beats = 1000.0, list[tuple[float, bool]]()
        monkeypatch.setattr(guardian, "time", self)
        monkeypatch.setattr(signal, "sigtimedwait", self.wait)
        monkeypatch.setattr(guardian, "write_beat", self.write_beat)

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, signals: set[signal.Signals], seconds: float) -> None:
        assert signals == {LOOK_NOW}
        self.now_s += seconds

    def time(self) -> float:
        return time.time()

    def write_beat(self, folder: Path, *, acting: bool, first: bool = False) -> None:
        self.beats.append((self.now_s - 1000.0, acting))


def test_a_guardian_gives_signs_of_life_however_long_it_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second apart, or a little more from one round to the next: it is not taken for a frozen one meanwhile."""
    clock = Clock(monkeypatch)
    watching = Guardian(bench.ledger, "s", bench.attach, make, poll_s=3.5)
    watching._rest()
    assert clock.beats == [(0.0, False), (1.0, False), (2.0, False), (3.0, False)]
    assert (clock.now_s, BEAT_S) == (1003.5, 1.0)
    watching._rest()
    assert clock.beats[4:] == [(4.5, False), (5.5, False), (6.5, False)]


def test_a_guardian_says_when_it_begins_to_act_and_right_after(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it waits the usual time, and twice as long after each act that failed."""
    clock = Clock(monkeypatch)
    drive(bench.life().inject("cut", fake()))
    bench.world.broken["release node:a"] = unreachable()
    watching = Guardian(bench.ledger, "s", bench.attach, make, poll_s=0.25)
    actions: Iterator[Action] = iter(("watch", "take-over", "take-over", "take-over", "leave"))

    def next_action() -> Action:
        return next(actions)

    def act(action: Action) -> Any:
        clock.now_s += 0.0625  # less than a second: the sign after it is for the act's end
        if sum(acting for _, acting in clock.beats) == 3:
            bench.world.broken.clear()
        return Guardian.act(watching, action)

    monkeypatch.setattr(watching, "next_action", next_action)
    monkeypatch.setattr(watching, "act", act)
    watching.run()
    assert clock.beats == [
        (0.0, False),
        (0.25, True), (0.3125, False),
        (0.8125, True), (0.875, False),
        (1.875, True), (1.9375, False),
    ]  # fmt: skip
    assert clock.now_s == 1002.1875
    assert bench.states() == ["healed"]


def test_a_guardian_that_is_told_to_looks_at_once(bench: Bench) -> None:
    """So the end of a stack does not wait for the rest of a second; the signal stays until it is waited for."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {LOOK_NOW})
    signal.pthread_kill(threading.get_ident(), LOOK_NOW)
    began_s = time.monotonic()
    Guardian(bench.ledger, "s", bench.attach, make, poll_s=20.0)._rest()
    assert time.monotonic() - began_s < 10
    assert LOOK_NOW not in signal.sigpending()


@pytest.mark.parametrize(("last_s", "next_s"), [(0.2, 0.4), (14.0, 28.0), (15.0, 30.0), (16.0, 30.0), (30.0, 30.0)])
def test_the_wait_doubles_up_to_half_a_minute(bench: Bench, last_s: float, next_s: float) -> None:
    """So a stack that cannot be undone is not asked all the time, and one that can be again is undone soon."""
    watching = Guardian(bench.ledger, "s", bench.attach, make, poll_s=last_s)
    assert (watching._after(done=False), RETRY_MAX_S) == (next_s, 30.0)
    assert watching._after(done=True) == last_s


def test_a_ledger_that_is_gone_is_a_reason_to_leave_and_a_busy_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guardian that gave up for a full disk would protect nothing."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True)
        watching = Guardian(ledger, "s", attach_world, make)

        def look() -> None:
            raise guardian.LedgerError("it is busy")

        monkeypatch.setattr(watching, "look", look)
        assert watching.next_action() == "watch"
        monkeypatch.setattr(ledger, "path", tmp_path / "gone.sqlite")
        assert watching.next_action() == "leave"


class Begun:
    """Stands for a guardian that is made by `main`, and leaves at once."""

    made: list[tuple[str, float, float]]

    def __init__(self, ledger: Ledger, stack_id: str, attach: Any, rebuild: Any, *, poll_s: float, grace_s: float) -> None:
        assert (attach, rebuild) == (attach_world, make)
        self.made.append((stack_id, poll_s, grace_s))

    def run(self) -> None:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "Ctrl-C is meant for the guarded process"
        assert LOOK_NOW in signal.pthread_sigmask(signal.SIG_BLOCK, ()), "it would end this process"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, float]]:
    Begun.made = []
    monkeypatch.setattr(guardian, "Guardian", Begun)
    return Begun.made


def arguments(folder: Path, *more: str, run_owned: bool = True) -> list[str]:
    path = folder / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=folder, world="file", run_owned=run_owned)
    return ["--stack", "s", "--ledger", str(path), "--make", "support.fake_world:make", *more]


@pytest.mark.parametrize(("ttl_s", "poll_s"), [("0.06", 0.02), ("0.6", 0.1), ("3", 0.5), ("6", 1.0), ("60", 1.0)])
def test_a_guardian_looks_six_times_in_a_lease(
    tmp_path: Path, begun: list[tuple[str, float, float]], ttl_s: str, poll_s: float
) -> None:
    """At least once a second, and not all the time."""
    main(arguments(tmp_path, "--lease-ttl-s", ttl_s, "--grace-s", "7"))
    assert begun == [("s", pytest.approx(poll_s), 7.0)]
    beat = json.loads((tmp_path / READY_FILE).read_text())
    assert (beat["pid"], beat["acting"]) == (os.getpid(), False)


def test_a_guardian_is_run_as_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m` with its arguments begins one, which reverts what a run that ended in order has left, and leaves."""
    told = arguments(tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        bench = Bench(ledger, FileWorld(tmp_path), tmp_path)
        drive(bench.life().inject("cut", fake()))
        Lease(tmp_path, ttl_s=600.0).release()
        monkeypatch.setattr(sys, "argv", ["guardian", *told, "--lease-ttl-s", "0.06"])
        monkeypatch.delitem(sys.modules, guardian.__name__)  # it is read anew, as the program
        runpy.run_module(guardian.__name__, run_name="__main__")
        assert bench.states() == ["healed"]
        assert FileWorld(tmp_path).held() == {}


def test_without_a_word_a_guardian_has_the_usual_lease_and_grace(tmp_path: Path, begun: list[tuple[str, float, float]]) -> None:
    """Ten seconds, looked at each second at most; ten minutes until a dead run's stack goes."""
    main(arguments(tmp_path))
    assert begun == [("s", 1.0, GRACE_S)]
    assert GRACE_S == 600.0


@pytest.mark.parametrize(("forked", "stays"), [(0, True), (4711, False)])
def test_of_a_standing_stacks_guardian_the_child_stays(
    tmp_path: Path, begun: list[tuple[str, float, float]], monkeypatch: pytest.MonkeyPatch, forked: int, stays: bool
) -> None:
    """The parent returns at once, which tells the starter that a guardian watches."""
    monkeypatch.setattr(os, "fork", lambda: forked)
    main(arguments(tmp_path, run_owned=False))
    assert begun == ([("s", POLL_S, GRACE_S)] if stays else [])


def test_a_standing_stack_gets_no_second_guardian(
    tmp_path: Path, begun: list[tuple[str, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the first is held, so the second returns without a fork."""
    monkeypatch.setattr("brownout.harness.injection.guardian_start.LATE_S", 0.0)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it went on"))
    told = arguments(tmp_path, run_owned=False)
    with lock_of(tmp_path, GUARDIAN_LOCK) as lock:
        assert lock.take()
        main(told)
    assert begun == []


def test_commands_that_look_for_a_guardian_at_once_do_not_take_each_other_for_one(tmp_path: Path) -> None:
    """A looking command shares the lock; the guardian alone holds it for itself."""
    with lock_of(tmp_path, GUARDIAN_LOCK) as looking:
        assert looking.take(shared=True)
        assert not is_watched(tmp_path)
    with lock_of(tmp_path, GUARDIAN_LOCK) as guarding:
        assert guarding.take()
        assert is_watched(tmp_path)
