"""What the doctor finds, check by check."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path
from brownout.harness.doctor import checks as doctor
from brownout.harness.doctor.checks import Check, checks, render
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.world import Carrier
from brownout.harness.worlds.toxiproxy.install import HOW_BUILT
from support.fake_world import drive
from support.stand_ins import Stand
from support.standing_fixtures import stand

__all__ = ["stand"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    return tmp_path / "home"


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The range is small and taken, so that stacks of other tests keep theirs."""
    with ExitStack() as held:
        for port in range(20_000, 20_100):
            taken = held.enter_context(socket.socket())
            with suppress(OSError):
                taken.bind(("127.0.0.1", port))
        monkeypatch.setattr("brownout.harness.base.ports.FIRST_PORT", 20_000)
        monkeypatch.setattr("brownout.harness.base.ports.LAST_PORT", 20_099)
        yield


def test_every_matter_is_looked_at() -> None:
    """The list covers everything that a run needs, each once, and says so in words."""
    found = checks(leftovers=lambda: ((), ()))
    assert [check.name for check in found] == [
        "Python",
        "state folder",
        "Toxiproxy",
        "ports",
        "limits",
        "processor",
        "halt",
        "leftovers",
        "load and canaries",
        "vendors",
        "plug-ins",
        "proxy variables",
        "Docker",
    ]
    assert all(check.detail for check in found)


def test_the_real_toxiproxy_starts_and_ends() -> None:
    """The server found on this machine is started, asked and stopped."""
    found = doctor.check_toxiproxy()
    assert found.ok, found
    assert "starts and answers" in found.detail


def test_a_missing_toxiproxy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the finding names the command that gets one."""
    monkeypatch.setattr(doctor, "find_toxiproxy_server", lambda *, say: None)
    assert doctor.check_toxiproxy() == Check("Toxiproxy", False, "not found", HOW_BUILT)


def test_a_toxiproxy_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that dies at its start is a finding with its last words, not a crash."""
    dying = tmp_path / "toxiproxy-server"
    dying.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    dying.chmod(0o755)
    monkeypatch.setattr(doctor, "find_toxiproxy_server", lambda *, say: dying)
    found = next(check for check in checks(leftovers=lambda: ((), ())) if check.name == "Toxiproxy")
    assert not found.ok
    assert "broken" in found.detail


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python before 3.11 is a finding."""
    assert doctor.check_python().ok
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(3, 10, 0), executable=sys.executable))
    assert not doctor.check_python().ok


def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder that cannot be made is a finding, and so is one on a disk that is nearly full."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "file" / "home"))
    found = next(check for check in checks(leftovers=lambda: ((), ())) if check.name == "state folder")
    assert not found.ok
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    assert doctor.check_state_folder().ok
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    assert not doctor.check_state_folder().ok


def test_a_range_without_ports_is_told(few_ports: None) -> None:
    """When the stack's ports are taken the finding says how many are free."""
    found = doctor.check_ports()
    assert not found.ok
    assert "ports are free" in found.detail


@pytest.mark.parametrize(("busy", "ok"), [(0.2, True), (3.9, False)])
def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch, busy: float, ok: bool) -> None:
    """A machine without a free core would make the load lag."""
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (busy, 0.0, 0.0))
    assert doctor.check_processor().ok is ok


def test_leftovers_of_a_dead_run_are_named(tmp_path: Path) -> None:
    """A stack whose run died and the fault that it left are found in the ledger; those of a living run are not."""
    assert doctor.ledger_leftovers() == ((), ())
    home = ledger_path().parent
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("alive", folder=home, world="m:W", run_owned=True)
        dead = ledger.add_stack("dead", folder=home, world="m:W", owner=ProcessId(1, "never"), run_owned=True)
        intent = Intent(step="cut", kind="link-refuse", params={}, carriers=(), baseline={}, deadline_s=1.0)
        fault = ledger.intend("dead", dead.epoch, intent)
    left, in_force = doctor.ledger_leftovers()
    assert left[:2] == (f"fault {fault.id} on stack dead is intended", "stack dead outlived its run (process 1)")
    assert in_force == ()
    found = doctor.check_leftovers(doctor.ledger_leftovers)
    assert (found.ok, found.fix) == (False, "`brownout heal`")


