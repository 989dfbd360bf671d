"""A game day by hand on a real stack: faults, inject, status, heal, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.injection.ledger import Ledger
from support.brownout_command import PROGRAM, TIMEOUT_S, Brownout, eventually

pytestmark = pytest.mark.slow

LINK = "sydney.token->sydney.store"


def outcome(gameday: Brownout) -> str:
    return asyncio.run(gameday.world().probe(LINK, timeout_ms=1000)).outcome


def status(gameday: Brownout) -> dict[str, Any]:
    told = gameday.run("status", "--json")
    assert told.returncode == 0, told.stderr
    (stack,) = json.loads(told.stdout)["stacks"]
    found: dict[str, Any] = stack
    return found


def milliseconds(text: str, what: str) -> float:
    found = re.search(rf"{what}: (\d+) ms", text)
    assert found is not None, text
    return float(found[1])


def test_a_fault_is_held_as_long_as_asked_and_timed(gameday: Brownout) -> None:
    """It bites, is held, and is gone when the command ends; both times are printed."""
    began_s = time.monotonic()
    told = gameday.run("inject", "link-refuse", "--target", LINK, "--for", "1s")
    assert told.returncode == 0, told.stderr
    assert time.monotonic() - began_s > 1
    assert milliseconds(told.stdout, "time to bite") < 8000
    assert milliseconds(told.stdout, "time to heal") < 8000
    assert gameday.open_faults() == []
    assert outcome(gameday) == "ok"


def test_a_fault_stays_until_it_is_healed(gameday: Brownout) -> None:
    """Left in place it is shown by `status`, with the shares of those who suffer, survives other commands, and heals by id."""
    told = gameday.run("inject", "link-refuse", "--target", LINK, "--json")
    assert told.returncode == 0, told.stderr
    injected = json.loads(told.stdout)
    assert (injected["state"], injected["ended"], injected["heal"]) == ("bitten", "left", None)
    assert injected["bite_ms"] > 0
    stack = status(gameday)
    (fault,) = stack["faults"]
    assert (fault["id"], fault["kind"], fault["state"]) == (injected["fault_id"], "link-refuse", "bitten")
    assert LINK in fault["describe"]
    assert fault["since"] < fault["until"]
    shares = {(one["cohort"], one["operation"]): one["share"] for one in stack["good"]}
    assert shares[("new", "token")] == 0.5, "a new machine of one region of two gets no token"
    assert stack["source"] == "probes"
    assert outcome(gameday) == "refused"
    assert gameday.run("doctor").stdout.count("no stale stack") == 1
    wrong = gameday.run("heal", injected["fault_id"][:-1])
    assert (wrong.returncode, "did you mean" in wrong.stderr) == (2, True)
    healed = gameday.run("heal", injected["fault_id"])
    assert (healed.returncode, bool(re.search(r"healed \S+ after \d+ ms", healed.stdout))) == (0, True), healed.stdout
    assert outcome(gameday) == "ok"
    assert "nothing to heal" in gameday.run("heal", injected["fault_id"]).stdout


def test_overlapping_faults_are_lifted_one_by_one(gameday: Brownout) -> None:
    """Healing one of two on the same link leaves the other; `heal` then takes the rest."""
    first = json.loads(gameday.run("inject", "link-refuse", "--target", LINK, "--json").stdout)
    second = gameday.run("inject", "link-refuse", "--target", LINK, "--keep")
    assert (second.returncode, "it looked the same before" in second.stdout) == (3, True), "kept, and never said to bite"
    told = gameday.run("heal", first["fault_id"])
    assert (told.returncode, f"released {first['fault_id']}" in told.stdout) == (0, True), told.stdout
    assert outcome(gameday) == "refused"
    assert gameday.run("heal").stdout.count("healed") == 2
    assert gameday.open_faults() == []
    assert outcome(gameday) == "ok"


def test_ctrl_c_reverts_at_once(gameday: Brownout) -> None:
    """An interrupt in mid-hold ends the hold with 130, and the time to heal is printed."""
    started = gameday.start("inject", "node-pause", "--target", "melbourne.vault", "--for", "10m")
    eventually(lambda: "bites" in started.out.read_text(), TIMEOUT_S, what="it bites")
    started.interrupt()
    assert started.end() == 130
    assert "time to heal" in started.out.read_text()
    assert gameday.open_faults() == []


def test_a_halt_reverts_everything_and_allows_nothing_new(gameday: Brownout) -> None:
    """What was left in place and what a command holds is gone when `halt` returns; the next fault is refused until the lift."""
    assert gameday.run("inject", "link-refuse", "--target", LINK).returncode == 0
    holding = gameday.start("inject", "node-pause", "--target", "melbourne.vault", "--for", "10m")
    eventually(lambda: "bites" in holding.out.read_text(), TIMEOUT_S, what="it bites")
    told = gameday.run("halt", "--reason", "pager went off")
    assert (told.returncode, gameday.open_faults()) == (0, []), told.stderr
    assert outcome(gameday) == "ok"
    assert (holding.end(), "everything was halted" in holding.out.read_text()) == (3, True)
    refused = gameday.run("inject", "link-refuse", "--target", LINK)
    assert (refused.returncode, "pager went off" in refused.stderr) == (4, True)
    assert "pager went off" in gameday.run("status").stdout
    assert gameday.run("halt", "--lift").returncode == 0
    assert gameday.run("inject", "link-refuse", "--target", LINK, "--for", "100ms").returncode == 0


def test_an_empty_file_halts(gameday: Brownout) -> None:
    """`touch HALT` in the state folder is enough: the guardian reverts what was left in place."""
    assert gameday.run("inject", "link-refuse", "--target", LINK).returncode == 0
    (gameday.home / "HALT").touch()
    eventually(lambda: gameday.open_faults() == [], TIMEOUT_S, what="the guardian has seen it")
    assert outcome(gameday) == "ok"
    assert json.loads(gameday.run("status", "--json").stdout)["halted"].startswith("halted since")
    assert gameday.run("halt", "--lift").returncode == 0
    assert json.loads(gameday.run("status", "--json").stdout)["halted"] is None


def reset_by_another_program(gameday: Brownout) -> None:
    """What a person with curl does to the stack's Toxiproxy."""
    httpx.post(f"{gameday.world().endpoints().toxiproxy}/reset", trust_env=False).raise_for_status()


