"""However a stack ends, or fails to begin, nothing of it is left running."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base import processes as system
from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.worlds.processes.stack import RECORD_NAME, SPEC_NAME, read_process_stack
from brownout.harness.worlds.processes.supervisor_socket import SOCKET_NAME
from brownout.harness.worlds.processes.world import ProcessesWorld
from support.carriers import link, node
from support.client_requests import token_request
from support.places import TESTS
from support.server_stacks import daemon_pid, make_world, session_members

pytestmark = pytest.mark.slow

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def stacks_in(folder: Path) -> list[str]:
    """Processes whose command line names the folder: the parent of a stack and, as its forks, all of its nodes."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in cmdline.read_bytes():
                found.append(cmdline.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def program(folder: Path, text: str) -> Path:
    """A program that stands in for Toxiproxy; its command line names the folder."""
    path = folder / "stand-in"
    path.write_text(f'#!/bin/sh\n"exec" "{sys.executable}" "$0" "$@"\n{text}\n')
    path.chmod(0o755)
    return path


def test_stop_ends_everything_and_may_run_twice(fresh_world: ProcessesWorld, run: Run) -> None:
    """After stop no process of the stack lives, its secrets are gone, and stopping or attaching again is harmless."""
    run(fresh_world.start())
    leader = daemon_pid(fresh_world)
    assert len(session_members(leader)) == 19
    run(fresh_world.stop())
    run(fresh_world.stop())
    assert session_members(leader) == []
    assert [name for name in (RECORD_NAME, SPEC_NAME, SOCKET_NAME) if (fresh_world.folder / name).exists()] == []
    with pytest.raises(StackGone):
        ProcessesWorld.attach(fresh_world.folder)


def test_a_paused_and_a_killed_node_do_not_keep_a_stack_up(fresh_world: ProcessesWorld, run: Run) -> None:
    """Stop ends a stack also while faults are held on its nodes."""
    run(fresh_world.start())
    leader = daemon_pid(fresh_world)
    run(fresh_world.hold(node("sydney.store"), "f-1", NodeEffect("paused")))
    run(fresh_world.hold(node("sydney.host"), "f-2", NodeEffect("down")))
    run(fresh_world.stop())
    assert session_members(leader) == []


def test_a_fault_whose_node_was_killed_is_no_failure_to_revert(fresh_world: ProcessesWorld, run: Run) -> None:
    """The node that kept the switch is gone, and the switch with it: healed within seconds, and what ended is named."""
    run(fresh_world.start())
    try:
        with Ledger(":memory:") as ledger:
            ledger.add_stack("s", folder=fresh_world.folder, world="processes", run_owned=True)
            life = LifeCycle(fresh_world, ledger, "s", lambda notice: None)
            applied = run(life.inject("roll", plugins.fault("key-rollover", {"region": "sydney"})))
            assert applied.state == "bitten"
            os.kill(int(run(fresh_world.read(node("sydney.store")))["pid"]), signal.SIGKILL)
            assert system.await_true(lambda: run(fresh_world.read(node("sydney.store")))["state"] == "dead", 5)
            reverted = run(life.revert(applied.fault_id))
            assert reverted.state == "healed"
            assert "sydney.store has ended by itself (" in reverted.evidence
    finally:
        run(fresh_world.stop())


def test_kill_9_of_the_parent_takes_everything_with_it(fresh_world: ProcessesWorld, run: Run) -> None:
    """When the parent is killed the kernel ends every node, paused ones too, and Toxiproxy; a later command cleans up."""
    run(fresh_world.start())
    leader = daemon_pid(fresh_world)
    run(fresh_world.hold(node("sydney.store"), "f-1", NodeEffect("paused")))
    os.kill(leader, signal.SIGKILL)
    assert system.await_true(lambda: session_members(leader) == [], 5)
    later = ProcessesWorld.attach(fresh_world.folder)
    assert not later.alive()
    with pytest.raises(WorldError, match="parent of the stack's processes has ended"):
        run(later.status())
    run(later.stop())
    with pytest.raises(StackGone):
        ProcessesWorld.attach(fresh_world.folder)


@pytest.mark.parametrize("all_of_it", [True, False])
def test_a_stack_whose_folder_is_gone_ends(fresh_world: ProcessesWorld, run: Run, all_of_it: bool) -> None:
    """Nobody could find it any more, so its parent ends it, also when a folder of that name is made anew or its logs stay."""
    run(fresh_world.start())
    leader = daemon_pid(fresh_world)
    if all_of_it:
        shutil.rmtree(fresh_world.folder)
        fresh_world.folder.mkdir()
    else:
        (fresh_world.folder / SPEC_NAME).unlink()
    assert system.await_true(lambda: session_members(leader) == [], 5)


def test_a_toxiproxy_that_died_is_started_again_with_its_links(fresh_world: ProcessesWorld, run: Run) -> None:
    """The links are where they were and work; the holds on them are lost. A whole stack needs no repair."""
    run(fresh_world.start())
    assert run(fresh_world.repair()) == ""
    before = fresh_world.endpoints().clients
    run(fresh_world.hold(link("client->sydney.host"), "f-1", LinkEffect("refuse")))
    (toxiproxy,) = read_process_stack(fresh_world.folder).sidecars
    toxiproxy.kill()
    assert system.await_true(lambda: not toxiproxy.alive(), 5)
    assert "SIGKILL" in run(fresh_world.repair())
    later = ProcessesWorld.attach(fresh_world.folder)
    assert later.endpoints().clients == before
    assert run(later.survey()).holds == {}
    assert run(later.client("sydney.host", token_request("web-1"), timeout_s=3)).status == 200
    run(later.close())


def test_sigterm_to_the_parent_ends_the_stack(fresh_world: ProcessesWorld, run: Run) -> None:
    """SIGTERM to the parent ends every process of the stack and removes the supervisor socket."""
    run(fresh_world.start())
    leader = daemon_pid(fresh_world)
    os.kill(leader, signal.SIGTERM)
    assert system.await_true(lambda: session_members(leader) == [], 5)
    assert not (fresh_world.folder / SOCKET_NAME).exists()


def test_the_stack_survives_the_process_that_started_it(toxiproxy_binary: Path, tmp_path: Path, run: Run) -> None:
    """A starter killed with SIGKILL leaves a whole stack, which another process finds, drives and ends."""
    text = (
        f"import asyncio, os, signal, sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path\n"
        "from support.server_stacks import make_world\n"
        f"asyncio.run(make_world(Path({str(tmp_path)!r}), Path({str(toxiproxy_binary)!r})).start())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    starter = subprocess.run([sys.executable, "-c", text], check=False, timeout=60)
    assert starter.returncode == -signal.SIGKILL
    world = ProcessesWorld.attach(tmp_path)
    try:
        assert run(world.probe("client->sydney.host", timeout_ms=2000)).outcome == "ok"
    finally:
        leader = daemon_pid(world)
        run(world.stop())
    assert session_members(leader) == []


def test_a_starter_killed_half_way_leaves_nothing(tmp_path: Path, run: Run) -> None:
    """What a killed starter had brought up by then is found by its record and ended by a later command."""
    hanging = program(tmp_path, "import time; time.sleep(600)")
    text = (
        f"import asyncio, sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path\n"
        "from support.server_stacks import make_world\n"
        f"asyncio.run(make_world(Path({str(tmp_path / 'stack')!r}), Path({str(hanging)!r})).start())\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", text])
    record = tmp_path / "stack" / RECORD_NAME
    assert system.await_true(record.exists, 20)
    starter.kill()
    starter.wait()
    run(ProcessesWorld.attach(tmp_path / "stack").stop())
    assert stacks_in(tmp_path) == []


def test_a_missing_toxiproxy_is_one_clear_error(tmp_path: Path, run: Run) -> None:
    """Without the program nothing is started, and the message says where it was looked for and what installs it."""
    with pytest.raises(WorldError, match="Toxiproxy is not at /nowhere/toxiproxy-server") as raised:
        run(make_world(tmp_path, Path("/nowhere/toxiproxy-server")).start())
    assert "`brownout setup` builds it" in raised.value.hint
    assert stacks_in(tmp_path) == []


def test_a_port_that_is_lost_to_another_program_is_replaced(toxiproxy_binary: Path, tmp_path: Path, run: Run) -> None:
    """When another program has taken Toxiproxy's port meanwhile, Toxiproxy is started again on another port."""
    text = (
        "import os, sys, time\n"
        "if not os.path.exists(sys.argv[0] + '.tried'):\n"
        "    open(sys.argv[0] + '.tried', 'w').close()\n"
        "    print('listen tcp: bind: address already in use', flush=True)\n"
        "    time.sleep(600)\n"
        f"os.execv({str(toxiproxy_binary)!r}, ['toxiproxy', *sys.argv[1:]])\n"
    )
    world = make_world(tmp_path / "stack", program(tmp_path, text))
    run(world.start())
    try:
        assert (tmp_path / "stand-in.tried").exists()
        assert {node["state"] for node in run(world.status())["nodes"].values()} == {"running"}
    finally:
        run(world.stop())
    assert stacks_in(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import time; time.sleep(600)", "did not open its port"),
        ("import sys; sys.exit('no such option')", "(?s)Toxiproxy ended at once.*no such option"),
        (
            "import socket, sys, time\nserved = socket.create_server((sys.argv[2], int(sys.argv[4])))\ntime.sleep(600)",
            "did not answer in time",
        ),
    ],
)
def test_a_toxiproxy_that_fails_leaves_nothing_running(tmp_path: Path, run: Run, text: str, message: str) -> None:
    """A proxy server that never listens, ends at once, or listens and never answers is one WorldError and no process."""
    started_s = time.monotonic()
    with pytest.raises(WorldError, match=message):
        run(make_world(tmp_path / "stack", program(tmp_path, text)).start())
    assert time.monotonic() - started_s < 20
    assert stacks_in(tmp_path) == []
    assert not (tmp_path / "stack" / SPEC_NAME).exists()


