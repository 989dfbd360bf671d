"""`brownout load` as a command: what it prints, how many processes it may have, and how it ends."""

from __future__ import annotations

import json
import signal

import pytest

from brownout.harness.load.log_tail import LogTail
from support.brownout_command import Brownout, eventually
from support.dashboard_load import Dashboard, folder_of, generators

pytestmark = [pytest.mark.slow, pytest.mark.brownout_processes]

LONG_S = 60.0


@pytest.mark.alone
def test_interrupting_prints_a_summary(up: Brownout) -> None:
    """Ctrl-C ends Locust and tells what each cohort met; the lock and the faults' document are gone with it."""
    dashboard = Dashboard(up)
    eventually(lambda: len(dashboard.data()["times_s"]) > 3, LONG_S, what="some seconds of load")
    dashboard.command.interrupt()
    assert dashboard.command.end() == 0
    told = dashboard.command.out.read_text()
    assert "load ended: interrupted" in told
    assert "sydney-machines" in told
    assert "lag p99" in told
    assert "problem" not in told
    assert generators(up) == []
    assert not (folder_of(up) / "faults.json").exists()


@pytest.mark.alone
def test_several_workers_are_one_load(up: Brownout) -> None:
    """Two workers and their master send what one process would; the log of each is in the folder, and all of it adds up."""
    told = up.run("load", "ftvr-l9z", "--headless", "--workers", "2", "--for", "6s", "--json")
    assert told.returncode == 0, told.stderr
    assert "resource-callers" in told.stderr  # whose machines the stack lacks
    shown = json.loads(told.stdout)
    records = list(LogTail(folder_of(up)).read())
    assert sum(total["planned"] for total in shown["totals"]) == len(records) > 100
    assert len({record.id for record in records}) == len(records)
    assert {path.name for path in folder_of(up).glob("requests*")} == {"requests-0.jsonl", "requests-1.jsonl"}
    assert shown["problems"] == []
    assert generators(up) == []


def test_killing_the_command_leaves_no_locust(up: Brownout) -> None:
    """After kill -9 nothing sends any more, and the stack can have its next load at once."""
    made = Dashboard(up, "--workers", "2")
    assert len(generators(up)) == 3
    made.command.interrupt(signal.SIGKILL)
    made.command.end()
    eventually(lambda: generators(up) == [], LONG_S, what="no generator")
    told = up.run("load", "--headless", "--for", "1s", "--set", "sydney-apps=0")
    assert told.returncode == 0, told.stderr
    assert "sydney-apps" not in told.stdout


def test_a_halt_ends_the_load_and_allows_none(up: Brownout) -> None:
    """`halt` returns when the load has ended, which says why; until it is lifted no load begins."""
    made = Dashboard(up)
    told = up.run("halt", "--reason", "enough")
    assert (told.returncode, generators(up)) == (0, []), told.stderr
    assert made.command.end() == 0
    assert "load ended: halted since" in made.command.out.read_text()
    refused = up.run("load", "--headless", "--for", "1s")
    assert (refused.returncode, "enough" in refused.stderr) == (4, True)
    assert up.run("halt", "--lift").stdout.startswith("lifted: halted since")


def test_the_load_goes_down_with_its_stack(up: Brownout) -> None:
    """`down` ends the load too, in words and without an error."""
    made = Dashboard(up)
    assert up.run("down").returncode == 0
    assert made.command.end() == 0
    assert "was taken down" in made.command.out.read_text()
    assert generators(up) == []
    told = up.run("load")
    assert told.returncode == 2
    assert "no stack is up" in told.stderr
