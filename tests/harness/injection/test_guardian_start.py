"""The guardian of a standing stack: exactly one watches; whichever process is killed, faults without an owner are reverted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection.guardian import Guardian, decide
from brownout.harness.injection.guardian_start import GuardianClaim, ensure_guardian, is_watched
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.recovery import attach_world, heal_leftovers
from support.brownout_command import eventually
from support.fake_world import drive
from support.places import SUPPORT
from support.stand_ins import ON, Stand, StandInWorld, all_undone, make

pytestmark = pytest.mark.slow

MakeStand = Callable[..., Stand]
GUARDIAN = (sys.executable, "-m", "brownout.harness.injection.guardian")
SOON_S = 20.0  # on a machine with much else to do


class Injecting:
    """`inject` as a process of its own, over a stack that is a file."""

    def __init__(self, stack: Stand, hold: str, *block: str) -> None:
        command = [sys.executable, str(SUPPORT / "stand_ins.py"), stack.id, hold, *block]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(SOON_S)


@pytest.fixture
def start() -> Iterator[Callable[..., Injecting]]:
    begun: list[Injecting] = []

    def begin(*arguments: object) -> Injecting:
        begun.append(Injecting(*arguments))  # type: ignore[arg-type]
        return begun[-1]

    yield begin
    for each in begun:
        with suppress(ProcessLookupError):
            each.process.kill()
        each.process.communicate()


Start = Callable[..., Injecting]


def watch(stack: Stand) -> None:
    ensure_guardian(stack.row(), ledger_path(), make="support.stand_ins:make")


def test_kill_9_in_mid_apply_is_reverted_by_the_guardian(stand: MakeStand, start: Start) -> None:
    """A command that dies with one of two holds in place is healed within a moment, and the guardian then leaves."""
    stack = stand()
    command = start(stack, "60", "block")
    assert command.says() == "half"
    assert set(stack.held()) == {ON[0]}
    command.end(signal.SIGKILL)
    eventually(lambda: stack.held() == {} and stack.states() == ["healed"], SOON_S, what="the guardian reverts")
    eventually(lambda: stack.guardians() == [], SOON_S, what="the guardian leaves")


def test_kill_9_in_mid_hold_is_reverted_by_the_guardian(stand: MakeStand, start: Start) -> None:
    """A fault that was to be held for a minute does not outlive the command that holds it."""
    stack = stand()
    command = start(stack, "60")
    assert command.says() == "bitten"
    command.end(signal.SIGKILL)
    eventually(lambda: stack.held() == {} and stack.states() == ["healed"], SOON_S, what="the guardian reverts")


def test_with_the_guardian_killed_too_the_next_command_heals(stand: MakeStand, start: Start) -> None:
    """After command and guardian are killed, the hold stays until the next command, which finds and reverts it."""
    stack = stand()
    command = start(stack, "60", "block")
    assert command.says() == "half"
    (guardian,) = stack.guardians()
    os.kill(guardian, signal.SIGKILL)
    command.end(signal.SIGKILL)
    assert stack.held() != {}
    (line,) = all_undone()
    assert "healed on stack up-1" in line
    assert stack.held() == {}
    assert all_undone() == ()


def test_a_fault_left_by_hand_outlives_its_command_and_has_one_guardian(stand: MakeStand, start: Start) -> None:
    """Two commands leave a fault each; both stay, watched by the same single guardian."""
    stack = stand()
    first = start(stack, "-")
    assert (first.says(), first.says(), first.process.wait(SOON_S)) == ("bitten", "left", 0)
    second = start(stack, "-", "keep")  # it looked the same before it came
    assert (second.says(), second.process.wait(SOON_S)) == ("left", 0)
    assert stack.states() == ["bitten", "applied"]
    assert {fault.by_hand for fault in stack.faults()} == {True}
    assert len(stack.guardians()) == 1
    assert all_undone() == ()
    assert len(stack.held()[ON[0]]) == 2


def test_past_its_deadline_the_guardian_ends_it(stand: MakeStand, start: Start) -> None:
    """The guardian reverts a fault left by hand once its deadline is over, and then leaves."""
    stack = stand()
    assert start(stack, "-").says() == "bitten"
    eventually(lambda: [fault.by_hand for fault in stack.faults()] == [True], SOON_S, what="it is left in place")
    with Ledger(ledger_path()) as ledger:
        ledger.keep_until(stack.faults()[0].id, time.monotonic() + 0.5, by_hand=True)
    eventually(lambda: stack.states() == ["healed"], SOON_S, what="the guardian ends it")
    eventually(lambda: stack.guardians() == [], SOON_S, what="the guardian leaves")


def test_with_the_guardian_killed_and_the_deadline_over_the_next_command_heals(stand: MakeStand, start: Start) -> None:
    """Before the deadline the next command brings a guardian back; after it, it heals by itself."""
    stack = stand()
    command = start(stack, "-")
    assert [command.says(), command.says()] == ["bitten", "left"]
    for guardian in stack.guardians():
        os.kill(guardian, signal.SIGKILL)
    eventually(lambda: not is_watched(stack.folder), SOON_S, what="nobody watches")
    assert all_undone() == ()
    assert is_watched(stack.folder)
    (guardian,) = stack.guardians()
    os.kill(guardian, signal.SIGKILL)
    eventually(lambda: not is_watched(stack.folder), SOON_S, what="nobody watches")
    with Ledger(ledger_path()) as ledger:
        ledger.keep_until(stack.faults()[0].id, time.monotonic() - 1, by_hand=True)
        (healed,) = drive(heal_leftovers(ledger, attach_world, make))
    assert healed.healed == (stack.faults()[0].id,)
    assert stack.held() == {}


def test_of_many_that_want_a_guardian_one_gets_it_started(stand: MakeStand) -> None:
    """Several requests for a guardian, also at the same time, start one only; it stays while a claim is held."""
    stack = stand()
    command = (*GUARDIAN, "--stack", stack.id, "--ledger", ledger_path())
    with GuardianClaim(stack.folder), ExitStack() as begun:  # also what is late has ended before the next test begins
        commands = [begun.enter_context(subprocess.Popen(command)) for _ in range(3)]
        watch(stack)
        watch(stack)
        assert [one.wait(SOON_S) for one in commands] == [0, 0, 0]
        assert len(stack.guardians()) == 1
    eventually(lambda: stack.guardians() == [], SOON_S, what="nobody needs it any more")


def test_a_claim_waits_for_a_guardian_that_is_leaving(stand: MakeStand) -> None:
    """A claim waits until a leaving guardian has exited, so that no command relies on it."""
    stack = stand()
    with Ledger(ledger_path()) as ledger:
        guardian = Guardian(ledger, stack.id, attach_world, make)
        with GuardianClaim(stack.folder):
            assert decide(guardian.look(), grace_s=600) == "watch"
        assert decide(guardian.look(), grace_s=600) == "leave"
        newcomer = FileLock(stack.folder / "claims.lock")
        assert not newcomer.take(shared=True)
        guardian.close()
        assert newcomer.take(shared=True)
        newcomer.close()


def test_a_guardian_leaves_a_stack_that_was_taken_down(stand: MakeStand) -> None:
    """When the stack's folder is gone, the guardian closes the stack and exits, and a claim raises StackGone."""
    stack = stand()
    with Ledger(ledger_path()) as ledger:
        guardian = Guardian(ledger, stack.id, attach_world, make)
        for entry in stack.row().folder.iterdir():
            entry.unlink()
        stack.row().folder.rmdir()
        assert decide(guardian.look(), grace_s=600) == "leave"
        assert ledger.stack(stack.id).closed
        with pytest.raises(StackGone):
            GuardianClaim(ledger.stack(stack.id).folder)
        guardian.close()