def test_faults_in_force_on_purpose_are_named_and_no_trouble(stand: Callable[[str], Stand]) -> None:
    """A fault that was left in place by hand is in force, and is said to be."""
    stack = stand("up-1")
    with Ledger(ledger_path()) as ledger:
        intent = Intent(step="cut", kind="link-refuse", params={}, carriers=(), baseline={}, deadline_s=1e12)
        fault = ledger.intend(stack.id, 1, intent)
        for state in ("applied", "bitten"):
            ledger.advance(fault.id, state)
        ledger.keep_until(fault.id, 1e12, by_hand=True)
    found = doctor.check_leftovers(doctor.ledger_leftovers)
    assert (found.ok, found.detail) == (True, f"no stale stack; fault {fault.id} on stack up-1 is bitten")


def test_what_stands_and_no_ledger_knows_is_a_finding(stand: Callable[[str], Stand]) -> None:
    """With the ledger deleted the stack is named; with an old ledger, the hold that it does not know."""
    stack = stand("up-1")
    drive(stack.world().hold(Carrier("node", "a"), "up-1-007-cut", NodeEffect("down")))
    found = doctor.check_leftovers(doctor.ledger_leftovers)
    assert not found.ok
    assert "node:a holds up-1-007-cut" in found.detail
    for path in ledger_path().parent.glob("ledger.sqlite*"):
        path.unlink()
    found = doctor.check_leftovers(doctor.ledger_leftovers)
    assert (found.ok, found.detail) == (False, "stack up-1 stands and is in no ledger")


def test_a_ledger_that_cannot_be_read_is_a_finding(home: Path) -> None:
    """A damaged ledger is told with its own message."""
    home.mkdir()
    ledger_path().write_bytes(b"not a database" * 100)
    found = next(check for check in checks() if check.name == "leftovers")
    assert not found.ok


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the load that is not installed is named, also when its parent package is missing."""
    monkeypatch.setattr(doctor, "LOAD_MODULES", {"json": "load", "no_such_package": "load"})
    monkeypatch.setattr(doctor, "CANARY_MODULES", {"no_such_parent.child": "aws"})
    found = doctor.check_load_packages()
    assert (found.ok, found.detail) == (False, "missing: no_such_package, no_such_parent.child")


def test_a_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be imported is told with its reason; without any the check is content."""
    assert doctor.check_plugins().ok
    broken = {"theirs": UsageError("their.py:3: it raises")}
    monkeypatch.setattr("brownout.harness.experiment.plugins.broken_faults", lambda: broken)
    found = doctor.check_plugins()
    assert (found.ok, found.detail) == (False, "their.py:3: it raises")


def test_looking_for_locust_does_not_import_it() -> None:
    """Locust patches the whole process when imported, so the doctor must not."""
    assert doctor.check_load_packages().ok
    assert "locust" not in sys.modules


@pytest.mark.parametrize(
    ("environment", "ok"),
    [
        ({}, True),
        ({"HTTP_PROXY": ""}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "example.com"}, False),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost, 127.0.0.1"}, True),
        ({"all_proxy": "socks5://proxy", "NO_PROXY": "*"}, True),
    ],
)
def test_proxy_variables_that_catch_loopback_are_told(environment: dict[str, str], ok: bool) -> None:
    """A proxy variable is a finding unless NO_PROXY exempts loopback."""
    found = doctor.check_proxy_variables(environment)
    assert found.ok is ok
    assert bool(found.fix) is not ok


def test_docker_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Docker is in order, and no more is looked for there."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert doctor.docker_checks(required=False) == (Check("Docker", True, "not found (only the compose world needs it)"),)


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours or of the system inside a check becomes its finding, with the hint as the fix."""

    def leftovers() -> tuple[tuple[str, ...], tuple[str, ...]]:
        raise BrownoutError("no ledger", hint="make one")

    found = next(check for check in checks(leftovers=leftovers) if check.name == "leftovers")
    assert found == Check("leftovers", False, "no ledger", "make one")


def test_render_puts_the_fix_under_the_trouble() -> None:
    """Each line has its state, name and detail, troubles are followed by what to do, and the last line counts them."""
    text = render((Check("Python", True, "3.11.7"), Check("ports", False, "none free", "`brownout down`")))
    assert text.splitlines() == [
        "ok   Python  3.11.7",
        "BAD  ports   none free",
        "             -> `brownout down`",
        "1 of 2 need attention",
    ]
    assert render((Check("Python", True, "3.11.7"),)).endswith("everything is in order")
