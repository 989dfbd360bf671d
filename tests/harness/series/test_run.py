"""A series on its way: which episodes are carried out, what ends it, and what is kept. Its runs are made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.run_folder import write_result
from brownout.harness.record.result import GateResult
from brownout.harness.run.options import Options, Outcome
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.series import run as series_run
from brownout.harness.series.folder import KILLED, evaluate_series, read_series_result, write_series_result
from brownout.harness.series.plan import is_series, new_series_folder, read_plan
from brownout.harness.series.run import PreparedSeries, SeriesOutcome, carry_out_series, prepare_series
from brownout.harness.series.verdict import MadeEpisode
from brownout.identity.core.settings import Settings
from support.brownout_command import small
from support.series_results import run_result

HALTED = GateResult(name="finished", passed=False, reason="halted: enough")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return load(small(tmp_path))


def prepared(experiment: Experiment, folder: Path, episodes: int = 5, **options: Any) -> PreparedSeries:
    return prepare_series(
        experiment, Options(**{"out": folder / "runs", "seed": 7, "world": "simulation", **options}), episodes
    )


def carried(
    monkeypatch: pytest.MonkeyPatch, series: PreparedSeries, ends: Mapping[int, Outcome | Exception | type[BaseException]]
) -> tuple[SeriesOutcome, list[MadeEpisode], list[PreparedRun]]:
    """The series' outcome, what was told meanwhile and the runs that were begun, where each passes but for those in `ends`."""
    told: list[MadeEpisode] = []
    begun: list[PreparedRun] = []

    def carry_out(run: PreparedRun, **_: object) -> Outcome:
        begun.append(run)
        end = ends.get(len(begun), Outcome(run_result(), Path()))
        if isinstance(end, Outcome):
            return end
        raise end

    monkeypatch.setattr(series_run, "carry_out", carry_out)
    return carry_out_series(series, told=told.append), told, begun


def outcome(verdict: Any, *, interrupted: bool = False, gates: tuple[GateResult, ...] = ()) -> Outcome:
    return Outcome(run_result(verdict=verdict, gates=gates), Path(), interrupted=interrupted)


def test_each_episode_has_its_own_draws_and_folder(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path
) -> None:
    """In the order of the plan, within the series' folder, where the result is in the end."""
    series = prepared(experiment, tmp_path)
    ended, told, begun = carried(monkeypatch, series, {})
    assert [run.options.seed for run in begun] == [one.seed for one in series.plan.episodes]
    assert [run.options.offset_s for run in begun] == [one.offset_s for one in series.plan.episodes]
    assert {run.options.out for run in begun} == {ended.folder}
    assert [one.planned for one in told] == list(series.plan.episodes)
    assert (ended.result.verdict, ended.result.cut_short, ended.interrupted, ended.unsaved) == ("pass", "", False, ())
    assert read_series_result(ended.folder) == ended.result


@pytest.mark.parametrize("verdict", ["unsafe", "harness-error"])
def test_an_episode_that_ended_badly_ends_the_series(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path, verdict: str
) -> None:
    """It is the last one, and is kept; a breach or an inconclusive one is not."""
    ends = {1: outcome("breach"), 2: outcome("inconclusive"), 3: outcome(verdict)}
    ended, told, begun = carried(monkeypatch, prepared(experiment, tmp_path), ends)
    assert (len(begun), len(told)) == (3, 3)
    assert (ended.result.cut_short, ended.result.verdict) == (f"episode-03 ended as {verdict}", verdict)
    assert not ended.interrupted


@pytest.mark.parametrize(("gates", "why"), [((HALTED,), "halted: enough"), ((), "it was interrupted")])
def test_an_interrupted_episode_ends_the_series_and_says_why(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path, gates: tuple[GateResult, ...], why: str
) -> None:
    """Its own gate says it where there is one, and a gate that passed says nothing."""
    passed = GateResult(name="finished", passed=True, reason="it came to its end")
    ends = {
        2: outcome("inconclusive", interrupted=True, gates=(GateResult(name="bite", passed=False, reason="no"), passed, *gates))
    }
    ended, told, begun = carried(monkeypatch, prepared(experiment, tmp_path), ends)
    assert (len(begun), len(told), ended.interrupted, ended.result.cut_short) == (2, 2, True, why)


