"""Comparisons of two sides: what is worse, what cannot be told, and what may not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.judge.run_folder import RunHeader, write_header, write_result
from brownout.harness.record.comparison import ComparedRow, ComparisonResult
from brownout.harness.record.result import GateResult, Result, Times
from brownout.harness.series.compare import compare
from brownout.harness.series.sides import RecordedRun, Side, read_side
from support.series_results import run_result, series_plan
from support.small_day import DAY, small_day

LAGGED = GateResult(name="generator-lag", passed=False, reason="p99 was 900 ms")
LIMIT = {"total": {"cohorts": ["warm"]}, "good": {"within": "300ms"}}


def header(**changed: Any) -> RunHeader:
    """What was run: the small experiment, whose one objective is called `tokens`."""
    own = {key: changed.pop(key) for key in list(changed) if key in ("world", "posture", "clock_rate", "seed", "parameters")}
    experiment = small_day(slos=[{**DAY["slos"][0], "name": "tokens"}], **changed)
    base = {"world": "simulation", "posture": "fragile", "seed": 1, "clock_rate": 1.0, **own}
    return RunHeader(experiment=experiment, versions={}, started_at="", command="", **base)


def side(name: str, bads: Sequence[int], *, times: Sequence[float | None] = (), known: RunHeader | None = None) -> Side:
    """A side of made-up runs: the bad ones of a thousand, and how long each took to recover."""
    runs = []
    for number, bad in enumerate(bads):
        result = run_result(bad)
        if times:
            result = result.model_copy(update={"times": Times(recover=times[number])})
        runs.append(RecordedRun(Path(f"/made-up/{name}/{number}"), known or header(), result))
    return Side(name, tuple(runs))


def row(found: ComparisonResult, name: str = "tokens") -> ComparedRow:
    return next(each for each in found.rows if each.name == name)


def test_a_system_that_became_worse_is_a_regression() -> None:
    """The bad share rose by more than chance: exit code 1, and the bounds are of the rise."""
    found = compare(side("BEFORE", [10, 12, 9, 11, 10]), side("AFTER", [50, 60, 55, 48, 52]))
    assert (found.scope, found.verdict, found.exit_code) == ("system", "regression", 1)
    tokens = row(found)
    assert tokens.verdict == "worse"
    assert tokens.low is not None
    assert tokens.high is not None
    assert 0.02 < tokens.low < 0.0426 < tokens.high < 0.06


def test_a_system_that_became_better_is_no_regression() -> None:
    """The same the other way round."""
    found = compare(side("BEFORE", [50, 60, 55, 48, 52]), side("AFTER", [10, 12, 9, 11, 10]))
    assert (row(found).verdict, found.verdict, found.exit_code) == ("better", "no regression", 0)


def test_no_difference_is_no_proof_of_none() -> None:
    """Where more than the margin is still possible the comparison is inconclusive; a wider margin accepts it."""
    before, after = side("BEFORE", [10, 30, 12, 25, 9]), side("AFTER", [11, 28, 14, 22, 13])
    found = compare(before, after)
    assert (row(found).verdict, found.verdict, found.exit_code) == ("no difference seen", "inconclusive", 3)
    assert compare(before, after, margin=5.0).exit_code == 0


def test_single_runs_are_compared_as_these_runs() -> None:
    """Their shares have bounds, their times have none, and the note says that it is not about the system."""
    found = compare(side("BEFORE", [10], times=[60.0]), side("AFTER", [200], times=[600.0]))
    assert (found.scope, found.verdict) == ("runs", "regression")
    assert row(found, "time to recover").verdict == "not comparable"
    assert "not about the system" in found.notes[0]


def test_times_of_series_are_compared() -> None:
    """In emulated seconds, with bounds; a side in which one episode's is not known is not."""
    before = side("BEFORE", [10] * 5, times=[60, 62, 58, 61, 59])
    slow = compare(before, side("AFTER", [10] * 5, times=[90, 95, 88, 92, 91]))
    assert row(slow, "time to recover").verdict == "worse"
    assert slow.exit_code == 1
    never = compare(before, side("AFTER", [10] * 5, times=[90, None, 88, 92, 91]))
    assert row(never, "time to recover").reason == "in 1 of 5 episodes of AFTER it is not known"


