"""A run's guardian that dies or freezes is replaced; where that fails, the run is not protected."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection import guardian_start
from brownout.harness.injection.guardian import _parser
from brownout.harness.injection.guardian_keeper import READY_WITHIN_S, RESTARTS, GuardianKeeper
from brownout.harness.injection.guardian_start import (
    ACT_PATIENCE_S,
    BEAT_PATIENCE_S,
    CLAIMS_LOCK,
    GUARDIAN_LOCK,
    LATE_S,
    LOG_FILE,
    READY_FILE,
    READY_TIMEOUT_S,
    GuardianClaim,
    GuardianHandle,
    is_watched,
    lock_of,
    read_beat,
    start_guardian,
    take_guardian_lock,
)
from brownout.harness.injection.ledger import Ledger

PROGRAM = """
import pathlib, sys, time
from brownout.harness.injection.guardian_start import write_beat
folder = pathlib.Path(sys.argv[1])
write_beat(folder, acting=False, first=True)
while True:
    time.sleep(0.02)
    write_beat(folder, acting=False)
"""


class Bench:
    """Starts processes that give signs of life as guardians do, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        self.broken = False

    def start(self) -> GuardianHandle:
        program = "raise SystemExit(3)" if self.broken else PROGRAM
        self.started.append(subprocess.Popen([sys.executable, "-c", program, str(self.folder)]))
        return GuardianHandle(self.started[-1], self.folder)

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def guardians(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    made.end()


def until_ready(keeper: GuardianKeeper, guardians: Bench) -> None:
    GuardianHandle(guardians.started[-1], guardians.folder).wait_ready()
    assert keeper.problem() == ""


def test_a_guardian_that_was_killed_is_replaced(guardians: Bench) -> None:
    """The run goes on, and how the guardian ended is kept."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    assert keeper.problem() == ""
    guardians.started[0].kill()
    guardians.started[0].wait()
    assert keeper.problem() == ""
    until_ready(keeper, guardians)
    assert len(guardians.started) == 2
    assert keeper.replaced[0].startswith("the guardian ended (signal SIGKILL) at ")


def test_a_guardian_that_is_frozen_is_replaced(guardians: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its signs of life stop; it is killed, so that it does nothing when it would wake."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    os.kill(guardians.started[0].pid, signal.SIGSTOP)
    monkeypatch.setattr(guardian_start, "BEAT_PATIENCE_S", -1.0)
    assert keeper.problem() == ""
    monkeypatch.undo()
    assert guardians.started[0].poll() == -signal.SIGKILL
    assert "has not moved for" in keeper.replaced[0]
    until_ready(keeper, guardians)


def test_guardians_that_keep_dying_are_a_problem(guardians: Bench) -> None:
    """After some replacements the run is told that nobody guards it."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    guardians.broken = True
    guardians.started[0].kill()
    guardians.started[0].wait()
    for _ in range(RESTARTS):
        assert keeper.problem() == ""
        guardians.started[-1].wait()
    assert keeper.problem() == f"the guardian ended (exit code 3), as {RESTARTS} others before it"


def test_a_frozen_guardian_does_not_watch_a_standing_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still holds its lock; without signs of life it does not count."""
    held = take_guardian_lock(tmp_path)
    assert held is not None
    assert is_watched(tmp_path)  # one of an earlier version gives no sign
    guardian_start.write_beat(tmp_path, acting=False, first=True)
    assert is_watched(tmp_path)
    monkeypatch.setattr(guardian_start, "BEAT_PATIENCE_S", -1.0)
    assert not is_watched(tmp_path)
    guardian_start.write_beat(tmp_path, acting=True)
    assert is_watched(tmp_path)  # undoing faults takes a while
    held.close()


def test_a_sign_of_life_makes_no_file_in_a_folder_that_was_emptied(tmp_path: Path) -> None:
    """Only the first makes it: a stack may be taken away under its guardian."""
    guardian_start.write_beat(tmp_path, acting=False)
    assert not (tmp_path / READY_FILE).exists()
    assert read_beat(tmp_path) is None


class Told(subprocess.Popen):  # type: ignore[type-arg]
    """A process whose end is told to it; nothing runs."""

    def __init__(self, code: int | None = None, pid: int = 4_000_000) -> None:
        self.code, self.pid, self.killed, self.waits = code, pid, 0, list[float | None]()
        self.returncode = 0

    def __del__(self) -> None:
        """Nothing is left behind."""

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.killed += 1

    def wait(self, timeout: float | None = None) -> int:
        self.waits.append(timeout)
        if self.code is None and not self.killed:
            raise subprocess.TimeoutExpired("guardian", timeout or 0.0)
        return self.code or 0


def beat(folder: Path, pid: int, age_s: float, *, acting: bool = False) -> None:
    told = {"pid": pid, "started": "then", "at_s": time.monotonic() - age_s, "acting": acting}
    (folder / READY_FILE).write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("age_s", "acting", "late"),
    [
        (BEAT_PATIENCE_S - 1, False, False),
        (BEAT_PATIENCE_S + 1, False, True),
        (ACT_PATIENCE_S - 1, True, False),
        (ACT_PATIENCE_S + 1, True, True),
    ],
)
def test_a_guardian_that_gives_no_sign_for_too_long_does_not_watch(
    tmp_path: Path, age_s: float, acting: bool, late: bool
) -> None:
    """Longer while it acts; a sign of another process is none of its."""
    handle = GuardianHandle(Told(), tmp_path)
    assert (handle.problem(), handle.is_ready()) == ("", False)
    beat(tmp_path, handle.pid, age_s, acting=acting)
    assert handle.problem() == (f"the guardian has not moved for {age_s:.0f} s" if late else "")
    assert handle.is_ready()
    beat(tmp_path, handle.pid + 1, age_s, acting=acting)
    assert (handle.problem(), handle.is_ready()) == ("", False)


@pytest.mark.parametrize(("code", "text"), [(-9, "signal SIGKILL"), (0, "exit code 0"), (3, "exit code 3")])
def test_how_a_guardian_ended_is_told(tmp_path: Path, code: int, text: str) -> None:
    """By the signal's name or its exit code."""
    handle = GuardianHandle(Told(code), tmp_path)
    assert (handle.problem(), handle.alive()) == (f"the guardian ended ({text})", False)
    assert GuardianHandle(Told(), tmp_path).alive()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": "", "at_s": "x", "acting": true}',
     '{"pid": "1", "started": "", "at_s": 1.0, "acting": true}',
     f'{{"pid": 1, "started": "", "at_s": {10**400}, "acting": true}}'],
)  # fmt: skip
def test_a_sign_of_life_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    """It may be half written."""
    (tmp_path / READY_FILE).write_text(content)
    assert read_beat(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "is_ready"),
    [
        (None, False),
        ("", False),
        ("[]", False),
        ("{}", False),
        ('{"pid": "x"}', False),
        ('{"pid": 2}', False),
        ('{"pid": 1}', True),
    ],
)
def test_a_guardian_is_ready_once_it_has_written_its_own_sign(tmp_path: Path, content: str | None, is_ready: bool) -> None:
    """A file that is not there, half written or of another process says nothing of it."""
    if content is not None:
        (tmp_path / READY_FILE).write_text(content)
    assert GuardianHandle(Told(pid=1), tmp_path).is_ready() is is_ready