def test_an_interrupt_between_two_episodes_ends_the_series(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path
) -> None:
    """What was made is kept; of the episode that had not begun there is nothing."""
    ended, told, _ = carried(monkeypatch, prepared(experiment, tmp_path), {3: KeyboardInterrupt})
    assert (len(told), ended.interrupted, ended.result.cut_short) == (2, True, "it was interrupted")


def test_an_error_ends_the_series_and_keeps_what_the_run_left(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path
) -> None:
    """Its episode counts among those that were made where its folder has a result, and is told as any other."""
    lost, left = BrownoutError("no disk"), BrownoutError("no disk")
    left.run_folder = tmp_path / "left"
    left.run_folder.mkdir()
    write_result(left.run_folder, run_result(verdict="harness-error"))
    for error, made in ((lost, 1), (left, 2)):
        ended, told, _ = carried(monkeypatch, prepared(experiment, tmp_path), {2: error})
        assert (len(told), len(ended.result.episodes), ended.interrupted) == (made, made, False)
        assert ended.result.cut_short == "episode-02: no disk"


def test_a_series_without_a_first_episode_is_an_error(
    monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path
) -> None:
    """There is nothing to judge; one whose first run left a result is judged."""
    with pytest.raises(BrownoutError, match="no disk"):
        carried(monkeypatch, prepared(experiment, tmp_path), {1: BrownoutError("no disk")})
    left = BrownoutError("no disk")
    left.run_folder = tmp_path
    write_result(tmp_path, run_result(verdict="harness-error"))
    ended, told, _ = carried(monkeypatch, prepared(experiment, tmp_path), {1: left})
    assert (len(told), ended.result.verdict) == (1, "harness-error")


