"""Shell completion: what is offered where, with click's own classes and by a real bash; never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from brownout.harness.cli import main
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, StackSpec
from support.brownout_command import PROGRAM, Brownout
from support.stand_ins import Stand

BIN = str(Path(sys.executable).parent)


def offered(*words: str) -> list[str]:
    """What is offered for the last of the words."""
    *before, incomplete = words
    return [
        item.value for item in ShellComplete(main, {}, "brownout", "_BROWNOUT_COMPLETE").get_completions(before, incomplete)
    ]


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> StackSpec:
    """The specification of every stack, in place of that of one that is up."""
    made = build_stack(seed=1, vendors=ALL_VENDORS)
    monkeypatch.setattr("brownout.harness.cli.shell.complete._spec", lambda row: made)
    return made


def test_commands_and_faults_are_completed(home: Path) -> None:
    """Names alone, without a stack and without a state folder being made."""
    assert offered("in") == ["init", "inject"]
    assert {"node-kill", "node-pause"} <= set(offered("inject", "node-"))
    assert offered("faults", "zone-k") == ["zone-kill"]
    assert offered("inject", "nothing-of-the-kind") == ["nothing-of-the-kind"], "the shell's own files: a fault may be one"
    assert not home.exists()


def test_experiments_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled ones by name, those of a folder by path, and its folders to go on from."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cut.yaml").touch()
    (tmp_path / "mine" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert offered("run", "ftvr") == ["ftvr-l9z"]
    assert offered("run", "mi") == ["mine/"]
    assert offered("run", "mine/") == ["mine/cut.yaml"]
    assert offered("run", "./mine/c") == ["./mine/cut.yaml"]


@pytest.mark.parametrize(
    ("kind", "begun", "found"),
    [
        ("link-refuse", "client->sydney.h", "client->sydney.host"),
        ("node-kill", "sydney.token.", "sydney.token.z1"),
        ("zone-kill", "melbourne.", "melbourne.z2"),
        ("key-rollover", "", "melbourne"),
        ("build-rollout", "syd", "sydney"),
        ("name-nxdomain", "sts.amazonaws", "sts.amazonaws.com"),
        ("identity-detach", "sydney.w", "sydney.web-1"),
    ],
)
def test_targets_are_those_of_the_stack(
    stand: Callable[[str], Stand], spec: StackSpec, kind: str, begun: str, found: str
) -> None:
    """Each fault offers what it can be done to, the second time from what was kept of the first."""
    stand("up-1")
    assert found in offered("inject", kind, "--target", begun)
    assert found in offered("inject", kind, "--target", begun)
    assert offered("inject", "--stack", "another", kind, "--target", begun) == []


def test_stacks_and_faults_in_place_are_completed(stand: Callable[[str], Stand]) -> None:
    """Both come from the ledger."""
    stand("up-1")
    stand("up-2")
    assert offered("status", "--stack", "up") == ["up-1", "up-2"]
    assert offered("heal", "") == []


def test_nothing_is_offered_where_anything_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ledger, a broken one, an unknown fault: an empty list, and no exception."""
    assert offered("inject", "no-such-fault", "--target", "") == []
    assert offered("status", "--stack", "") == []
    home.mkdir()
    (home / "ledger.sqlite").write_text("no database", encoding="utf-8")
    assert offered("status", "--stack", "") == []
    assert offered("inject", "node-kill", "--target", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(shell: str) -> None:
    """It calls this command and nothing else."""
    told = subprocess.run([str(PROGRAM), "completion", shell], capture_output=True, text=True, timeout=60, check=True)
    assert f"_BROWNOUT_COMPLETE={shell}_complete" in told.stdout
    assert "brownout" in told.stdout


def in_bash(words: str, environment: Mapping[str, str]) -> list[str]:
    """What a bash that loaded the script has for the last of these words."""
    script = f"""
        eval "$(brownout completion bash)"
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        complete -p brownout >/dev/null && _brownout_completion brownout && printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--norc", "-c", script]
    told = subprocess.run(command, env={**environment, "PATH": path}, capture_output=True, text=True, timeout=120, check=False)
    assert told.stderr == "", told.stderr
    return told.stdout.split()


@pytest.mark.slow
def test_a_real_bash_completes(tmp_path: Path) -> None:
    """With the printed script, and with links that its own words would redirect."""
    environment = {**os.environ, "BROWNOUT_HOME": str(tmp_path / "home")}
    assert in_bash("brownout sta", environment) == ["status"]
    assert "node-kill" in in_bash("brownout inject node-", environment)
    assert in_bash("brownout run ftv", environment) == ["ftvr-l9z"]


@pytest.mark.slow
def test_a_real_bash_completes_the_targets_of_a_real_stack(gameday: Brownout) -> None:
    """Links come with their `>` escaped, and as they are between quotes."""
    environment = gameday.variables({})
    assert r"client-\>sydney.host" in in_bash("brownout inject link-refuse --target client", environment)
    assert "client->sydney.host" in in_bash("brownout inject link-refuse --target '\"client'", environment)
    assert "sydney.token.z1" in in_bash("brownout inject node-kill --target sydney.token", environment)
    (row,) = gameday.stacks()
    assert in_bash("brownout status --stack up-", environment) == [row.id]