@pytest.mark.parametrize(("code", "timeout_s"), [(3, 60.0), (None, 0.05)])
def test_a_guardian_that_is_not_ready_in_time_is_ended(tmp_path: Path, code: int | None, timeout_s: float) -> None:
    """At once when it has ended by itself; its log is named."""
    told, began_s = Told(code), time.monotonic()
    with pytest.raises(WorldError, match="the guardian did not start") as caught:
        GuardianHandle(told, tmp_path).wait_ready(timeout_s)
    assert caught.value.hint == f"see {tmp_path / LOG_FILE}"
    assert (told.killed, told.waits) == (1, [None])
    assert (time.monotonic() - began_s < 30) is True
    beat(tmp_path, told.pid, 0.0)
    GuardianHandle(Told(code), tmp_path).wait_ready(0.0)


def test_a_guardian_leaves_with_its_code_or_is_told(tmp_path: Path) -> None:
    """It has the time that is given, ten seconds by default."""
    ended = Told(3)
    assert GuardianHandle(ended, tmp_path).wait() == 3
    assert ended.waits == [10.0]
    with pytest.raises(WorldError, match="the guardian does not leave") as caught:
        GuardianHandle(Told(), tmp_path).wait(2.0)
    assert str(tmp_path / LOG_FILE) in caught.value.hint


