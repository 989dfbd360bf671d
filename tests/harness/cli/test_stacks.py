"""`up`, `status`, `env`, `down`: a stack that other programs use, and that is gone when it is told to go."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from brownout.harness.client_env.stack_file import StackFile
from support.brownout_command import PROGRAM, TIMEOUT_S, Brownout, eventually

pytestmark = pytest.mark.slow

ACQUIRE = """
import asyncio
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential

SCOPE = "https://vault.azure.net/.default"

async def acquire():
    async with AsyncManagedIdentityCredential() as credential:
        return await credential.get_token(SCOPE)

with ManagedIdentityCredential() as managed, DefaultAzureCredential() as default:
    tokens = [managed.get_token(SCOPE), default.get_token(SCOPE), asyncio.run(acquire())]
print([token.token.count(".") for token in tokens])
"""


@pytest.fixture(scope="module")
def up(shared_brownout: Brownout) -> Iterator[Brownout]:
    """Two stacks that were brought up one after the other, the second with a stack file of another name."""
    for arguments in (("up",), ("up", "--stack-file", "second.json", "--posture", "as-of-2024-07")):
        told = shared_brownout.run(*arguments)
        assert told.returncode == 0, told.stderr
        assert "is up after" in told.stdout
    yield shared_brownout
    shared_brownout.run("down")


def status(brownout: Brownout) -> list[dict[str, Any]]:
    told = brownout.here("status", "--json")
    assert told.exit_code == 0, told.stderr
    stacks: list[dict[str, Any]] = json.loads(told.stdout)["stacks"]
    return stacks


def test_the_stack_file_is_complete_and_private(up: Brownout) -> None:
    """It is of its schema, readable by its owner only, and leads to a vault and a host that answer."""
    path = up.work / "stack.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = StackFile.model_validate_json(path.read_bytes())
    assert {"sydney", "melbourne"} == set(content.regions)
    assert content.user_token
    assert not list(up.work.glob(".*")), "no half-written file is left"


def test_every_up_is_a_stack_of_its_own(up: Brownout) -> None:
    """Two stacks stand side by side, each with all its nodes running and no fault in place."""
    stacks = status(up)
    assert len({stack["stack"] for stack in stacks}) == 2
    for stack in stacks:
        assert {node["state"] for node in stack["nodes"]} == {"running"}
        assert stack["faults"] == []
    text = up.run("status").stdout
    assert text.count("no fault in place") == 2
    assert any(line.split()[:3] == ["sydney.token.z1-z3", "running", "1.0"] for line in text.splitlines())


def test_azure_identity_works_through_env(up: Brownout) -> None:
    """In a shell that took over `brownout env`, the unmodified library gets tokens: sync, async and by default."""
    script = f'eval "$({quote(str(PROGRAM))} env --machine web-1)" && exec {quote(sys.executable)} -c "$ACQUIRE"'
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=up.work,
        env=up.variables({"ACQUIRE": ACQUIRE}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert (done.stdout.strip(), done.returncode) == ("[2, 2, 2]", 0), done.stderr


def test_env_names_the_machines_when_asked_for_another(up: Brownout) -> None:
    """A machine that is not there, and a scale set where a machine is wanted, are bad usage with a suggestion."""
    wrong = up.run("env", "--machine", "web1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'web-1'" in wrong.stderr
    stack = StackFile.model_validate_json((up.work / "stack.json").read_bytes())
    scale_set = next(name for name, machine in stack.machines.items() if machine.scale_set)
    told = up.run("env", "--machine", scale_set)
    assert told.returncode == 2
    assert f"{scale_set}_1" in told.stderr
    assert up.run("env", "--machine", f"{scale_set}_7").returncode == 0


def test_a_dead_node_and_a_dead_stack_are_shown_and_taken_away(up: Brownout) -> None:
    """A node killed from outside is shown as dead, so is a stack whose parent died; `down` takes both and leaves nothing."""
    first, second = status(up)
    victim = next(node for node in first["nodes"] if node["node"] == "melbourne.vault")
    os.kill(victim["pid"], signal.SIGKILL)
    states = {node["node"]: node["state"] for node in status(up)[0]["nodes"]}
    assert states.pop("melbourne.vault") == "dead"
    assert set(states.values()) == {"running"}
    parent = json.loads((Path(second["folder"]) / "world.json").read_text())["daemon"]["pid"]
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: [stack["state"] for stack in status(up)] == ["up", "dead"], 10, what="the second stack is dead")
    told = up.run("down")
    assert told.returncode == 0
    assert f"stack {first['stack']} is down" in told.stdout
    assert second["stack"] in told.stdout
    assert up.processes() == {}
    assert status(up) == []


def test_the_file_of_a_stack_that_is_up_is_not_lost(brownout: Brownout) -> None:
    """`up` overwrites neither the file of a running stack nor any other file, says what to do, and does both with --force."""
    first = brownout.run("up", "--set", "token_alg=RS256")
    assert first.returncode == 0, first.stderr
    before = (brownout.work / "stack.json").read_bytes()
    refused = brownout.run("up")
    assert refused.returncode == 2
    (stack,) = brownout.stacks()
    assert f"stack.json belongs to stack {stack.id}, which is still up" in refused.stderr
    assert "--stack-file" in refused.stderr
    (brownout.work / "notes.json").write_text("{}")
    assert "is no stack file" in brownout.run("up", "--stack-file", "notes.json").stderr
    assert (brownout.work / "stack.json").read_bytes() == before
    assert len(brownout.stacks()) == 1, "nothing was started"
    forced = brownout.run("up", "--force")
    assert forced.returncode == 0, forced.stderr
    assert (brownout.work / "stack.json").read_bytes() != before
    assert brownout.run("down").returncode == 0
    assert not any((brownout.home / "stacks").iterdir()), "the folders with the stacks' keys are gone"
    assert brownout.run("up").returncode == 0, "the file of a stack that is down is nobody's any more"
    assert brownout.run("down").returncode == 0


def test_a_setting_reaches_the_service(brownout: Brownout) -> None:
    """What `--set` names is set over the posture's, and a name that there is not starts nothing."""
    wrong = brownout.run("up", "--set", "token_algo=RS256")
    assert (wrong.returncode, "did you mean 'token_alg'" in wrong.stderr) == (2, True), wrong.stderr
    told = brownout.run("up", "--posture", "as-of-2024-07", "--set", "token_alg=RS256", "--set", "builds.melbourne=2.0")
    assert told.returncode == 0, told.stderr
    settings = brownout.world().spec.settings
    assert (settings["token_alg"], settings["builds"]["melbourne"]) == ("RS256", "2.0")
    nodes = {node["node"]: node for node in status(brownout)[0]["nodes"]}
    assert (nodes["melbourne.token.z1"]["build"], nodes["sydney.store"]["keys"][0]["does"]) == ("2.0", "accepts")
    assert brownout.run("down").returncode == 0


def test_an_up_that_cannot_write_its_file_leaves_nothing(brownout: Brownout) -> None:
    """A stack whose file cannot be written is of no use to anybody: bad usage, and the stack is down again."""
    (brownout.work / "folder").mkdir()
    told = brownout.run("up", "--stack-file", "/proc/stack.json")
    assert told.returncode == 2
    assert "/proc/stack.json cannot be written" in told.stderr
    assert brownout.processes() == {}
    assert brownout.stacks() == ()


def test_a_file_of_our_name_in_the_working_folder_is_not_imported(brownout: Brownout) -> None:
    """A user's own `brownout.py` stops neither the stack's processes nor the guardian: none of them looks in that folder."""
    (brownout.work / "brownout.py").write_text("raise SystemExit('the user\\'s own brownout.py was imported')\n")
    for arguments in (("up",), ("inject", "link-refuse", "--target", "client->sydney.host", "--keep"), ("heal",), ("down",)):
        told = brownout.run(*arguments)
        assert told.returncode == 0, (arguments, told.stdout, told.stderr)
