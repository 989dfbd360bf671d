"""A campaign goes on after a kill, on any executor, and finds what an uninterrupted one finds."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.suites.search import campaign
from brownout.suites.search.campaign import JOURNAL, Budget, CampaignJournal, ChunkDone, Plan, Sighting, go_on
from brownout.suites.search.executors import InThisProcess, executor_of
from brownout.suites.search.schedule import FaultSchedule
from support.brownout_command import invoke

PLAN = Plan(grounds=("azure", "aws"), seed=5, size=10)
CARRIED_OUT: list[int] = []


def chunk(plan: Plan, number: int) -> ChunkDone:
    """As if every third chunk found something, and the same twice."""
    CARRIED_OUT.append(number)
    schedule = FaultSchedule(ground="azure", seed=number, acts=(), cohorts=("apps",))
    names = ("invariant:one", "lost:two")[: number % 3]
    found = tuple(
        Sighting(broken=name, evidence=f"in {number}", schedule=schedule, number=number * plan.size + 1) for name in names
    )
    return ChunkDone(chunk=number, schedules=plan.size, cpu_s=0.5, allowed={"objective:search-floor": 1}, found=found)


@pytest.fixture(autouse=True)
def _chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "carry_out_chunk", chunk)
    CARRIED_OUT.clear()


def test_a_campaign_ends_with_its_budget(tmp_path: Path) -> None:
    """So many schedules, in whole chunks."""
    journal = CampaignJournal.begin(tmp_path / "c", PLAN)
    assert go_on(journal, InThisProcess(), Budget(schedules=35), at_once=1)
    assert sorted(journal.done) == [0, 1, 2, 3]


def test_it_goes_on_where_a_kill_left_it(tmp_path: Path) -> None:
    """No finished chunk is carried out again, a torn line is none, and the findings are those of an uninterrupted campaign."""
    whole = CampaignJournal.begin(tmp_path / "whole", PLAN)
    go_on(whole, InThisProcess(), Budget(schedules=60), at_once=1)
    torn = CampaignJournal.begin(tmp_path / "torn", PLAN)
    go_on(torn, InThisProcess(), Budget(schedules=30), at_once=1)
    with (tmp_path / "torn" / JOURNAL).open("a") as file:
        file.write('{"chunk":3,"schedu')
    CARRIED_OUT.clear()
    again = CampaignJournal.resume(tmp_path / "torn")
    go_on(again, InThisProcess(), Budget(schedules=60), at_once=1)
    assert CARRIED_OUT == [3, 4, 5]
    assert again.found() == whole.found()
    assert CampaignJournal.resume(tmp_path / "torn").done == again.done


def test_findings_do_not_depend_on_who_was_first(tmp_path: Path) -> None:
    """Chunks that end in another order tell of the same first schedules."""
    alone, together = CampaignJournal.begin(tmp_path / "alone", PLAN), CampaignJournal.begin(tmp_path / "together", PLAN)
    go_on(alone, InThisProcess(), Budget(schedules=80), at_once=1)
    with ThreadPoolExecutor(4) as pool:
        go_on(together, pool, Budget(schedules=80), at_once=4)
    assert together.found() == alone.found()
    assert together.done == alone.done


def test_an_interrupt_keeps_what_there_is(tmp_path: Path) -> None:
    """Ctrl-C ends the campaign in order; what was finished is in the journal."""

    class Interrupted(InThisProcess):
        def submit(self, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
            if len(CARRIED_OUT) == 2:
                raise KeyboardInterrupt
            return super().submit(*args, **kwargs)  # type: ignore[arg-type]

    journal = CampaignJournal.begin(tmp_path / "c", PLAN)
    assert not go_on(journal, Interrupted(), Budget(schedules=80), at_once=1)
    assert sorted(CampaignJournal.resume(tmp_path / "c").done) == [0, 1]


def test_a_folder_belongs_to_one_campaign(tmp_path: Path) -> None:
    """Another seed in the same folder is refused, and so is a folder without a journal."""
    CampaignJournal.begin(tmp_path / "c", PLAN)
    with pytest.raises(UsageError, match="another search: seed 5"):
        CampaignJournal.begin(tmp_path / "c", PLAN.model_copy(update={"seed": 6}))
    with pytest.raises(UsageError, match="no journal"):
        CampaignJournal.resume(tmp_path / "nothing")


def test_a_chunk_that_fails_ends_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours is no finding, and is not swallowed."""

    def failing(plan: Plan, number: int) -> ChunkDone:
        raise RuntimeError("broken")

    monkeypatch.setattr(campaign, "carry_out_chunk", failing)
    with pytest.raises(RuntimeError, match="broken"):
        go_on(CampaignJournal.begin(tmp_path / "c", PLAN), InThisProcess(), Budget(schedules=10), at_once=1)


@pytest.mark.parametrize(
    ("address", "told"), [("10.0.0.1:8786", "is no executor"), ("dask://", "is no executor"), ("ray://x", "is no executor")]
)
def test_an_executor_that_there_is_not_is_refused(address: str, told: str) -> None:
    """With what an address looks like."""
    with pytest.raises(UsageError, match=told), executor_of(address, 1):
        pass


def test_a_process_that_is_killed_ends_the_campaign_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's exit code is 4, and what is finished, without the chunk that killed it, is there to go on with."""
    monkeypatch.setattr(campaign, "carry_out_chunk", _killed_at_the_third)
    words = ("--schedules", "100", "--no-corpus", "--workers", "2")
    told = invoke("search", *words, "--out", str(tmp_path / "c"))
    assert told.exit_code == 4, told.output
    assert "ended abruptly" in told.output
    assert "--resume" in told.output
    assert "Traceback" not in told.output
    assert 2 not in CampaignJournal.resume(tmp_path / "c").done


def _killed_at_the_third(plan: Plan, chunk: int) -> ChunkDone:
    if chunk == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return ChunkDone(chunk=chunk, schedules=plan.size, cpu_s=0.0)


def test_dask_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match="distributed") as refused, executor_of("dask://127.0.0.1:9", 1):
        pass
    assert "pip install distributed" in refused.value.hint