def test_the_keeper_waits_for_the_guardian_and_ends_a_frozen_one(tmp_path: Path) -> None:
    """One that moves is waited for; one that does not would never leave. Without one there is nothing to wait for."""
    GuardianKeeper(lambda: GuardianHandle(Told(), tmp_path)).wait()
    for age_s, killed in ((0.0, 0), (BEAT_PATIENCE_S + 60, 1)):
        told = Told()
        beat(tmp_path, told.pid, 0.0)
        keeper = GuardianKeeper(lambda told=told: GuardianHandle(told, tmp_path))
        keeper.start()
        beat(tmp_path, told.pid, age_s)
        if killed:
            keeper.wait()
        else:
            with pytest.raises(WorldError, match="does not leave"):
                keeper.wait()
        assert told.killed == killed


@pytest.mark.parametrize(
    ("late_s", "problem"),
    [
        (READY_WITHIN_S - 1, ""),
        (READY_WITHIN_S, ""),
        (READY_WITHIN_S + 1, "the guardian that was to take the place of another did not start"),
    ],
)
def test_a_replacement_has_some_seconds_to_be_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_s: float, problem: str
) -> None:
    """Until then the run goes on; once it is ready it may be quiet for as long as any."""
    first, second = Told(), Told(pid=4_000_001)
    started = iter([first, second])
    keeper = GuardianKeeper(lambda: GuardianHandle(next(started), tmp_path))
    assert keeper.problem() == "no guardian was started"
    beat(tmp_path, first.pid, 0.0)
    keeper.start()
    first.code = -9
    now_s = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: now_s)
        assert (keeper.problem(), len(keeper.replaced), first.killed) == ("", 1, 1)
        patched.setattr(time, "monotonic", lambda: now_s + late_s)
        assert keeper.problem() == problem
    beat(tmp_path, second.pid, 0.0)
    assert keeper.problem() == ""
    monkeypatch.setattr(time, "monotonic", lambda: now_s + BEAT_PATIENCE_S - 1)
    assert keeper.problem() == ""


def test_a_guardian_is_started_with_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack, the ledger, the life of the lease and the grace; in a session of its own, printing into the stack's folder."""
    asked: list[tuple[list[str], dict[str, object]]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **rest: asked.append((command, rest)))
    path, folder = tmp_path / "ledger.sqlite", tmp_path / "stack"
    folder.mkdir()
    with Ledger(path) as ledger:
        ledger.add_stack("s", folder=folder, world="file", run_owned=True)
    handle = start_guardian("s", 3.0, ledger=path, make="a:b", grace_s=4.0)
    ((command, rest),) = asked
    told = ["--stack", "s", "--ledger", str(path), "--make", "a:b", "--lease-ttl-s", "3.0", "--grace-s", "4.0"]
    assert command == [sys.executable, "-P", "-m", "brownout.harness.injection.guardian", *told]
    assert (rest["start_new_session"], rest["stdin"], handle.folder) == (True, subprocess.DEVNULL, folder)
    assert (folder / LOG_FILE).exists()
    options = _parser().parse_args(command[4:])
    assert (options.stack, options.ledger, options.make, options.lease_ttl_s, options.grace_s) == ("s", path, "a:b", 3.0, 4.0)