def test_a_fault_that_another_program_undid_is_lost(gameday: Brownout) -> None:
    """The hold ends soon, with 3: the fault was not in force as long as asked."""
    started = gameday.start("inject", "link-stall", "--target", LINK, "--for", "30s")
    eventually(lambda: "bites" in started.out.read_text(), TIMEOUT_S, what="it bites")
    reset_by_another_program(gameday)
    assert started.end() == 3
    assert "lost: something else undid it" in started.out.read_text()
    assert gameday.open_faults() == []


def test_a_fault_left_by_hand_that_was_undone_is_told_by_heal(gameday: Brownout) -> None:
    """`heal` ends with 3: nothing is in place, and what was tested meanwhile was tested without the fault."""
    gameday.run("inject", "link-stall", "--target", LINK)
    reset_by_another_program(gameday)
    told = gameday.run("heal")
    assert (told.returncode, "had been lost before: link:" in told.stdout) == (3, True), told.stdout
    assert gameday.open_faults() == []


def test_a_fault_that_another_command_healed_ends_its_hold(gameday: Brownout) -> None:
    """The command in the foreground ends soon after `heal`, and says so."""
    started = gameday.start("inject", "link-refuse", "--target", LINK, "--for", "10m")
    eventually(lambda: "bites" in started.out.read_text(), TIMEOUT_S, what="it bites")
    assert gameday.run("heal").returncode == 0
    assert started.end() == 3
    assert "reverted by another process" in started.out.read_text()