def test_a_result_that_cannot_be_saved_is_said(monkeypatch: pytest.MonkeyPatch, experiment: Experiment, tmp_path: Path) -> None:
    """The series ends as it would have, with the command that makes the result."""

    def refused(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(series_run, "write_series_result", refused)
    ended, _, _ = carried(monkeypatch, prepared(experiment, tmp_path), {})
    (told,) = ended.unsaved
    assert told.startswith("no series-result.json in ")
    assert f"No space left on device; `brownout report {ended.folder}`" in told


def test_what_one_run_alone_may_have_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    """A dashboard, and an offset: those of a series are drawn."""
    with pytest.raises(UsageError, match="a dashboard shows one run"):
        prepared(experiment, tmp_path, dashboard_port=8089)
    with pytest.raises(UsageError, match="draws the offsets"):
        prepared(experiment, tmp_path, offset_s=1.0)


@pytest.mark.parametrize("count", [0, 1001, True, 2.0])
def test_a_count_that_is_none_is_refused(experiment: Experiment, tmp_path: Path, count: Any) -> None:
    """From one to a thousand, as a whole number."""
    with pytest.raises(UsageError, match="from 1 to 1,000 episodes"):
        prepared(experiment, tmp_path, count)


def test_the_real_time_of_a_series_is_that_of_all_its_episodes(experiment: Experiment, tmp_path: Path) -> None:
    """Each timeline and offset at the clock's rate; none in the simulation. As long as is allowed may be, and no longer."""
    assert prepared(experiment, tmp_path).real_s == 0.0
    live = prepared(experiment, tmp_path, world="processes", longest_s=1e9)
    offsets_s = sum(one.offset_s for one in live.plan.episodes)
    assert offsets_s > 0
    assert live.real_s == pytest.approx(5 * live.first.real_s + offsets_s / live.first.rate)
    assert prepared(experiment, tmp_path, world="processes", longest_s=live.real_s).real_s == live.real_s
    short_s = live.real_s - 1
    minutes, allowed = f"{live.real_s / 60:.3g}", f"{short_s / 60:.3g}"
    with pytest.raises(UsageError, match=f"5 episodes take {minutes} minutes of real time; {allowed} may be") as refused:
        prepared(experiment, tmp_path, world="processes", longest_s=short_s)
    assert f"`--longest {-(-live.real_s // 60):.0f}m` allows it" in refused.value.hint


def test_a_longer_series_begins_with_the_same_episodes(experiment: Experiment, tmp_path: Path) -> None:
    """Seeds and offsets are drawn one by one; offsets are within one publishing interval, to a tenth of a second."""
    plan, longer = prepared(experiment, tmp_path, 5).plan, prepared(experiment, tmp_path, 40).plan
    assert longer.episodes[:5] == plan.episodes
    assert [one.number for one in longer.episodes] == list(range(1, 41))
    assert longer.episodes[8].folder == "episode-09"
    cycle_s = Settings.of(prepared(experiment, tmp_path).first.stack.settings).publish_interval_s
    offsets_s = [one.offset_s for one in longer.episodes]
    assert 0.8 * cycle_s < max(offsets_s) <= cycle_s
    assert all(one == round(one, 1) for one in offsets_s)
    assert len({one.seed for one in longer.episodes}) == 40
    assert max(one.seed for one in longer.episodes) > 2**38


def test_a_plan_that_cannot_be_read_is_told_apart_from_none(experiment: Experiment, tmp_path: Path) -> None:
    """No series, one whose plan is something else, and one whose plan is damaged or lacks everything: each in its words."""
    path = tmp_path / "series.json"
    assert not is_series(tmp_path)
    with pytest.raises(UsageError, match="is not a series of runs"):
        read_plan(tmp_path)
    with pytest.raises(UsageError, match="is not a series of runs"):
        read_plan(tmp_path / "small.yaml")
    path.mkdir()
    with pytest.raises(UsageError, match=r"series\.json cannot be read: "):
        read_plan(tmp_path)
    path.rmdir()
    for text, words in (("{", "is damaged, or of another version: the whole file: "), ("{}", "another version: experiment: ")):
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            read_plan(tmp_path)
    plan = prepared(experiment, tmp_path).plan
    folder = new_series_folder(plan, tmp_path / "runs")
    assert is_series(folder)
    assert read_plan(folder) == plan
    assert folder.name == f"small-simulation-plain-{plan.seed}-x5"


def test_a_series_that_is_judged_again_keeps_why_it_was_cut_short(experiment: Experiment, tmp_path: Path) -> None:
    """Its result has the reason; where there is no result the series was killed. Its real time is kept, or that of its runs."""
    folder = new_series_folder(prepared(experiment, tmp_path).plan, tmp_path / "runs")
    first = folder / "episode-01"
    first.mkdir(exist_ok=True)
    (first / "run.json").write_text("{}")
    write_result(first, run_result())
    killed = evaluate_series(folder)
    assert (killed.cut_short, killed.wall_s) == (KILLED, 1.0)
    write_series_result(folder, killed.model_copy(update={"cut_short": "interrupted after episode 1", "wall_s": 7.0}))
    again = evaluate_series(folder)
    assert (again.cut_short, again.wall_s) == ("interrupted after episode 1", 7.0)


def test_an_episodes_command_has_its_draws(experiment: Experiment, tmp_path: Path) -> None:
    """Its seed and its offset, which is left out where it is none; the claims are not checked."""
    series = prepared(experiment, tmp_path)
    drawn, none = (series.plan.episodes[0].model_copy(update={"seed": 5, "offset_s": at_s}) for at_s in (12.5, 0.0))
    assert series.episode(drawn, tmp_path).options.command.endswith(" --seed 5 --no-controls --offset 12.5s")
    assert series.episode(none, tmp_path).options.command.endswith(" --seed 5 --no-controls")
    assert not series.episode(drawn, tmp_path).options.controls