def test_a_claim_is_shared_and_ends_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many commands may claim a guardian at once, and it may not leave meanwhile; one that keeps the lock is told."""
    with GuardianClaim(tmp_path) as one, GuardianClaim(tmp_path):
        assert isinstance(one, GuardianClaim)
        assert not lock_of(tmp_path, CLAIMS_LOCK).take()
    leaving = lock_of(tmp_path, CLAIMS_LOCK)
    assert leaving.take()
    monkeypatch.setattr(guardian_start, "CLAIM_TIMEOUT_S", 0.05)
    with pytest.raises(WorldError, match=r"has not left after 0\.05 s; it may be stopped") as caught, GuardianClaim(tmp_path):
        pytest.fail("nobody may inject now")
    assert str(tmp_path / LOG_FILE) in caught.value.hint
    leaving.close()
    with pytest.raises(StackGone):
        GuardianClaim(tmp_path / "none")


def test_one_guardian_has_the_lock_and_a_look_does_not_keep_another_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A looking command shares the lock for a moment; a second guardian is told at once that there is one."""
    assert not is_watched(tmp_path)
    looking = lock_of(tmp_path, GUARDIAN_LOCK)
    assert looking.take(shared=True)
    monkeypatch.setattr(time, "sleep", lambda s: looking.close())
    first = take_guardian_lock(tmp_path)
    assert first is not None
    began_s = time.monotonic()
    assert take_guardian_lock(tmp_path) is None
    assert time.monotonic() - began_s < LATE_S
    assert is_watched(tmp_path)
    first.close()
    assert not is_watched(tmp_path)


@pytest.mark.parametrize("watched", [True, False])
def test_a_standing_stack_that_is_watched_gets_no_other_guardian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """One that is not gets one, with the ledger and what rebuilds its faults."""
    started: list[list[str]] = []
    asked: list[dict[str, object]] = []

    def start(command: list[str], **options: object) -> None:
        started.append(command)
        asked.append(options)

    monkeypatch.setattr(guardian_start, "is_watched", lambda folder: watched)
    monkeypatch.setattr(guardian_start.subprocess, "run", start)
    with Ledger(":memory:") as ledger:
        stack = ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
    guardian_start.ensure_guardian(stack, tmp_path / "ledger.sqlite", make="a:b")
    wanted = ["--stack", "s", "--ledger", str(tmp_path / "ledger.sqlite"), "--make", "a:b"]
    assert [command[-6:] for command in started] == ([] if watched else [wanted])
    wanted_of_it = (True, True, subprocess.DEVNULL, READY_TIMEOUT_S)
    told = [tuple(each[name] for name in ("check", "start_new_session", "stdin", "timeout")) for each in asked]
    assert told == ([] if watched else [wanted_of_it])


@pytest.mark.parametrize("error", [subprocess.CalledProcessError(1, "x"), subprocess.TimeoutExpired("x", 1.0)])
def test_a_standing_stacks_guardian_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Nothing is injected then; its log is named."""

    def fail(command: list[str], **_: object) -> None:
        raise error

    monkeypatch.setattr(guardian_start.subprocess, "run", fail)
    with Ledger(":memory:") as ledger:
        stack = ledger.add_stack("s", folder=tmp_path, world="file", run_owned=False)
    with pytest.raises(WorldError, match="the guardian did not start") as caught:
        guardian_start.ensure_guardian(stack, tmp_path / "ledger.sqlite")
    assert str(tmp_path / LOG_FILE) in caught.value.hint


@pytest.mark.parametrize(("late", "ended"), [(True, [4711]), (False, [])])
def test_a_frozen_guardian_is_ended_before_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool, ended: list[int]
) -> None:
    """One that has moved of late may be leaving, and is left alone."""
    killed: list[int] = []
    monkeypatch.setattr(ProcessId, "kill", lambda process: killed.append(process.pid))
    guardian_start._end_frozen_guardian(tmp_path)
    beat(tmp_path, 4711, BEAT_PATIENCE_S + 1 if late else 0.0)
    guardian_start._end_frozen_guardian(tmp_path)
    assert killed == ended


def test_a_new_guardian_tries_for_two_seconds_where_only_looks_keep_it_from_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks follow each other without end; then another process starts one."""
    now_s, tries = 100.0, list[float]()

    class Looked:
        """A lock that is shared by looks whenever it is asked for."""

        def take(self, *, shared: bool = False) -> bool:
            if not shared:
                tries.append(now_s)
            return shared

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    monkeypatch.setattr(guardian_start, "lock_of", lambda folder, name: Looked())
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(time, "sleep", sleep)
    assert take_guardian_lock(tmp_path) is None
    assert tries[-1] - tries[0] == pytest.approx(2.0, abs=0.03)