def test_a_reader_that_leaves_changes_nothing(gameday: Brownout) -> None:
    """`inject ... | true` leaves the fault in place as without the pipe, and its exit code is the fault's."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        program = [str(PROGRAM), "inject", "link-refuse", "--target", LINK]
        told = subprocess.run(program, env=gameday.variables({}), stdout=closed, timeout=TIMEOUT_S, check=False)
    assert told.returncode == 0
    assert outcome(gameday) == "refused"
    assert gameday.run("heal").returncode == 0


def test_kill_9_of_the_command_is_healed_by_the_guardian(gameday: Brownout) -> None:
    """Nothing of the fault outlives the command that held it by more than a moment."""
    started = gameday.start("inject", "link-refuse", "--target", LINK, "--for", "10m")
    eventually(lambda: "bites" in started.out.read_text(), TIMEOUT_S, what="it bites")
    started.interrupt(signal.SIGKILL)
    eventually(lambda: gameday.open_faults() == [] and outcome(gameday) == "ok", 20, what="the guardian heals")


def test_what_does_not_bite_is_inconclusive_and_reverted(gameday: Brownout) -> None:
    """A key that is valid anyway proves nothing: exit code 3, and the order is taken back."""
    told = gameday.run("inject", "key-accept", "--target", "sydney", "--with", "key_id=manual")
    assert told.returncode == 3
    assert "inconclusive, did not bite within" in told.stdout
    assert gameday.open_faults() == []


def test_a_defence_is_told_as_such(gameday: Brownout) -> None:
    """With the readiness gate on, the key switch is refused by the system; nothing is held, and that is no failure of ours."""
    told = gameday.run("inject", "key-switch", "--target", "sydney", "--json")
    assert told.returncode == 3, told.stderr
    assert json.loads(told.stdout)["state"] == "defended"
    assert "defended: the system refused it" in told.stderr
    assert gameday.open_faults() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("link-refuse", "--target", "sydney.tken->sydney.store"), "did you mean"),
        (("link-refuse",), "needs a target"),
        (("link-refuse", "--target", LINK, "--for", "soon"), "is not a duration"),
        (("link-refuse", "--target", LINK, "--for", "2h"), "at most one hour"),
        (("link-refuse", "--target", LINK, "--stack", "up-none"), "no stack 'up-none' is up"),
    ],
)
def test_bad_usage_starts_nothing(gameday: Brownout, arguments: tuple[str, ...], said: str) -> None:
    """A mistake ends with 2 and a hint, with no fault ever intended."""
    before = len(ledger_of(gameday))
    told = gameday.run("inject", *arguments)
    assert (told.returncode, said in told.stderr) == (2, True), told.stderr
    assert len(ledger_of(gameday)) == before


def ledger_of(gameday: Brownout) -> list[str]:
    with Ledger(gameday.home / "ledger.sqlite") as ledger:
        return [fault.id for stack in ledger.stacks() for fault in ledger.faults(stack.id)]


def test_a_runs_stack_is_not_for_hands(gameday: Brownout, tmp_path: Path) -> None:
    """The stack of a run under way is refused by name, and does not make the choice of stack ambiguous."""
    with Ledger(gameday.home / "ledger.sqlite") as ledger:
        ledger.add_stack("run-1", folder=tmp_path, world="processes", run_owned=True)
        try:
            told = gameday.run("inject", "link-refuse", "--target", LINK, "--stack", "run-1")
            assert (told.returncode, "a run is using it" in told.stderr) == (2, True), told.stderr
            assert gameday.run("inject", "link-refuse", "--target", LINK, "--for", "100ms").returncode == 0
        finally:
            ledger.close_stack("run-1")


def test_several_stacks_need_a_name(gameday: Brownout, tmp_path: Path) -> None:
    """With two stacks left up the error lists both; one that is still coming up is not to be broken yet."""
    with Ledger(gameday.home / "ledger.sqlite") as ledger:
        ledger.add_stack("up-rising", folder=tmp_path, world="processes", owner=ProcessId.me(), run_owned=False)
        try:
            told = gameday.run("inject", "link-refuse", "--target", LINK)
            assert (told.returncode, "up-rising" in told.stderr) == (2, True), told.stderr
            told = gameday.run("inject", "link-refuse", "--target", LINK, "--stack", "up-rising")
            assert "still coming up" in told.stderr
        finally:
            ledger.close_stack("up-rising")


def test_the_list_of_faults(gameday: Brownout) -> None:
    """A line for each kind with its parameters, and everything about one."""
    lines = gameday.run("faults").stdout.splitlines()
    assert any(line.startswith("zone-kill --target REGION.ZONE") for line in lines)
    about = gameday.run("faults", "link-slow").stdout
    assert "latency" in about
    assert "link:slow" in about
    assert "did you mean 'link-slow'" in gameday.run("faults", "link-slo").stderr


def test_watching_in_a_terminal_ends_with_q(gameday: Brownout) -> None:
    """The page shows nodes and shares, and q leaves with exit code 0."""
    master, slave = pty.openpty()
    command = [str(PROGRAM), "status", "--watch", "--interval", "200ms"]
    variables = gameday.variables({"COLUMNS": "80", "LINES": "40", "TERM": "xterm"})
    process = subprocess.Popen(command, cwd=gameday.work, env=variables, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while b"melbourne.vault" not in shown:
        shown += os.read(master, 65536)
    os.write(master, b"q")
    try:
        while os.read(master, 65536):
            pass
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait(TIMEOUT_S) == 0
    assert b"established/token" in shown


def test_watching_through_a_pipe_prints_blocks(gameday: Brownout) -> None:
    """Without a terminal each look is a block of plain text, and Ctrl-C ends with 0."""
    started = gameday.start("status", "--watch", "--interval", "100ms")
    eventually(lambda: started.out.read_text().count("stack up-") >= 2, TIMEOUT_S, what="two blocks")
    started.interrupt()
    assert started.end() == 0
    assert "\x1b" not in started.out.read_text()


def test_down_takes_faults_left_by_hand_with_the_stack(gameday: Brownout) -> None:
    """The last act: a fault is in place, `down` ends stack, fault and guardian, and no folder with keys stays."""
    assert gameday.run("inject", "node-kill", "--target", "sydney.token.z1").returncode == 0
    (stack,) = gameday.stacks()
    told = gameday.run("down")
    assert (told.returncode, told.stdout) == (0, f"stack {stack.id} is down\n")
    eventually(lambda: gameday.processes() == {}, 20, what="nothing runs any more")
    assert not stack.folder.exists()
    assert gameday.run("inject", "node-kill", "--target", "sydney.token.z1").returncode == 2
    assert "no stack is up" in gameday.run("status").stdout