def test_a_guardian_that_cannot_start_is_told(stand: MakeStand) -> None:
    """Without a guardian nothing is injected: the command gets a WorldError that points at the guardian's log."""
    stack = stand()
    with GuardianClaim(stack.folder), pytest.raises(WorldError, match="did not start") as caught:
        ensure_guardian(stack.row(), ledger_path(), make="no_such_module:make")
    assert "guardian.log" in caught.value.hint


def test_somebody_elses_heal_ends_the_holding(stand: MakeStand, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command in the foreground ends when another command heals its fault, and says so."""
    stack = stand()
    command = start(stack, "60")
    assert command.says() == "bitten"
    from brownout.harness.experiment import plugins
    from brownout.harness.operate.heal import heal_by_hand

    monkeypatch.setattr(plugins, "fault", make)
    (healed,) = heal_by_hand()
    assert healed.healed == (stack.faults()[0].id,)
    assert (command.says(), command.process.wait(SOON_S)) == ("elsewhere", 0)
    assert StandInWorld(stack.folder).held() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_reverts_at_once(stand: MakeStand, start: Start, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the hold, and the fault is reverted."""
    stack = stand()
    command = start(stack, "60")
    assert command.says() == "bitten"
    command.process.send_signal(number)
    assert (command.says(), command.process.wait(SOON_S)) == ("interrupted", 0)
    assert (stack.held(), stack.states()) == ({}, ["healed"])
