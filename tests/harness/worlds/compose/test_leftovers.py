"""Whatever is killed, and whatever is lost, nothing of ours stays on the engine, and nothing of anybody else's is touched."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brownout.harness.base.statedir import stack_dir
from brownout.harness.injection.ledger import Ledger
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from brownout.harness.worlds.compose.stack import owner
from support.brownout_command import Brownout, Started, small
from support.docker_cli import docker, eventually, labelled

pytestmark = [pytest.mark.docker, pytest.mark.slow]

# A `docker` that says what Compose is asked for, waits before `create` where told to, and tells when a step is done.
WRAPPER = """#!/bin/sh
for word in "$@"; do case "$word" in create|up) step=$word; break;; esac; done
[ -n "$step" ] && [ "$2" = -p ] && touch "$MARKS/$step"
[ "$step" = "$HOLD" ] && sleep 60
"{docker}" "$@"
code=$?
[ -n "$step" ] && touch "$MARKS/$step-done"
exit $code
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Brownout]:
    """`brownout` with a state folder of its own and a `docker` that leaves marks; its stacks are gone afterwards."""
    for name in ("home", "work", "marks", "bin"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "docker"
    program.write_text(WRAPPER.replace("{docker}", str(shutil.which("docker"))))
    program.chmod(0o755)
    paths = f"{program.parent}:{os.environ['PATH']}"
    variables = {"PATH": paths, "MARKS": str(tmp_path / "marks"), "HOLD": "nothing"}
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    made = Brownout(tmp_path / "home", tmp_path / "work", variables)
    yield made
    made.kill_everything()
    made.run("down", "--all")
    assert ours() == []


def ours() -> list[str]:
    """What the engine has of this state folder."""
    return labelled(f"brownout.owner={owner()}")


def kill(started: Started) -> None:
    started.interrupt(signal.SIGKILL)
    started.end()


def marked(command: Brownout, name: str) -> Callable[[], bool]:
    return (command.home.parent / "marks" / name).exists


@pytest.mark.parametrize(
    ("mark", "hold", "some"),
    [("create", "create", False), ("create", "", True), ("up", "", True), ("up-done", "", True)],
    ids=["before it makes anything", "while it makes", "while it starts", "before the nodes are told to go"],
)
def test_an_up_that_is_killed_is_cleared_away(command: Brownout, mark: str, hold: str, some: bool) -> None:
    """Wherever `up` was when it was killed, the next commands work, and `down` leaves nothing."""
    started = command.start("up", "--world", "compose", HOLD=hold or "nothing")
    eventually(marked(command, mark), 60, what=mark)
    if some:
        eventually(ours, 30, what="something on the engine")
    kill(started)
    status = command.run("status")
    assert status.returncode == 0, status.stderr
    down = command.run("down")
    # Whichever command is the first to see it clears it away.
    told = status.stdout + status.stderr + down.stdout + down.stderr
    assert (down.returncode, "never came up" in told or "is down" in told) == (0, True), told
    assert ours() == []
    assert command.stacks() == ()
    assert list((command.home / "stacks").iterdir()) == []


def test_containers_are_found_without_a_ledger(command: Brownout) -> None:
    """An `up` is killed and its state folder lost: `down` knows of nothing, `down --all` finds the containers and says so."""
    started = command.start("up", "--world", "compose")
    eventually(marked(command, "up"), 60, what="up")
    kill(started)
    shutil.rmtree(command.home)
    assert command.run("down").stdout == "no stack is up\n"
    assert ours() != []
    down = command.run("down", "--all")
    assert down.returncode == 0, down.stderr
    assert "which no ledger knew, is down" in down.stdout
    assert ours() == []


def test_a_run_that_is_killed_is_cleared_away(command: Brownout) -> None:
    """A run is killed while its fault is in place: the next `down` takes its stack away with all that it had."""
    started = command.start("run", str(small(command.work)), "--world", "compose")
    eventually(lambda: (command.home / "ledger.sqlite").exists() and command.stacks(), 60, what="a stack")
    eventually(command.open_faults, 120, what="a fault in place")
    kill(started)
    assert ours() != []
    down = command.run("down", "--all")
    assert down.returncode == 0, down.stderr
    assert ours() == []
    assert command.stacks() == ()


@pytest.fixture
def names() -> Iterator[Callable[[str], str]]:
    """Names that nobody else uses; what carries one is removed afterwards, whoever was to do it."""
    mark = secrets.token_hex(3)
    yield lambda name: f"h-{mark}-{name}"
    for listed, removed in (
        (("ps", "--all", "--quiet"), ("rm", "--force")),
        (("network", "ls", "--quiet"), ("network", "rm")),
        (("volume", "ls", "--quiet"), ("volume", "rm")),
    ):
        for each in docker(*listed, "--filter", f"name=h-{mark}-").splitlines():
            docker(*removed, each)


def make(kind: str, name: str, *labels: str, network: str = "none") -> str:
    """A container that sleeps, a network or a volume."""
    options = [word for label in labels for word in ("--label", label)]
    if kind == "container":
        sleep = (IDENTITY_IMAGE, "-c", "import time; time.sleep(300)")
        docker("run", "--detach", "--name", name, "--network", network, *options, "--entrypoint", "python3", *sleep)
    else:
        docker(kind, "create", *options, name)
    return name


def there(kind: str, name: str) -> bool:
    listed = {"container": ("ps", "--format", "{{.Names}}"), "network": ("network", "ls", "--format", "{{.Name}}")}
    return name in docker(*listed.get(kind, ("volume", "ls", "--quiet"))).splitlines()


def test_what_is_not_ours_survives(command: Brownout, names: Callable[[str], str]) -> None:
    """`down --all` removes what carries its label, whatever the name; a foreign container loses the stack's network only."""
    mine = ("brownout.stack=up-mine", f"brownout.owner={owner()}")
    ours = [(kind, make(kind, names(f"ours-{kind}"), *mine)) for kind in ("container", "network", "volume")]
    strangers = [(kind, make(kind, names(f"brownout-up-{kind}"))) for kind in ("network", "volume")]
    guest = make("container", names("guest"), network=names("brownout-up-network"))
    docker("network", "connect", names("ours-network"), guest)
    other = ("brownout.stack=up-other", "brownout.owner=somebody@else")
    others = [(kind, make(kind, names(f"other-{kind}"), *other)) for kind in ("container", "network", "volume")]

    down = command.run("down", "--all")
    assert down.returncode == 0, down.stderr
    assert [each for each in ours if there(*each)] == []
    assert [each for each in (*strangers, ("container", guest), *others) if not there(*each)] == []
    on = docker("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", guest)
    assert on.split() == [names("brownout-up-network")]
    assert "`brownout down --all --owner somebody@else` takes it down" in down.stderr

    named = command.run("down", "--all", "--owner", "somebody@else")
    assert named.returncode == 0, named.stderr
    assert [each for each in others if there(*each)] == []
    assert [each for each in (*strangers, ("container", guest)) if not there(*each)] == []


def test_containers_without_a_specification_are_removed(command: Brownout, names: Callable[[str], str]) -> None:
    """Of a stack that was killed on its way down, with its secrets gone already, `down` removes what is left."""
    mine = ("brownout.stack=up-half", f"brownout.owner={owner()}")
    left = [(kind, make(kind, names(f"half-{kind}"), *mine)) for kind in ("container", "volume")]
    folder = stack_dir("up-half")
    record = '{"schema": "brownout/world/v1", "world": "compose", "stack": "up-half", "project": "p",'
    (folder / "world.json").write_text(f'{record} "first_port": 21000, "last_port": 21010}}')
    with Ledger(command.home / "ledger.sqlite") as ledger:
        ledger.add_stack("up-half", folder=folder, world=COMPOSE, run_owned=False)
        ledger.let_go("up-half")
    down = command.run("down")
    assert down.returncode == 0, down.stderr
    assert [each for each in left if there(*each)] == []
    assert command.stacks() == ()
    assert not folder.exists()