@pytest.mark.parametrize(
    ("changed", "share", "time"),
    [
        ({"world": "processes"}, "", "times of worlds simulation and processes are not alike"),
        ({"load": {"cohorts": [{**DAY["load"]["cohorts"][0], "rate_per_s": 5}]}}, "the experiment was changed: load", "load"),
        ({"timeline": {**DAY["timeline"], "end": "04:00"}}, "the experiment was changed: timeline", "timeline"),
    ],
)
def test_what_is_not_alike_is_not_compared(changed: dict[str, Any], share: str, time: str) -> None:
    """A changed experiment makes no row comparable, another world only no time; each row says why."""
    ones = [60.0] * 5
    found = compare(side("BEFORE", [10] * 5, times=ones), side("AFTER", [10] * 5, times=ones, known=header(**changed)))
    assert row(found).reason == share
    assert time in row(found, "time to recover").reason
    assert (row(found).verdict == "not comparable") == bool(share)


def test_times_at_other_rates_of_the_clock_are_not_compared() -> None:
    """A time-out is real time, so it takes more emulated time where the clock is faster."""
    ones, slow, fast = [60.0] * 5, header(world="processes"), header(world="processes", clock_rate=200.0)
    found = compare(side("BEFORE", [10] * 5, times=ones, known=slow), side("AFTER", [10] * 5, times=ones, known=fast))
    assert "rates of the clocks differ" in row(found, "time to recover").reason


def test_an_objective_with_another_rule_is_not_compared() -> None:
    """What counts as good differs, so the shares are of different things."""
    strict = small_day(slos=[{**DAY["slos"][0], "name": "tokens", "indicator": {"ratioMetric": LIMIT}}])
    other = header().model_copy(update={"experiment": strict})
    found = compare(side("BEFORE", [10] * 5), side("AFTER", [10] * 5, known=other))
    assert row(found).reason == "the objective was defined differently"
    assert found.exit_code == 3


def test_milliseconds_are_not_compared_between_worlds() -> None:
    """An objective that counts answers within some milliseconds measures the world too."""
    strict = small_day(slos=[{**DAY["slos"][0], "name": "tokens", "indicator": {"ratioMetric": LIMIT}}])
    one, two = (header(world=world).model_copy(update={"experiment": strict}) for world in ("simulation", "processes"))
    found = compare(side("BEFORE", [10] * 5, known=one), side("AFTER", [10] * 5, known=two))
    assert "answers within 300 ms" in row(found).reason


def test_an_outage_that_does_not_end_is_no_regression_ruled_out() -> None:
    """Where AFTER has an impact whose recovery is not known it may be the worst; where it has no impact there is none."""
    before = side("BEFORE", [0] * 5, times=[60.0] * 5)
    quiet = side("AFTER", [0] * 5, times=[None] * 5)
    runs = [replace(run, result=run.result.model_copy(update={"times": Times(impact_start_s=1.0)})) for run in quiet.runs]
    found = compare(before, Side("AFTER", tuple(runs)))
    assert found.verdict == "inconclusive"
    assert found.reasons == ("time to recover cannot be compared: in 5 of 5 episodes of AFTER it is not known",)
    assert compare(before, quiet).verdict == "no regression"


def test_one_outage_that_does_not_end_is_enough_to_keep_a_regression_from_being_ruled_out() -> None:
    """Four of five recovered as before, and the fifth may be the worst."""
    before, after = side("BEFORE", [0] * 5, times=[60.0] * 5), side("AFTER", [0] * 5, times=[60.0] * 4 + [None])
    *ended, last = after.runs
    endless = replace(last, result=last.result.model_copy(update={"times": Times(impact_start_s=1.0)}))
    found = compare(before, Side("AFTER", (*ended, endless)))
    assert found.verdict == "inconclusive"
    assert found.reasons == ("time to recover cannot be compared: in 1 of 5 episodes of AFTER it is not known",)