def test_a_node_that_dies_at_start_is_named_with_its_last_words(fresh_world: ProcessesWorld, tmp_path: Path, run: Run) -> None:
    """A node that cannot read its own state ends the start with its name and traceback, and everything is taken down."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "melbourne.store.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(WorldError, match=r"(?s)melbourne\.store ended by itself \(exit code 1\).*not a database"):
        run(fresh_world.start())
    assert stacks_in(tmp_path) == []


def test_a_second_stack_in_one_folder_is_refused(fresh_world: ProcessesWorld, tmp_path: Path, run: Run) -> None:
    """A folder whose stack is up is not taken by another, and the one that is up goes on."""
    run(fresh_world.start())
    second = make_world(tmp_path, fresh_world._binary)
    with pytest.raises(WorldError, match="is up in"):
        run(second.start())
    assert fresh_world.alive()
    assert run(fresh_world.probe("client->sydney.host", timeout_ms=2000)).outcome == "ok"


def test_an_interrupted_start_leaves_nothing(fresh_world: ProcessesWorld, tmp_path: Path, run: Run) -> None:
    """A start that is cancelled half way has ended everything by the time that the cancellation is through."""

    async def interrupted() -> None:
        rising = asyncio.ensure_future(fresh_world.start())
        await asyncio.to_thread(system.await_true, (tmp_path / RECORD_NAME).exists, 20)
        rising.cancel()
        await asyncio.gather(rising, return_exceptions=True)
        assert rising.cancelled()

    run(interrupted())
    assert stacks_in(tmp_path) == []


def test_a_stack_of_another_version_says_how_to_end_it(fresh_world: ProcessesWorld, tmp_path: Path, run: Run) -> None:
    """A stack that runs and whose specification cannot be read names the process to end; then it can be cleared away."""
    run(fresh_world.start())
    (tmp_path / SPEC_NAME).write_text('{"companions": []}')
    with pytest.raises(WorldError, match="cannot be read") as raised:
        ProcessesWorld.attach(tmp_path)
    assert f"`kill {daemon_pid(fresh_world)}`" in raised.value.hint
    run(fresh_world.stop())