def test_unless_said_otherwise_a_quarter_more_is_allowed() -> None:
    """A quarter of the objective's budget, and of the mean time before."""
    found = compare(side("BEFORE", [10] * 5, times=[60.0] * 5), side("AFTER", [10] * 5, times=[60.0] * 5))
    (objective,) = header().experiment.slos
    assert found.margin == 0.25
    assert row(found).allowed == pytest.approx((1 - objective.objectives[0].target) / 4)
    assert row(found, "time to recover").allowed == pytest.approx(15.0)


def test_runs_with_a_failed_gate_are_left_out() -> None:
    """They are named with the gate; a side of which none is left is not comparable."""
    bad = run_result(900, verdict="inconclusive", gates=(LAGGED,))
    lagged = RecordedRun(Path("/made-up/lagged"), header(), bad)
    good, before = side("AFTER", [10] * 5), side("BEFORE", [10] * 5)
    found = compare(before, Side("AFTER", (*good.runs, lagged)))
    assert found.after.excluded == ("/made-up/lagged: generator-lag: p99 was 900 ms",)
    assert row(found).after == pytest.approx(0.01)
    nothing = compare(before, Side("AFTER", (lagged,)))
    assert row(nothing).verdict == "not comparable"
    assert nothing.exit_code == 3


def recorded(folder: Path, known: RunHeader, result: Result | None = None) -> Path:
    """A run folder on disk."""
    write_header(folder, known)
    write_result(folder, result or run_result(10))
    return folder


def test_another_experiment_is_refused(tmp_path: Path) -> None:
    """So are a folder that is none, one that is on both sides, and one that is named twice."""
    one, two = recorded(tmp_path / "1", header(seed=1)), recorded(tmp_path / "2", header(seed=2))
    other = header()
    renamed = other.model_copy(update={"experiment": other.experiment.model_copy(update={"name": "another"})})
    third = recorded(tmp_path / "3", renamed)
    with pytest.raises(UsageError, match="AFTER is another"):
        compare(read_side("BEFORE", [one]), read_side("AFTER", [third]))
    with pytest.raises(UsageError, match="is on both sides"):
        compare(read_side("BEFORE", [one]), read_side("AFTER", [two, one]))
    with pytest.raises(UsageError, match="are the same run"):
        read_side("BEFORE", [one, one])
    with pytest.raises(UsageError, match="is not a run folder"):
        read_side("BEFORE", [tmp_path])


def test_a_side_is_of_one_kind(tmp_path: Path) -> None:
    """Runs of two postures are not one system; two simulations of one seed are one sample."""
    one = recorded(tmp_path / "1", header(seed=1))
    posture, again = recorded(tmp_path / "2", header(seed=2, posture="repaired")), recorded(tmp_path / "3", header(seed=1))
    with pytest.raises(UsageError, match="another posture"):
        read_side("AFTER", [one, posture])
    with pytest.raises(UsageError, match="equal runs"):
        read_side("AFTER", [one, again])


def test_a_side_without_a_run_is_refused(tmp_path: Path) -> None:
    """A series that was ended before its first episode says nothing."""
    (tmp_path / "series.json").write_text(series_plan(5).model_dump_json(by_alias=True))
    with pytest.raises(UsageError, match="BEFORE has no run"):
        read_side("BEFORE", [tmp_path])


@pytest.mark.parametrize(("before", "after", "told"), [("1", "1", False), ("1", "2", True), ("", "2", True)])
def test_sides_that_were_judged_by_different_versions_say_so(before: str, after: str, told: bool) -> None:
    """A figure may differ by how it is judged; the folder can be judged again."""
    sides = [
        side(name, [1] * 5, known=header().model_copy(update={"versions": {"brownout": version, "python": name}}))
        for name, version in (("BEFORE", before), ("AFTER", after))
    ]
    notes = compare(*sides).notes
    assert any(f"judged by versions {before} and {after}" in note for note in notes) is told
